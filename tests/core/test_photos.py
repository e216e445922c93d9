"""Photographed writing: the photographs are made, with their truth, as for the benchmark of the same name."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mnist_core import classify, load_model
from mnist_core.drawing import prepare
from mnist_core.photos import highest, ink_on_paper, otsu
from mnist_core.pictures import read_picture

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "photos.py"
EACH = 2  # photographs of each scene
ON_A_TABLE = {"table around", "everything"}


@pytest.fixture(scope="module")
def made() -> ModuleType:
    specification = importlib.util.spec_from_file_location("made_photos", BENCHMARK)
    module = importlib.util.module_from_spec(specification)
    sys.modules["made_photos"] = module
    specification.loader.exec_module(module)
    return module


def test_digits_are_read_from_photographs_of_every_kind(made) -> None:
    model = load_model()
    wrong, overlaps = [], []
    for at, (name, scene) in enumerate(made.SCENES.items()):
        chance = np.random.default_rng(at)  # other digits in every scene
        for number in range(EACH):
            label = (number * 3 + len(name)) % 10
            photo = made.photograph(scene, label, chance)
            found = read_picture(photo.jpeg)
            overlaps.append(made.overlap(found, photo.ink))
            wrong += [name] if classify(model, found).digit != label else []
    assert len(wrong) <= 0.05 * EACH * len(made.SCENES), wrong
    assert np.median(overlaps) > 0.8
    assert np.percentile(overlaps, 5) > 0.6


def test_blank_paper_stays_blank(made) -> None:
    for name, scene in made.SCENES.items():
        if name not in ON_A_TABLE:
            photo = made.photograph(replace(scene, hand="nobody"), 0, np.random.default_rng(2))
            assert not read_picture(photo.jpeg).any(), name


def sheet(strength: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Ink of a 5 whose bar stands apart, 0..1, and the grey paper (400, 500) under uneven light."""
    ink = np.zeros((400, 500))
    ink[100:112, 200:290] = 1  # the bar
    ink[120:200, 190:202] = 1
    ink[190:202, 200:280] = 1
    ink[200:290, 270:282] = 1
    ink[280:292, 190:280] = 1
    light = np.linspace(90, 200, 500) + np.random.default_rng(0).normal(0, 3, ink.shape)
    return ink, light * (1 - strength * ink)


def found_on(grey: np.ndarray) -> np.ndarray:
    return ink_on_paper(grey.astype(np.float32)) >= 128


def test_all_parts_of_what_is_written_are_kept_and_nothing_else() -> None:
    ink, grey = sheet()
    alone = found_on(grey)
    assert (alone == (ink > 0)).mean() > 0.995
    for spot in ((slice(20, 23), slice(20, 23)), (slice(300, 400), slice(0, 4)), (slice(360, 363), slice(300, 305))):
        spoilt = grey.copy()
        spoilt[spot] *= 0.3  # a speck, a dark strip at the border, another speck
        found = found_on(spoilt)
        assert (found == alone).mean() > 0.999
        assert not found[spot].any()


def test_two_digits_side_by_side_are_both_kept() -> None:
    ink, grey = sheet()
    grey[100:292, 340:352] = grey[100:292, 330:342] * 0.3  # a one
    found = found_on(grey)
    assert found[105:285, 342:350].all()
    assert found[(ink > 0)].mean() > 0.95


def test_a_hard_shadow_across_the_writing_changes_little() -> None:
    ink, grey = sheet()
    grey[np.add.outer(np.arange(400), np.arange(500)) > 430] *= 0.55
    assert (found_on(grey) == (ink > 0)).mean() > 0.99


def test_chalk_on_a_board_is_ink_like_a_pen_on_paper() -> None:
    ink, _ = sheet()
    board = np.linspace(40, 60, 500) + np.random.default_rng(0).normal(0, 2, ink.shape) + 120 * ink
    assert (found_on(board) == (ink > 0)).mean() > 0.99


def test_fainter_than_any_pen_is_nothing() -> None:
    for strength, is_blank in ((0.06, True), (0.5, False)):
        assert prepare(ink_on_paper(sheet(strength)[1].astype(np.float32))).is_blank == is_blank


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (5, 1024), (64, 64)])
def test_any_shape_and_any_pixels_give_ink_of_that_shape(shape) -> None:
    for seed in range(3):
        grey = np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)
        ink = ink_on_paper(grey)
        assert ink.shape == shape
        assert ink.dtype == np.uint8


@pytest.mark.parametrize("radius", [1, 2, 5, 40])
def test_the_highest_around_a_pixel_is_that_of_its_square(radius) -> None:
    levels = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    expected = [
        [levels[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].max() for x in range(30)]
        for y in range(20)
    ]
    np.testing.assert_array_equal(highest(levels, radius), expected)


def test_the_threshold_parts_two_heaps_and_has_the_least_variance_within() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(0.2, 0.04, 5000), random.normal(0.7, 0.08, 400)]).clip(0, 1)
    threshold = otsu(values)
    assert 0.3 < threshold < 0.5

    def within(at: float) -> float:
        return sum(part.var() * part.size for part in (values[values < at], values[values >= at]) if part.size)

    assert within(threshold) <= 1.02 * min(within(at) for at in np.linspace(0.05, 0.95, 91))
