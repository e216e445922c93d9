"""An experiment in a real child process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from mnist_core import Digits
from mnist_core.lessons.comparisons import BROKEN, RIGHT, Found, Material, Measured
from mnist_core.lessons.experiment_runs import ExperimentRun
from mnist_core.lessons.experiments import SILENT_MISTAKES, run_experiment
from mnist_core.worker import training_threads

PATIENCE = 60  # seconds for what takes one; only a test that fails waits so long


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def picture(mnist_test: Digits) -> np.ndarray:
    return (mnist_test.images[1, 0].float() / 255).numpy()


@pytest.fixture
def start(picture: np.ndarray) -> Iterator[Callable[[str], ExperimentRun]]:
    """start(name): an experiment that is going on, and is stopped after the test whatever happens."""
    runs = []

    def started(name: str) -> ExperimentRun:
        runs.append(ExperimentRun(name, picture, seed=3))
        runs[-1].start()
        return runs[-1]

    yield started
    for run in runs:
        run.stop()


def test_a_run_tells_exactly_what_the_same_experiment_tells_in_process(start, picture, mnist_train, mnist_test) -> None:
    name = "forgot_eval_with_dropout"
    run = start(name)
    threads = torch.get_num_threads()
    torch.set_num_threads(training_threads())
    expected = list(run_experiment(SILENT_MISTAKES[name], Material(mnist_train, mnist_test, picture, seed=3)))
    torch.set_num_threads(threads)
    wait_until(lambda: run.is_over)
    assert (run.state, run.error) == ("done", None)
    assert run.history == expected
    assert run.curves == {
        side: [fact for fact in expected if isinstance(fact, Measured) and fact.side == side]
        for side in (RIGHT, BROKEN)
    }
    assert run.findings == {fact.name: fact.value for fact in expected if isinstance(fact, Found)}


def test_both_curves_grow_side_by_side_and_a_run_can_be_stopped_on_the_way(start) -> None:
    run = start("evaluated_on_training_images")
    wait_until(lambda: len(run.curves[RIGHT]) >= 2)
    assert abs(len(run.curves[RIGHT]) - len(run.curves[BROKEN])) <= 1
    run.stop()
    assert run.is_over
    assert run.process_id is None


def test_what_goes_wrong_in_the_child_is_told(picture) -> None:
    run = ExperimentRun("no such mistake", picture)
    run.start()
    wait_until(lambda: run.is_over)
    assert run.state == "failed"
    assert "KeyError" in run.error
    assert run.curves == {RIGHT: [], BROKEN: []}
    assert run.findings == {}
