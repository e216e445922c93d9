"""Runs in real child processes: what they tell, how they are steered, and that none is left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load as load_safetensors
from torch import nn

from mnist_core import BatchDone, Digits, EpochDone, TrainConfig, TrainingRun, evaluate, make_loader, train
from mnist_core.devices import available_devices
from mnist_core.local_process import METHOD, death_reason
from mnist_core.runs import MOST_BATCHES
from mnist_core.snapshots import LARGEST_SNAPSHOTS, MOST_SNAPSHOTS, Snapshot
from mnist_core.training import build_seeded_model
from mnist_core.worker import training_threads

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 60  # seconds for what takes one; only a test that fails waits so long

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


@pytest.fixture
def start() -> Iterator[Callable[[TrainConfig], TrainingRun]]:
    """start(config): a run that is going on, and is stopped after the test whatever happens."""
    runs = []

    def started(config: TrainConfig) -> TrainingRun:
        runs.append(TrainingRun(config))
        runs[-1].start()
        return runs[-1]

    yield started
    for run in runs:
        run.stop()


@pytest.fixture(scope="module")
def finished() -> TrainingRun:
    """A run of the short configuration that has come to its end."""
    run = TrainingRun(SHORT)
    assert run.state == "waiting"
    run.start()
    assert run.state == "running"
    wait_until(lambda: run.is_over, "the short run ends")
    return run


@pytest.fixture(scope="module")
def in_process(mnist_train: Digits, mnist_test: Digits) -> tuple[nn.Module, list]:
    """The same configuration trained here, with as many threads as a child has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(training_threads())
    try:
        model = build_seeded_model(SHORT)
        return model, list(train(model, mnist_train, SHORT, test=mnist_test))
    finally:
        torch.set_num_threads(threads)


def timeless(events: list) -> list[dict]:
    times = {"seconds", "test_seconds", "images_per_second"}
    return [{k: v for k, v in dataclasses.asdict(event).items() if k not in times} for event in events]


def child_of(run: TrainingRun) -> int:
    assert run.process_id is not None
    return run.process_id


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def same_weights(model: nn.Module, other: nn.Module) -> bool:
    first, second = model.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# --- a run that comes to its end


def test_a_run_tells_exactly_what_the_same_training_tells_in_process(finished, in_process) -> None:
    assert (finished.state, finished.error) == ("done", None)
    assert timeless(finished.history) == timeless(in_process[1])
    assert [type(event) for event in finished.history] == ([BatchDone] * 15 + [EpochDone]) * 2


def test_the_weights_at_the_end_are_those_of_the_same_training_in_process(finished, in_process) -> None:
    assert finished.latest_step == 30
    assert same_weights(finished.latest_model, in_process[0])


def test_the_latest_model_is_frozen_in_eval_mode_and_reads_as_well_as_told(finished, mnist_test) -> None:
    model = finished.latest_model
    assert not any(module.training for module in model.modules())
    assert not any(weight.requires_grad for weight in model.parameters())
    accuracy = evaluate(model, make_loader(mnist_test, 1000), "cpu").accuracy
    assert accuracy == pytest.approx(finished.history[-1].test_accuracy, abs=1e-3)


def test_the_latest_model_is_made_once_for_each_publication(finished) -> None:
    assert finished.latest_model is finished.latest_model


def test_the_first_weights_are_those_from_before_step_one(finished) -> None:
    first = finished.snapshots[0]
    assert first.step == 0
    assert same_weights(finished.model_at(first), build_seeded_model(SHORT))


def test_snapshots_go_up_to_the_last_step(finished) -> None:
    steps = [snapshot.step for snapshot in finished.snapshots]
    assert steps == sorted(set(steps))
    assert steps[-1] == 30


def test_a_finished_run_has_no_time_left_and_full_progress(finished) -> None:
    assert finished.progress == 1
    assert finished.seconds_left == 0
    assert finished.last_batch.step == 30


def test_nothing_happens_to_a_finished_run(finished) -> None:
    before = len(finished.history)
    for order in (finished.pause, finished.resume, finished.stop):
        order()
        assert finished.state == "done"
    assert len(finished.history) == before


def test_a_run_starts_only_once(finished, start) -> None:
    with pytest.raises(RuntimeError, match="done; it can be started only once"):
        finished.start()
    with pytest.raises(RuntimeError, match="running; it can be started only once"):
        start(ENDLESS).start()


def test_torchs_random_numbers_here_are_left_alone_by_a_run(start) -> None:
    state = torch.get_rng_state()
    run = start(SHORT)
    wait_until(lambda: run.latest_model is not None, "the first weights come")
    assert torch.equal(torch.get_rng_state(), state)


def test_two_runs_at_once_do_not_influence_each_other(start, finished) -> None:
    runs = [start(SHORT), start(dataclasses.replace(SHORT, seed=1))]
    wait_until(lambda: all(run.is_over for run in runs), "both runs end")
    assert timeless(runs[0].history) == timeless(finished.history)
    assert timeless(runs[1].history) != timeless(finished.history)


# --- steering


def test_pausing_stops_the_steps_and_resuming_goes_on(start) -> None:
    run = start(ENDLESS)
    wait_until(lambda: run.history, "the first events come")
    run.pause()
    assert run.state == "paused"

    def quiet() -> bool:
        before = len(run.history)
        time.sleep(1)
        return len(run.history) == before

    wait_until(quiet, "the run rests")
    resting = len(run.history)
    assert run.state == "paused"
    run.pause()
    run.resume()
    assert run.state == "running"
    wait_until(lambda: len(run.history) > resting, "the run goes on")
    steps = [event.step for event in run.history if isinstance(event, BatchDone)]
    assert steps == list(range(1, len(steps) + 1))


def test_stopping_keeps_history_and_weights(start) -> None:
    run = start(ENDLESS)
    wait_until(lambda: run.last_batch is not None and run.latest_step, "some steps are made")
    pid = child_of(run)
    heard = len(run.history)
    run.stop()
    assert (run.state, run.error) == ("stopped", None)
    assert not is_alive(pid)
    assert len(run.history) >= heard
    assert all(weight.isfinite().all() for weight in run.latest_model.parameters())
    assert 0 < run.progress < 1
    assert run.seconds_left > 0
    run.stop()
    run.pause()
    run.resume()
    assert run.state == "stopped"


def test_the_weights_of_a_stopped_run_are_those_after_the_step_they_name(start, mnist_train) -> None:
    run = start(ENDLESS)
    wait_until(lambda: run.latest_step, "some steps are made")
    run.stop()
    threads = torch.get_num_threads()
    torch.set_num_threads(training_threads())
    model = build_seeded_model(ENDLESS)
    for event in train(model, mnist_train, ENDLESS):
        if event.step == run.latest_step:
            break
    torch.set_num_threads(threads)
    assert same_weights(run.latest_model, model)


def test_a_paused_run_can_be_stopped(start) -> None:
    run = start(ENDLESS)
    wait_until(lambda: run.history, "the first events come")
    run.pause()
    run.stop()
    assert run.state == "stopped"


def test_a_run_can_be_stopped_right_after_its_start(start) -> None:
    run = start(ENDLESS)
    pid = child_of(run)
    run.stop()
    assert run.state == "stopped"
    assert not is_alive(pid)


def test_a_run_stopped_before_its_start_never_starts() -> None:
    run = TrainingRun(SHORT)
    run.stop()
    assert run.state == "stopped"
    with pytest.raises(RuntimeError, match="stopped; it can be started only once"):
        run.start()
    assert (run.history, run.latest_model, run.latest_step) == ([], None, None)
    assert (run.progress, run.seconds_left, run.last_batch, run.snapshots) == (0, None, None, ())


def test_pausing_and_resuming_do_nothing_before_the_start() -> None:
    run = TrainingRun(SHORT)
    run.pause()
    run.resume()
    assert run.state == "waiting"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot hold a process")
def test_a_child_that_does_not_listen_is_stopped_all_the_same(start) -> None:
    run = start(ENDLESS)
    wait_until(lambda: run.last_batch is not None, "some steps are made")
    pid = child_of(run)
    os.kill(pid, signal.SIGSTOP)
    run.stop()
    assert run.state == "stopped"
    assert not is_alive(pid)
    assert run.history
    assert run.latest_model is not None


# --- failing


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_a_child_that_is_killed_is_reported_and_leaves_what_it_had_learnt(start) -> None:
    run = start(ENDLESS)
    wait_until(lambda: run.last_batch is not None, "some steps are made")
    os.kill(child_of(run), signal.SIGKILL)
    wait_until(lambda: run.is_over, "the death is noticed")
    assert run.state == "failed"
    assert "ended from outside (SIGKILL)" in run.error
    assert "out of memory" in run.error
    assert run.history
    assert run.latest_model is not None


def test_a_death_without_a_signal_is_told_with_its_exit_code() -> None:
    assert "exit code 3" in death_reason(3)
    assert "exit code None" in death_reason(None)
    assert "signal 99" in death_reason(-99)


def test_weights_that_run_away_fail_the_run_and_sound_ones_are_kept(start) -> None:
    config = dataclasses.replace(
        ENDLESS,
        model_options={"hidden_sizes": [16, 16, 16], "activation": "leaky_relu"},
        optimizer="sgd",
        learning_rate=1000.0,
        schedule="constant",
    )
    run = start(config)
    wait_until(lambda: run.is_over, "the weights run away")
    assert run.state == "failed"
    assert "no longer a finite number" in run.error
    assert run.history
    for snapshot in run.snapshots:
        assert all(tensor.isfinite().all() for tensor in load_safetensors(snapshot.weights).values())


@pytest.mark.parametrize("device", sorted({"cuda", "mps"} - available_devices().keys())[:1])
def test_a_device_that_is_not_there_fails_the_run_in_plain_words(device, start) -> None:
    run = start(dataclasses.replace(SHORT, device=device))
    wait_until(lambda: run.is_over, "the run fails")
    assert run.state == "failed"
    assert f"'{device}' is not there: this machine has cpu" in run.error
    assert run.history == []


def test_images_of_another_shape_fail_the_run_in_plain_words(start) -> None:
    run = start(dataclasses.replace(SHORT, model_options={"input_size": 32}))
    wait_until(lambda: run.is_over, "the run fails")
    assert (run.state, "takes images of 1 x 32 x 32" in run.error) == ("failed", True)


def test_what_cannot_be_understood_fails_the_run_and_ends_its_process() -> None:
    class Puzzled(TrainingRun):
        def _take_in(self, events: object) -> None:
            raise ValueError("an odd event")

    run = Puzzled(ENDLESS)
    run.start()
    pid = child_of(run)
    wait_until(lambda: run.is_over, "the run fails")
    assert run.state == "failed"
    assert run.error == "What the training process told could not be understood (an odd event). Train again."
    assert not is_alive(pid)


# --- snapshots


def test_snapshots_stay_few_and_spread_over_the_whole_run() -> None:
    run = TrainingRun(SHORT)
    for step in range(0, 10_000, 7):
        run._keep(Snapshot(step, b"weights"))
        assert len(run.snapshots) <= MOST_SNAPSHOTS + 1
    steps = [snapshot.step for snapshot in run.snapshots]
    assert (steps[0], steps[-1]) == (0, 9996)
    assert len(steps) > MOST_SNAPSHOTS / 4
    assert max(later - earlier for earlier, later in pairwise(steps)) < 10_000 / 4


def test_large_snapshots_take_a_bounded_amount_of_memory() -> None:
    run, large = TrainingRun(SHORT), bytes(3 * 2**20)
    for step in range(200):
        run._keep(Snapshot(step, large))
        assert sum(len(snapshot.weights) for snapshot in run.snapshots) <= LARGEST_SNAPSHOTS + len(large)
    assert run.latest_step == 199


def test_every_epoch_s_weights_are_kept_from_before_the_first_on(finished) -> None:
    ends = [event for event in finished.history if isinstance(event, EpochDone)]
    assert [(one.epoch, one.step) for one in finished.epoch_snapshots] == [(0, 0), (1, 15), (2, 30)]
    assert [end.step for end in ends] == [15, 30]
    assert finished.epoch_snapshots[-1].weights == finished.snapshots[-1].weights


def test_the_weights_of_an_epoch_read_the_test_images_as_it_says(finished, mnist_test) -> None:
    for snapshot, end in zip(finished.epoch_snapshots[1:], finished.epochs, strict=True):
        tested = evaluate(finished.model_at(snapshot), make_loader(mnist_test, 1000), "cpu")
        assert tested.accuracy == pytest.approx(end.test_accuracy, abs=1e-4)


def test_of_many_epochs_some_are_kept_evenly_spread() -> None:
    run = TrainingRun(SHORT)
    for epoch in range(1001):
        run._keep(Snapshot(15 * epoch, b"weights", epoch))
        run._keep(Snapshot(15 * epoch + 7, b"weights"))
        assert len(run.epoch_snapshots) <= MOST_SNAPSHOTS + 1
    epochs = [snapshot.epoch for snapshot in run.epoch_snapshots]
    assert (epochs[0], epochs[-1]) == (0, 1000)
    assert len(epochs) > MOST_SNAPSHOTS / 4
    assert max(later - earlier for earlier, later in pairwise(epochs)) < 1000 / 4


# --- the history of a long run


def batches_done(epochs: int, batches: int) -> Iterator[BatchDone | EpochDone]:
    for epoch in range(1, epochs + 1):
        for batch in range(1, batches + 1):
            yield BatchDone(
                epoch=epoch, batch=batch, batches=batches, loss=1.0, running_loss=1.0, running_accuracy=0.5,
                images=10 * batch, learning_rate=0.1, seconds=0.1 * batch,
            )  # fmt: skip
        yield EpochDone(
            epoch=epoch, epochs=epochs, step=epoch * batches, train_loss=1.0, train_accuracy=0.5, test_loss=1.0,
            test_accuracy=0.5, learning_rate=0.1, seconds=0.1 * batches, test_seconds=0.1, images_per_second=100.0,
            stalled=False,
        )  # fmt: skip


def test_the_history_of_a_long_run_stays_bounded_and_spans_all_of_it() -> None:
    run = TrainingRun(dataclasses.replace(SHORT, epochs=60))
    for event in batches_done(60, 1000):
        run._take_in([event])
        assert len(run.history) <= MOST_BATCHES + 60
    steps = [event.step for event in run.history if isinstance(event, BatchDone)]
    assert steps[0] == 1
    assert len({later - earlier for earlier, later in pairwise(steps)}) == 1
    assert len(steps) > MOST_BATCHES / 3
    assert [event for event in run.history if isinstance(event, EpochDone)] == run.epochs
    assert len(run.epochs) == 60
    assert run.last_batch.step == 60_000
    assert run.progress == 1


def test_the_history_of_a_run_of_usual_length_is_whole() -> None:
    run, events = TrainingRun(dataclasses.replace(SHORT, epochs=10)), list(batches_done(10, 938))
    run._take_in(events)
    assert run.history == events


# --- the process that starts a run

UNGUARDED = """
import time
from mnist_core import TrainConfig, TrainingRun

print("the script runs", flush=True)
run = TrainingRun(TrainConfig(model="mlp", epochs=1, train_images=1280, device="cpu"))
run.start()
while not run.is_over:
    time.sleep(0.02)
print(run.state, run.error, len(run.history))
"""

TWO_RUNS = """
import time
from mnist_core import TrainConfig, TrainingRun

runs = [TrainingRun(TrainConfig(model="mlp", epochs=1000, device="cpu")) for _ in range(2)]
for run in runs:
    run.start()
while not all(run.latest_step or run.is_over for run in runs):
    time.sleep(0.02)
runs[0].pause()
print(*(run.process_id for run in runs), flush=True)
time.sleep(600)
"""


def test_a_script_without_a_guard_can_start_a_run_and_is_not_run_again(run_python) -> None:
    finished = run_python(UNGUARDED, script="plain.py")
    assert finished.stdout.splitlines() == ["the script runs", "done None 11"], finished.stderr


@pytest.mark.skipif(METHOD == "spawn", reason="Windows has no SIGKILL")
def test_runs_from_standard_input_running_or_paused_do_not_outlive_the_process_that_started_them(tmp_path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [sys.executable, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as parent:
        parent.stdin.write(TWO_RUNS)
        parent.stdin.close()
        children = [int(pid) for pid in parent.stdout.readline().split()]
        family = [process.pid for process in psutil.Process(parent.pid).children(recursive=True)]
        parent.kill()
    assert len(children) == 2
    assert set(children) <= set(family)
    wait_until(lambda: not any(map(is_alive, family)), "the children end with their parent")


def test_without_room_for_temporary_files_a_run_fails_readably(tmp_path: Path) -> None:
    script = f"""
import tempfile
tempfile.tempdir = {str(tmp_path / "not there")!r}
from mnist_core import TrainConfig, TrainingRun
run = TrainingRun(TrainConfig(device="cpu"))
run.start()
print(run.state, run.error)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=PATIENCE
    )
    assert done.stdout.startswith("failed No training process could be started ("), done.stderr


def test_without_a_thread_to_listen_a_run_fails_readably_and_its_child_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def no_listener(thread: threading.Thread) -> None:
        if thread.name == "training listener":
            raise RuntimeError("can't start new thread")
        start(thread)

    run = TrainingRun(TrainConfig(device="cpu", epochs=1000))
    monkeypatch.setattr(threading.Thread, "start", no_listener)
    run.start()
    monkeypatch.setattr(threading.Thread, "start", start)
    assert run.state == "failed"
    assert run.error == "No training process could be started (can't start new thread). Try again later."
    child = run._place.process_id
    wait_until(lambda: not is_alive(child), "the child ends")
