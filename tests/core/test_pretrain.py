"""The command that makes the shipped network, on a small scale."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mnist_core import load_mnist, load_model, pretrain
from mnist_core.augmentation import augment
from mnist_core.calibration import TURNED_AWAY, calibrate, predict_all
from mnist_core.data import Digits, normalize
from mnist_core.nondigits import make_non_digits
from mnist_core.people import Person, read_people
from mnist_core.pretrain import (
    DECAY,
    KEPT_IMAGES,
    TRAINING,
    Round,
    averaged_round,
    gather,
    keep_out,
    main,
    renew_statistics,
    split_people,
    warped,
)
from mnist_core.styles import make_digits
from mnist_core.training import BatchDone, build_seeded_model, train

SMALL = replace(TRAINING, model_options={"channels": (2, 2, 2), "refuses": True}, train_images=300, non_digits=20)
PLAIN = Round(epochs=2, learning_rate=0.01, copies=2, made_digits=30)


@pytest.fixture
def small_rounds(monkeypatch) -> None:
    """Three rounds of a second or so."""
    monkeypatch.setattr(pretrain, "TRAINING", SMALL)
    monkeypatch.setattr(pretrain, "FIRST", Round(epochs=2, learning_rate=0.008, copies=1, made_digits=20))
    monkeypatch.setattr(pretrain, "AVERAGED", Round(epochs=3, learning_rate=0.004, copies=2, made_digits=30))
    monkeypatch.setattr(pretrain, "LAST", Round(2, learning_rate=0.001, copies=2, made_digits=30, augment=False))


@pytest.fixture
def strokes(tmp_path: Path) -> Path:
    """Digits of ten writers, four each."""
    chance = np.random.default_rng(0)
    people = [
        {"label": number % 10, "writer": f"w{number % 10}", "strokes": [chance.uniform(0, 500, (9, 2)).tolist()]}
        for number in range(40)
    ]
    path = tmp_path / "strokes.json.gz"
    path.write_bytes(gzip.compress(json.dumps(people).encode()))
    return path


def test_what_is_kept_out_of_the_training_is_in_no_part_of_it(strokes: Path) -> None:
    people = read_people(strokes)
    mnist = load_mnist("train")
    trained, (kept, kept_people) = gather(people, PLAIN, seed=0), keep_out(people, seed=0)
    assert len(kept) == KEPT_IMAGES
    assert (kept.images == mnist.images[-KEPT_IMAGES:]).all()
    others = 60_000 - KEPT_IMAGES
    assert (trained.images[:others] == mnist.images[:-KEPT_IMAGES]).all()
    assert (trained.images[others : 2 * others] == mnist.images[:-KEPT_IMAGES]).all()  # twice
    of_people = {image.numpy().tobytes() for image in trained.images[2 * others :]}
    assert of_people
    assert not of_people & {image.numpy().tobytes() for image in kept_people.images}


@pytest.mark.usefixtures("small_rounds")
def test_one_command_trains_calibrates_and_saves(strokes: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "made.safetensors"
    assert main(["--strokes", str(strokes), "--out", str(out)]) == 0
    model = load_model(out)
    assert model.refuses
    assert model.architecture["options"]["channels"] == (2, 2, 2)
    printed = capsys.readouterr().out
    assert "temperature" in printed
    assert str(out) in printed
    assert re.findall(r"Epoch \d+ of \d+", printed) == [
        "Epoch 1 of 2", "Epoch 2 of 2", "Epoch 1 of 3", "Epoch 2 of 3", "Epoch 3 of 3", "Epoch 1 of 2", "Epoch 2 of 2",
    ]  # fmt: skip


@pytest.mark.usefixtures("small_rounds")
def test_all_rounds_can_be_made_shorter(strokes: Path, tmp_path: Path, capsys) -> None:
    assert main(["--strokes", str(strokes), "--out", str(tmp_path / "made.safetensors"), "--epochs", "1"]) == 0
    assert capsys.readouterr().out.count("Epoch 1 of 1:") == 3


@pytest.mark.usefixtures("small_rounds")
def test_each_round_goes_on_with_what_the_one_before_has_made(strokes: Path, tmp_path: Path, monkeypatch) -> None:
    begun = []

    def looked_at(model, digits, config, test):
        begun.append((id(model), len(digits), config))
        yield from ()

    monkeypatch.setattr(pretrain, "train", looked_at)
    assert main(["--strokes", str(strokes), "--out", str(tmp_path / "made.safetensors"), "--seed", "7"]) == 0
    assert len({network for network, _, _ in begun}) == 1
    assert [(config.seed, config.epochs, config.learning_rate, config.made_digits) for _, _, config in begun] == [
        (7, 2, 0.008, 20),
        (1007, 1, 0.004, 30),
        (2007, 1, 0.004, 30),
        (3007, 1, 0.004, 30),
        (4007, 1, 0.001, 30),
        (5007, 1, 0.001, 30),
    ]
    assert [config.schedule for _, _, config in begun] == [TRAINING.schedule, *["constant"] * 5]
    assert [config.augment for _, _, config in begun] == [True] * 4 + [False] * 2
    mnist, of_one = 2 * (60_000 - KEPT_IMAGES), len(split_people(read_people(strokes))[0])
    assert [count for _, count, _ in begun] == [mnist + of_one, *[mnist + 2 * of_one] * 5]


def test_the_averaged_round_ends_with_the_moving_average_of_its_weights(strokes: Path, monkeypatch) -> None:
    monkeypatch.setattr(pretrain, "TRAINING", SMALL)
    people, test = read_people(strokes), load_mnist("test").first(100)
    model = build_seeded_model(replace(SMALL, seed=7))
    expected, by_hand = None, deepcopy(model)
    for seed in (1007, 2007):
        one = replace(SMALL, epochs=1, seed=seed, learning_rate=0.01, made_digits=30, schedule="constant")
        for event in train(by_hand, gather(people, PLAIN, seed), one, test=test):
            if isinstance(event, BatchDone):
                now = {name: value.double() for name, value in by_hand.named_parameters()}
                last = now if expected is None else expected
                expected = {name: (DECAY * last[name] + (1 - DECAY) * now[name]).detach() for name in now}
    for _ in averaged_round(model, people, PLAIN, 7, test):
        pass
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)
    assert not torch.equal(model.output.weight, by_hand.output.weight)


def test_in_the_last_round_a_quarter_of_mnist_is_warped(strokes: Path) -> None:
    people, others = read_people(strokes), 60_000 - KEPT_IMAGES
    gathered, second = (gather(people, replace(PLAIN, augment=False), seed) for seed in (3, 4))
    plain = gather(people, PLAIN, seed=3)
    assert torch.equal(gathered.labels, plain.labels)
    assert torch.equal(gathered.images[:others], plain.images[:others])
    assert torch.equal(gathered.images[2 * others :], plain.images[2 * others :])  # people's
    expected = warped(plain.first(others), 3).images
    changed, otherwise = (
        (one.images[others : 2 * others] != plain.images[:others]).flatten(1).any(1) for one in (gathered, second)
    )
    assert changed.float().mean() == pytest.approx(0.5, abs=0.01)
    assert (changed & otherwise).float().mean() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(gathered.images[others : 2 * others][changed], expected[changed])


def test_warped_digits_are_those_that_training_would_warp_in_bytes() -> None:
    digits = load_mnist("train").first(1500)
    changed = warped(digits, 3)
    assert torch.equal(changed.labels, digits.labels)
    generator = torch.Generator().manual_seed(3)
    expected = torch.cat([augment(digits.images[part].float(), generator) for part in (slice(1000), slice(1000, 1500))])
    assert (changed.images.float() - expected).abs().max() <= 0.5
    assert (changed.images != digits.images).flatten(1).any(1).all()


def check_statistics(model: nn.Module, people: list[Person], seed: int) -> None:
    """The first batch norm knows the images of a round, not warped; all fit into one batch."""
    digits = gather(people, PLAIN, seed).first(300)
    digits = digits.joined(make_digits(30, seed)).joined(make_non_digits(20, seed))
    convolution, norm = model.features[0][0], model.features[0][1]
    with torch.no_grad():
        seen = convolution(normalize(digits.images)).double()  # (350, 2, 14, 14)
    torch.testing.assert_close(norm.running_mean.double(), seen.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(norm.running_var.double(), seen.var((0, 2, 3)), rtol=1e-3, atol=1e-4)


def test_batch_norm_learns_the_statistics_of_a_round(strokes: Path, monkeypatch) -> None:
    monkeypatch.setattr(pretrain, "TRAINING", replace(SMALL, batch_size=1000))
    people, model = read_people(strokes), build_seeded_model(SMALL)
    before = {name: value.clone() for name, value in model.named_parameters()}
    renew_statistics(model, people, PLAIN, 7)
    check_statistics(model, people, 7)
    assert model.features[0][1].momentum is not None
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


@pytest.mark.usefixtures("small_rounds")
def test_the_saved_network_has_the_statistics_of_images_as_they_are_read(
    strokes: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(pretrain, "TRAINING", replace(SMALL, batch_size=1000))
    out = tmp_path / "made.safetensors"
    assert main(["--strokes", str(strokes), "--out", str(out), "--seed", "7", "--epochs", "1"]) == 0
    check_statistics(load_model(out), read_people(strokes), 7)


@pytest.mark.usefixtures("small_rounds")
def test_it_is_calibrated_by_what_was_kept_and_by_its_images_warped(strokes: Path, tmp_path: Path, monkeypatch) -> None:
    seen: list[Digits] = []

    def calibrate_and_tell(model: nn.Module, sets: Iterable[Digits]) -> tuple[float, float]:
        seen.extend(sets)
        return calibrate(model, seen)

    monkeypatch.setattr(pretrain, "calibrate", calibrate_and_tell)
    out = tmp_path / "made.safetensors"
    assert main(["--strokes", str(strokes), "--out", str(out), "--seed", "7", "--epochs", "1"]) == 0
    kept, kept_people = keep_out(read_people(strokes), 7)
    expected, model = (kept, kept_people, warped(kept, 7)), load_model(out)
    for digits, given in zip(expected, seen, strict=True):
        assert torch.equal(digits.images, given.images)
        assert torch.equal(digits.labels, given.labels)
        assert (predict_all(model, digits).logsumexp(1) < 0).sum() <= TURNED_AWAY * len(digits) + 1  # refused


@pytest.mark.usefixtures("small_rounds")
def test_equal_seeds_make_equal_weights(strokes: Path, tmp_path: Path) -> None:
    made = []
    for number, seed in enumerate(["7", "7", "8"]):
        out = tmp_path / f"{number}.safetensors"
        assert main(["--strokes", str(strokes), "--out", str(out), "--seed", seed, "--epochs", "1"]) == 0
        made.append(out.read_bytes())
    assert made[0] == made[1] != made[2]


def test_without_people_there_is_an_error_and_the_old_weights_stay(tmp_path: Path, capsys) -> None:
    out = tmp_path / "made.safetensors"
    out.write_bytes(b"old")
    assert main(["--strokes", str(tmp_path / "nowhere.json.gz"), "--out", str(out)]) == 1
    assert "nowhere.json.gz" in capsys.readouterr().err
    assert out.read_bytes() == b"old"


def test_too_few_writers_are_refused(strokes: Path, tmp_path: Path, capsys) -> None:
    few = tmp_path / "few.json.gz"
    few.write_bytes(gzip.compress(json.dumps(json.loads(gzip.decompress(strokes.read_bytes()))[:5]).encode()))
    assert main(["--strokes", str(few), "--out", str(tmp_path / "made.pth")]) == 1
    assert "10 writers" in capsys.readouterr().err
