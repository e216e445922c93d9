"""Runs on a real Dask scheduler and its workers, as processes of their own on loopback."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from mnist_core import BatchDone, Digits, TrainConfig, TrainingRun, train
from mnist_core.lessons.experiment_runs import ExperimentRun
from mnist_core.runs import ChildRun
from mnist_core.server_settings import server_settings
from mnist_core.training import build_seeded_model
from mnist_core.worker import training_threads

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 120  # seconds for what takes one; only a test that fails waits so long

SHORT = TrainConfig(
    model="mlp",
    model_options={"hidden_sizes": [32], "dropout": 0.2},
    epochs=2,
    batch_size=100,
    train_images=1500,
    device="cpu",
    precision="float32",
)
ENDLESS = dataclasses.replace(SHORT, epochs=1000, train_images=None)


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain: {what}"
        time.sleep(0.01)


class Cluster:
    """A scheduler, and workers by name, each for one run at a time; the file `log` holds what all of them say."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        about = folder / "scheduler.json"
        self._start("scheduler", "scheduler", "--port", "0", "--scheduler-file", str(about))
        wait_until(about.exists, "the scheduler starts")
        self.address: str = json.loads(about.read_text())["address"]

    def add_worker(self, name: str, *options: str) -> None:
        self._start(name, "worker", self.address, "--name", name, "--nthreads", "1", "--memory-limit", "0", *options)

    def _start(self, name: str, *words: str) -> None:
        with (self._folder / "log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", "--no-dashboard"],
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
                cwd=self._folder, stdout=log, stderr=log,
            )  # fmt: skip

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(self._processes[name].pid)

    def training(self) -> dict[str, list[psutil.Process]]:
        """The processes that train at each worker: they have a lower priority than all others."""
        found = {}
        for name in self._processes.keys() - {"scheduler"}:
            family = self.process(name).children(recursive=True)
            found[name] = [member for member in family if is_training(member)]
        return found

    def is_idle(self) -> bool:
        return not any(self.training().values())

    def kill(self, name: str) -> list[psutil.Process]:
        """SIGKILL for a worker, or the scheduler, alone; those that it had started."""
        family = self.process(name).children(recursive=True)
        process = self._processes.pop(name)
        process.kill()
        process.wait(PATIENCE)
        return family

    def end(self) -> None:
        """Kill all of it."""
        for name in list(self._processes):
            family = self.kill(name)
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()


def is_training(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE and process.nice() > psutil.Process().nice()
    return False


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler; the tests below add workers, and kill them again, in their order."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.end()


def set_scheduler(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGIT_PLAYGROUND_SCHEDULER", address)
    server_settings.cache_clear()


@pytest.fixture
def send(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ChildRun], Any]]:
    """send(run): the run, sent to the cluster; it is stopped after the test whatever happens."""
    runs: list[ChildRun] = []
    set_scheduler(cluster.address, monkeypatch)

    def sent(run: ChildRun) -> ChildRun:
        runs.append(run)
        run.start()
        return run

    yield sent
    for run in runs:
        run.stop()
    server_settings.cache_clear()


def timeless(events: list) -> list[dict]:
    times = {"seconds", "test_seconds", "images_per_second"}
    return [{k: v for k, v in dataclasses.asdict(event).items() if k not in times} for event in events]


def same_weights(model: nn.Module, other: nn.Module) -> bool:
    first, second = model.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# In this order: the cluster gains workers and loses them.


def test_runs_wait_until_there_is_a_worker_and_may_be_stopped_while_they_wait(cluster, send) -> None:
    runs = [send(TrainingRun(SHORT)) for _ in range(3)]
    assert [(run.state, run.is_sent, run.ahead) for run in runs] == [("waiting", True, at) for at in range(3)]
    with pytest.raises(RuntimeError, match="waiting; it can be started only once"):
        runs[0].start()
    runs[1].pause()
    assert runs[1].state == "waiting"
    runs[0].stop()
    runs[1].stop()
    wait_until(lambda: runs[2].ahead == 0, "the others have left the queue")
    assert [run.state for run in runs] == ["stopped", "stopped", "waiting"]
    cluster.add_worker("nannied", "--preload", "mnist_core.relay")  # Dask has a process that looks after this worker
    cluster.add_worker("alone", "--no-nanny")  # and loads torch when the first run comes
    wait_until(lambda: runs[2].is_over, "the last one is carried out")
    assert (runs[2].state, runs[2].error) == ("done", None)
    assert [run.history for run in runs[:2]] == [[], []]


def test_a_run_tells_exactly_what_the_same_training_tells_in_process(
    send, mnist_train: Digits, mnist_test: Digits
) -> None:
    run = send(TrainingRun(SHORT))
    wait_until(lambda: run.is_over, "the run ends")
    threads = torch.get_num_threads()
    torch.set_num_threads(training_threads())
    model = build_seeded_model(SHORT)
    events = list(train(model, mnist_train, SHORT, test=mnist_test))
    torch.set_num_threads(threads)
    assert (run.state, run.error) == ("done", None)
    assert timeless(run.history) == timeless(events)
    assert (run.latest_step, run.process_id) == (30, None)
    assert same_weights(run.latest_model, model)
    assert same_weights(run.model_at(run.snapshots[0]), build_seeded_model(SHORT))


def test_an_experiment_goes_on_there_too(send) -> None:
    run = send(ExperimentRun("forgot_zero_grad", np.zeros((28, 28), np.float32)))
    wait_until(lambda: run.history, "something is measured")
    run.stop()
    assert (run.state, run.error) == ("stopped", None)


def test_pausing_stops_the_steps_resuming_goes_on_and_stopping_ends_the_process(cluster, send) -> None:
    run = send(TrainingRun(ENDLESS))
    wait_until(lambda: run.history, "the first events come")
    run.pause()
    assert run.state == "paused"

    def quiet() -> bool:
        before = len(run.history)
        time.sleep(1)
        return len(run.history) == before

    wait_until(quiet, "the run rests")
    resting = len(run.history)
    run.resume()
    wait_until(lambda: len(run.history) > resting, "the run goes on")
    steps = [event.step for event in run.history if isinstance(event, BatchDone)]
    assert steps == list(range(1, len(steps) + 1))
    run.stop()
    assert (run.state, run.error) == ("stopped", None)
    assert run.latest_model is not None
    wait_until(cluster.is_idle, "its process ends")


def test_a_busy_cluster_is_the_queue_and_a_run_that_is_killed_there_makes_room(cluster, send) -> None:
    busy = [send(TrainingRun(ENDLESS)) for _ in range(2)]
    wait_until(lambda: all(run.latest_step for run in busy), "each of two workers has a run")
    waiting = [send(TrainingRun(SHORT)) for _ in range(2)]
    (process,) = cluster.training()["alone"]
    assert [(run.state, run.ahead) for run in waiting] == [("waiting", 0), ("waiting", 1)]
    process.kill()
    wait_until(lambda: all(run.is_over for run in waiting), "both have their turn")
    assert [run.state for run in waiting] == ["done", "done"]
    lost, kept = sorted(busy, key=lambda run: not run.is_over)
    assert (lost.state, kept.state) == ("failed", "running")
    assert "SIGKILL" in lost.error
    assert lost.latest_model is not None


SERVER = """
import sys, time
from mnist_core import TrainConfig, TrainingRun

run = TrainingRun(TrainConfig(model="mlp", epochs=1000, device="cpu"))
run.start()
while not run.latest_step:
    time.sleep(0.02)
print(run.state, flush=True)
time.sleep(600)
"""


def test_a_server_that_dies_leaves_no_run_at_the_cluster(cluster, send) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "DIGIT_PLAYGROUND_SCHEDULER": cluster.address},
    ) as server:  # fmt: skip
        try:
            assert server.stdout.readline() == "running\n"
            assert not cluster.is_idle()
        finally:
            server.kill()
    wait_until(cluster.is_idle, "its process ends")
    run = send(TrainingRun(SHORT))
    wait_until(lambda: run.is_over, "the worker is free again")
    assert run.state == "done"


def test_the_scheduler_needs_no_torch(cluster) -> None:
    assert not any("torch" in part.path for part in cluster.process("scheduler").memory_maps())


def test_a_worker_killed_in_mid_run_fails_the_run_readably_and_the_next_goes_to_the_other(cluster, send) -> None:
    runs = [send(TrainingRun(ENDLESS)) for _ in range(2)]
    wait_until(lambda: all(run.latest_step for run in runs), "each of two workers has a run")
    trained = cluster.training()["alone"]
    cluster.kill("alone")
    wait_until(lambda: any(run.is_over for run in runs), "its death is noticed")
    lost, kept = sorted(runs, key=lambda run: not run.is_over)
    assert lost.state == "failed"
    assert lost.error == "The worker that trained has been lost. What it had learnt is kept; train again."
    assert lost.latest_model is not None
    assert len(trained) == 1
    wait_until(lambda: are_gone(trained), "its training ends with it")
    assert kept.state == "running"
    kept.stop()
    after = send(TrainingRun(SHORT))
    wait_until(lambda: after.is_over, "the other worker takes the next")
    assert (after.state, after.error) == ("done", None)
    steps = [event.step for event in lost.history if isinstance(event, BatchDone)]
    assert steps == list(range(1, len(steps) + 1))  # and the other has not begun it anew


def test_a_scheduler_that_dies_in_mid_run_fails_the_run_readably_and_ends_its_process(cluster, send) -> None:
    run = send(TrainingRun(ENDLESS))
    wait_until(lambda: run.latest_step, "the run is on its way")
    trained = cluster.training()["nannied"]
    assert len(trained) == 1
    cluster.kill("scheduler")
    wait_until(lambda: run.is_over, "its death is noticed")
    assert run.state == "failed"
    assert run.error.startswith(f"The connection to the cluster at {cluster.address} was lost (")
    assert run.latest_model is not None
    wait_until(lambda: are_gone(trained), "the training ends")


# Without a cluster


def test_a_scheduler_that_is_not_there_fails_the_run_readably(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_core.cluster.CONNECT_WITHIN", 1.0)
    with socket.socket() as taken:  # bound and not listening: nobody answers there, and nobody else can take it
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        set_scheduler(address, monkeypatch)
        run = TrainingRun(SHORT)
        run.start()
        assert run.state == "waiting"
        wait_until(lambda: run.is_over, "the attempt is given up")
    server_settings.cache_clear()
    assert run.state == "failed"
    assert run.error.startswith(f"The cluster at {address} cannot be reached (")
    assert run.error.endswith("). The run was not started. Is its scheduler up?")
    assert (run.history, run.ahead) == ([], 0)


def test_without_dask_the_run_fails_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    set_scheduler("tcp://127.0.0.1:8786", monkeypatch)
    monkeypatch.setitem(sys.modules, "distributed", None)
    run = TrainingRun(SHORT)
    run.start()
    wait_until(lambda: run.is_over, "the attempt is given up")
    server_settings.cache_clear()
    assert run.state == "failed"
    assert "Dask is missing here" in run.error
    assert run.error.endswith("Run: pip install distributed")
