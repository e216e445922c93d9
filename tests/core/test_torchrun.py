"""One training on two processes that torchrun starts, on loopback, held to the same training in one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch.utils.data import BatchSampler, SequentialSampler

from mnist_core import Digits, TrainConfig, load_model, train
from mnist_core.parallel import SharedBatches
from mnist_core.training import build_seeded_model

pytestmark = pytest.mark.skipif(
    os.name != "posix" or not torch.distributed.is_available(), reason="processes are ended by signals, and use gloo"
)

REPOSITORY = Path(__file__).parents[2]
WITHIN = 120  # seconds that any of these commands may take
ON_CPU: dict[str, Any] = {"device": "cpu", "precision": "float32"}

# Batches of 63 go 32 to 31, and in each epoch a last one of a single image leaves the second process without any.
PLAIN = TrainConfig(
    model="mlp", model_options={"hidden_sizes": [32]}, optimizer="sgd", learning_rate=0.1, schedule="constant",
    epochs=2, batch_size=63, train_images=63 * 10 + 1, **ON_CPU,
)  # fmt: skip
NORMALIZED = TrainConfig(model="fast_cnn", model_options={"dropout": 0.1}, augment=True, train_images=3000, **ON_CPU)
TEST_IMAGES = 1001

RANK = f"""
import dataclasses, json, pathlib, sys
import psutil, torch
from mnist_core import TrainConfig, load_mnist, train
from mnist_core.parallel import joined
from mnist_core.training import build_seeded_model

digits, test = load_mnist("train"), load_mnist("test").first({TEST_IMAGES})
threads = psutil.Process().num_threads()
with joined("cpu") as team:
    for name, settings in json.loads(sys.argv[1]).items():
        config = TrainConfig(**settings)
        model = build_seeded_model(config)
        events = [dataclasses.asdict(event) for event in train(model, digits, config, test=test, team=team)]
        torch.save((model.state_dict(), events), f"{{name}} {{team.rank}} of {{team.size}}.pt")
left = psutil.Process().num_threads() - threads
pathlib.Path(f"threads left by {{team.rank}}").write_text(str(left))
"""
TRAIN = [
    "-m",
    "mnist_core",
    "train",
    "--model",
    "mlp",
    "--device",
    "cpu",
    "--precision",
    "float32",
    "--train-images",
    "2000",
]


@contextmanager
def torchrun(folder: Path, *words: object) -> Iterator[subprocess.Popen[str]]:
    """Two Python processes of a team, with these words behind `python -W error`; none is left afterwards."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    with subprocess.Popen(
        [*start, sys.executable, "-W", "error", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        team = []
        try:
            yield process
        finally:
            with suppress(psutil.NoSuchProcess):
                team = psutil.Process(process.pid).children(recursive=True)
            for member in [*team, process]:
                with suppress(psutil.NoSuchProcess):
                    member.kill()


Trained = tuple[dict[str, torch.Tensor], list[dict[str, Any]]]
CONFIGS = {"plain": PLAIN, "normalized": NORMALIZED}


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which both processes have left what they came to."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "rank.py").write_text(RANK)
    configs = json.dumps({name: config.as_dict() for name, config in CONFIGS.items()})
    with torchrun(folder, "rank.py", configs) as process:
        _, errors = process.communicate(timeout=WITHIN)
    assert process.returncode == 0, errors
    return folder


@pytest.fixture(scope="module")
def together(two_ranks: Path) -> dict[str, list[Trained]]:
    """What both processes have come to, weights and events, by the name of the configuration."""
    return {name: [torch.load(two_ranks / f"{name} {rank} of 2.pt") for rank in (0, 1)] for name in CONFIGS}


@pytest.fixture(scope="module")
def alone(mnist_train: Digits, mnist_test: Digits) -> dict[str, Trained]:
    """What the same trainings come to in one process."""
    trained = {}
    for name, config in CONFIGS.items():
        model = build_seeded_model(config)
        events = list(train(model, mnist_train, config, test=mnist_test.first(TEST_IMAGES)))
        trained[name] = model.state_dict(), [asdict(event) for event in events]
    return trained


@pytest.mark.parametrize("name", ["plain", "normalized"])
def test_both_processes_come_to_the_same_weights_and_say_the_same(together, name: str) -> None:
    (first, first_events), (second, second_events) = together[name]
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert [timeless(event) for event in first_events] == [timeless(event) for event in second_events]


def timeless(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if "second" not in key}


def test_without_batch_norm_they_are_those_of_one_process_but_for_rounding(together, alone) -> None:
    state, events = together["plain"][0]
    expected_state, expected_events = alone["plain"]
    for key, expected in expected_state.items():
        torch.testing.assert_close(state[key], expected, rtol=0, atol=1e-6)
    assert len(events) == len(expected_events) == 2 * (11 + 1)
    for event, expected in zip(events, expected_events, strict=True):
        assert timeless(event) == pytest.approx(timeless(expected), abs=1e-5)


def test_with_batch_norm_the_accuracy_is_the_same_within_the_noise(together, alone) -> None:
    """At this length seeds 0 to 4 of one process come to 88.4 to 91.6 %."""
    accuracy, expected = (
        trained[1][-1]["test_accuracy"] for trained in (together["normalized"][0], alone["normalized"])
    )
    assert expected > 0.88
    assert accuracy == pytest.approx(expected, abs=0.04)


def test_no_thread_outlives_the_team(two_ranks) -> None:
    """One that still had a tensor to release when Python ends would abort the process."""
    assert [(two_ranks / f"threads left by {rank}").read_text() for rank in (0, 1)] == ["0", "0"]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_shares_of_a_batch_are_the_batch_and_their_weights_add_up_to_one(size: int) -> None:
    batches = BatchSampler(SequentialSampler(range(33)), batch_size=8, drop_last=False)
    samplers = [SharedBatches(batches, rank, size) for rank in range(size)]
    assert [len(sampler) for sampler in samplers] == size * [5]
    shared = list(zip(*samplers, strict=True))
    for shares, batch in zip(shared, batches, strict=True):
        assert all(shares)
        assert {index for share in shares for index in share} == set(batch)
        assert sum(map(len, shares)) == max(len(batch), size)
    for step in zip(*samplers, strict=True):
        images = len({index for share in step for index in share})
        assert sum(sampler.weight for sampler in samplers) == pytest.approx(1)
        assert [sampler.weight > 0 for sampler in samplers] == [rank < images for rank in range(size)]


def test_the_command_line_trains_on_two_processes_and_the_first_one_speaks(tmp_path: Path) -> None:
    with torchrun(tmp_path, *TRAIN, "--epochs", "1") as process:
        printed, errors = process.communicate(timeout=WITHIN)
    assert process.returncode == 0, errors
    assert "Error" not in errors
    assert len(re.findall(r"(?m)^Device: cpu .*, precision float32, 2 processes$", printed)) == 1
    assert len(re.findall(r"(?m)^Epoch 1 of 1: ", printed)) == 1
    assert printed.endswith("The weights are saved in weights.pth.\n")
    assert load_model(tmp_path / "weights.pth").input_shape == (1, 28, 28)


def test_ctrl_c_stops_both_after_the_same_step_and_saves(tmp_path: Path) -> None:
    with torchrun(tmp_path, *TRAIN, "--epochs", "1000") as process:
        assert any(line.startswith("Epoch 2 ") for line in process.stdout)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=WITHIN)
    assert re.search(r"(?m)^Stopped after [\d,]+ steps\. .* is saved in weights\.pth\.$", printed), errors
    assert "Error" not in errors
    load_model(tmp_path / "weights.pth")


def test_when_one_is_killed_the_other_says_so_and_saves_its_last_epoch(tmp_path: Path) -> None:
    with torchrun(tmp_path, *TRAIN, "--epochs", "1000") as process:
        assert any(line.startswith("Epoch 2 ") for line in process.stdout)
        (second,) = [one for one in psutil.Process(process.pid).children() if one.environ().get("RANK") == "1"]
        second.kill()
        printed, errors = process.communicate(timeout=WITHIN)
    assert process.returncode != 0
    assert re.search(
        r"(?m)^Error: Process 0 of 2 cannot go on without the others \(.*\)\. Did one of them fail\?$", errors
    )
    assert re.search(r"The weights as they were after epoch \d+ are saved in weights\.pth\.", printed)
    load_model(tmp_path / "weights.pth")
