"""The command that makes the shipped network, on a small scale."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mnist_core import load_mnist, load_model, pretrain
from mnist_core.people import read_people
from mnist_core.pretrain import KEPT_IMAGES, TRAINING, Round, gather, keep_out, main

SMALL = replace(TRAINING, model_options={"channels": (2, 2, 2), "refuses": True}, train_images=300, non_digits=20)
SMALL_ROUNDS = (Round(epochs=2, learning_rate=0.008, copies=1, made_digits=20), Round(3, 0.004, 2, 30))


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
    trained, (kept, kept_people) = gather(people, copies=3, seed=0), keep_out(people, seed=0)
    assert len(kept) == KEPT_IMAGES
    assert (kept.images == mnist.images[-KEPT_IMAGES:]).all()
    others = 60_000 - KEPT_IMAGES
    assert (trained.images[:others] == mnist.images[:-KEPT_IMAGES]).all()
    assert (trained.images[others : 2 * others] == mnist.images[:-KEPT_IMAGES]).all()  # twice
    of_people = {image.numpy().tobytes() for image in trained.images[2 * others :]}
    assert of_people
    assert not of_people & {image.numpy().tobytes() for image in kept_people.images}


def test_one_command_trains_calibrates_and_saves(strokes: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(pretrain, "TRAINING", SMALL)
    monkeypatch.setattr(pretrain, "ROUNDS", SMALL_ROUNDS)
    out = tmp_path / "made.safetensors"
    assert main(["--strokes", str(strokes), "--out", str(out), "--epochs", "1"]) == 0
    model = load_model(out)
    assert model.refuses
    assert model.architecture["options"]["channels"] == (2, 2, 2)
    printed = capsys.readouterr().out
    assert "temperature" in printed
    assert str(out) in printed
    assert printed.count("Epoch 1 of 1:") == 2


def test_each_round_goes_on_with_the_same_network_and_other_drawings(strokes, tmp_path, monkeypatch) -> None:
    rounds = []

    def looked_at(model, people, copies, config):
        rounds.append((id(model), copies, config))
        return 1.0, 0.0

    monkeypatch.setattr(pretrain, "ROUNDS", SMALL_ROUNDS)
    monkeypatch.setattr(pretrain, "learn", looked_at)
    assert main(["--strokes", str(strokes), "--out", str(tmp_path / "made.safetensors"), "--seed", "7"]) == 0
    assert len({network for network, _, _ in rounds}) == 1
    assert [copies for _, copies, _ in rounds] == [1, 2]
    assert [(config.epochs, config.learning_rate, config.made_digits) for _, _, config in rounds] == [
        (2, 0.008, 20),
        (3, 0.004, 30),
    ]
    first, second = (config.seed for _, _, config in rounds)
    assert first == 7
    assert second != first


def test_equal_seeds_make_equal_weights(strokes: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(pretrain, "TRAINING", SMALL)
    monkeypatch.setattr(pretrain, "ROUNDS", SMALL_ROUNDS[:1])
    made = []
    for number, seed in enumerate(["7", "7", "8"]):
        out = tmp_path / f"{number}.safetensors"
        assert main(["--strokes", str(strokes), "--out", str(out), "--seed", seed]) == 0
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
