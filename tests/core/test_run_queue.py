"""The queue of runs, with real child processes: who is called when, and that no way to end keeps a place taken."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from mnist_core import TrainConfig, TrainingRun
from mnist_core.run_queue import RunQueue, Wait
from mnist_core.runs import ChildRun
from mnist_core.training import BatchDone

PATIENCE = 60  # seconds for what takes one; only a test that fails waits so long
SHORT = TrainConfig(
    model="mlp", model_options={"hidden_sizes": [16]}, batch_size=100, train_images=500, device="cpu",
    precision="float32",
)  # fmt: skip
ENDLESS = dataclasses.replace(SHORT, epochs=1000, train_images=None)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def enter() -> Iterator[Callable[..., TrainingRun]]:
    """enter(queue, owner, config): a run that waits its turn there; all are stopped after the test."""
    runs = []

    def entered(queue: RunQueue, owner: str, config: TrainConfig = ENDLESS) -> TrainingRun:
        runs.append(TrainingRun(config))
        queue.enter(runs[-1], owner)
        return runs[-1]

    yield entered
    for run in reversed(runs):
        run.stop()


def queue_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "run queue"]


def test_runs_are_called_in_the_order_in_which_they_came(enter):
    queue = RunQueue(places=1)
    first, second, third = (enter(queue, owner) for owner in "abc")
    assert [run.state for run in (first, second, third)] == ["running", "waiting", "waiting"]
    assert [queue.ahead_of(run) for run in (first, second, third)] == [None, 1, 2]
    first.stop()
    wait_until(lambda: second.state == "running")
    assert (third.state, queue.ahead_of(third)) == ("waiting", 1)


def test_a_run_that_waits_has_no_process(enter):
    wait_until(lambda: not queue_threads())  # those of earlier tests
    queue = RunQueue(places=1)
    enter(queue, "a")
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    waiting = [enter(queue, owner) for owner in "bcdef"]
    assert {process.pid for process in psutil.Process().children(recursive=True)} == before
    assert all(run.process_id is None for run in waiting)
    assert len(queue_threads()) == 1


def test_who_leaves_the_queue_lets_the_others_move_up(enter):
    queue = RunQueue(places=1)
    first, second, third = (enter(queue, owner) for owner in "abc")
    second.stop()
    assert (second.state, queue.ahead_of(second), queue.ahead_of(third)) == ("stopped", None, 1)
    first.stop()
    wait_until(lambda: third.state == "running")
    assert second.history == []


def test_an_owner_has_one_run_at_a_time_and_lets_others_pass(enter):
    queue = RunQueue(places=2)
    first, again, other = enter(queue, "a"), enter(queue, "a"), enter(queue, "b")
    assert [run.state for run in (first, again, other)] == ["running", "waiting", "running"]
    assert queue.ahead_of(again) == 2
    other.stop()
    time.sleep(0.5)
    assert again.state == "waiting"
    first.stop()
    wait_until(lambda: again.state == "running")


@pytest.mark.parametrize("end", ["done", "stopped", "killed"])
def test_however_a_run_ends_the_next_is_called(enter, end):
    queue = RunQueue(places=1)
    first = enter(queue, "a", SHORT if end == "done" else ENDLESS)
    second = enter(queue, "b", SHORT)
    if end == "stopped":
        wait_until(lambda: first.history)
        first.stop()
    if end == "killed":
        wait_until(lambda: first.history)
        os.kill(first.process_id, signal.SIGKILL)
    wait_until(lambda: second.is_over)
    assert first.state == {"killed": "failed"}.get(end, end)
    assert (second.state, second.error) == ("done", None)
    wait_until(lambda: not queue_threads())


class Unstartable(ChildRun):
    """A run for which the system has no process left."""

    def start(self) -> None:
        raise MemoryError("no memory for it")


def test_a_run_that_cannot_be_started_fails_with_a_word_and_frees_its_place(enter, caplog):
    queue = RunQueue(places=1)
    first, broken = enter(queue, "a"), Unstartable(print)
    queue.enter(broken, "b")
    third = enter(queue, "c", SHORT)
    first.stop()
    wait_until(lambda: third.state == "done")
    assert broken.state == "failed"
    assert "no memory for it" in broken.error
    assert "could not be started" in caplog.text


def test_a_run_that_takes_too_long_is_stopped_and_told_why(enter):
    queue = RunQueue(places=1, most_seconds=1000.0)
    first, second = enter(queue, "a"), enter(queue, "b", SHORT)
    wait_until(lambda: first.history)
    queue.most_seconds = 0.5
    wait_until(lambda: first.is_over)
    queue.most_seconds = 1000.0  # on a loaded machine the second may take its time
    wait_until(lambda: second.state == "done")
    assert first.state == "stopped"
    assert first.stopped_because.template.startswith("A run may take {seconds:,.0f} s on this server")
    assert any(isinstance(event, BatchDone) for event in first.history)
    assert second.stopped_because is None


def test_a_paused_run_keeps_its_place_but_not_for_longer_than_a_run_may_take(enter):
    queue = RunQueue(places=1, most_seconds=1000.0)
    first, second = enter(queue, "a"), enter(queue, "b", SHORT)
    first.pause()
    assert queue.ahead_of(second) == 1
    queue.most_seconds = 0.5
    wait_until(lambda: first.is_over)
    queue.most_seconds = 1000.0
    wait_until(lambda: second.state == "done")
    assert first.state == "stopped"


def test_without_a_limit_all_go_on_at_once(enter):
    queue = RunQueue(places=None)
    runs = [enter(queue, owner, SHORT) for owner in "abc"]
    assert all(run.state != "waiting" for run in runs)
    wait_until(lambda: all(run.state == "done" for run in runs))


def test_ended_runs_are_let_go(enter):
    queue = RunQueue(places=1)
    for _ in range(3):
        run = enter(queue, "a", SHORT)
        wait_until(lambda run=run: run.is_over)
    wait_until(lambda: not queue_threads())
    assert queue._entries == []


class Stretch(ChildRun):
    """Stands in for work whose length is known: the estimates are held to a calculation by hand."""

    def __init__(self, left: float | None, amount: float = 1.0) -> None:
        super().__init__(print)
        self.left, self.amount, self.done = left, amount, 1.0

    def start(self) -> None:
        self.state = "running"

    @property
    def seconds_left(self) -> float | None:
        return self.left

    @property
    def workload(self) -> tuple[str, float]:
        return "stretch", self.amount

    @property
    def progress(self) -> float:
        return self.done


def test_the_estimate_plays_the_queue_through():
    queue = RunQueue(places=2)
    queue._paces = {"stretch": 2.0}  # seconds for a unit of work
    runs = [Stretch(30.0), Stretch(10.0), Stretch(None, amount=4), Stretch(None, amount=1), Stretch(None)]
    for owner, run in enumerate(runs):
        queue.enter(run, owner)
    # Two go on until 30 and 10. The third goes on from 10 to 18, the fourth from 18 to 20, the fifth from 20.
    assert [queue.wait_of(run) for run in runs] == [None, None, Wait(10.0), Wait(18.0), Wait(20.0)]
    for run in runs:
        run.state = "done"


def test_who_has_a_run_already_waits_for_its_end_although_there_is_room():
    queue = RunQueue(places=2)
    going_on, next_one = Stretch(40.0), Stretch(None)
    for run in (going_on, next_one):
        queue.enter(run, "the same")
    assert queue.wait_of(next_one) == Wait(40.0)
    going_on.state = next_one.state = "done"


def test_a_run_that_rested_or_had_hardly_begun_says_nothing_of_the_next_ones():
    queue = RunQueue(places=1)
    rested, broken_off, whole = (Stretch(None) for _ in range(3))
    for run in (rested, broken_off, whole):
        queue.enter(run, "a")
    rested.state = "paused"
    time.sleep(0.5)  # the queue looks every 0.1 s
    rested.state = "done"
    wait_until(lambda: broken_off.state == "running")
    broken_off.done = 0.01
    broken_off.state = "stopped"
    wait_until(lambda: whole.state == "running")
    assert queue._paces == {}
    whole.state = "done"
    wait_until(lambda: queue._paces)


def test_without_a_thread_to_look_after_the_queue_whoever_enters_next_tries_again(monkeypatch, caplog):
    start = threading.Thread.start

    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    queue = RunQueue(places=1)
    runs = [Stretch(None) for _ in range(3)]
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    queue.enter(runs[0], 0)
    queue.enter(runs[1], 1)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert "Nobody looks after the queue" in caplog.text
    queue.enter(runs[2], 2)
    for run in runs:
        wait_until(lambda run=run: run.state == "running")
        run.state = "done"
    wait_until(lambda: not queue._entries)


def test_nobody_claims_to_know_how_long_it_takes_before_anything_is_known():
    queue = RunQueue(places=1)
    runs = [Stretch(None), Stretch(None)]
    for owner, run in enumerate(runs):
        queue.enter(run, owner)
    assert (queue.ahead_of(runs[1]), queue.wait_of(runs[1])) == (1, None)
    runs[0].left = 7.0
    assert queue.wait_of(runs[1]) == Wait(7.0)
    runs[0].state = "paused"
    assert queue.wait_of(runs[1]) is None
    for run in runs:
        run.state = "done"


def test_a_limit_of_time_bounds_the_estimate():
    queue = RunQueue(places=1, most_seconds=20)
    runs = [Stretch(500.0), Stretch(None, amount=100), Stretch(None)]
    for owner, run in enumerate(runs):
        queue.enter(run, owner)
    first, second = (queue.wait_of(run) for run in runs[1:])
    assert (first.seconds, first.at_most) == (pytest.approx(20, abs=1), False)
    assert (second.seconds, second.at_most) == (pytest.approx(40, abs=1), True)  # what the second needs is not known
    queue._paces = {"stretch": 0.05}
    assert queue.wait_of(runs[2]).seconds == pytest.approx(25, abs=1)
    assert not queue.wait_of(runs[2]).at_most
    for run in runs:
        run.state = "done"


def test_what_runs_have_taken_is_remembered_by_kind(enter):
    queue = RunQueue(places=1)
    run = enter(queue, "a", SHORT)
    wait_until(lambda: run.is_over)
    wait_until(lambda: queue._paces)
    kind, amount = run.workload
    assert amount == 500
    twice = TrainingRun(dataclasses.replace(SHORT, epochs=2, learning_rate=0.5))
    assert twice.workload == (kind, 1000)
    assert queue._expected_seconds(twice) == pytest.approx(2 * queue._usual_seconds)
    assert TrainingRun(dataclasses.replace(SHORT, batch_size=7)).workload[0] != kind
