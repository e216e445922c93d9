"""RunQueue: so many runs at a time on one server, in turn; who waits has a place and an estimate, and no process."""

from __future__ import annotations

import heapq
import logging
import threading
from dataclasses import dataclass
from time import monotonic, sleep

from mnist_core.messages import say
from mnist_core.runs import PAUSED, WAITING, ChildRun

LOGGER = logging.getLogger(__name__)
LOOK_EVERY = 0.1  # seconds
ENOUGH = 0.25  # of a run, to tell its pace by: the beginning takes time of its own
MOST_PACES = 100  # kinds of runs whose pace is remembered


@dataclass(eq=False)
class Entry:
    """A run in the queue or out of it, and whose it is.

    Attributes:
        called: whether it was told to start. began: when it was first seen to go on; None before.
        has_paused: whether it was ever seen to rest.
    """

    run: ChildRun
    owner: object
    called: bool = False
    began: float | None = None
    has_paused: bool = False

    @property
    def elapsed_seconds(self) -> float:
        """How long it has been going on, pauses included; 0 before."""
        return 0.0 if self.began is None else monotonic() - self.began


@dataclass(frozen=True)
class Wait:
    """So long it will probably be; or it will not be longer, when more is not known."""

    seconds: float
    at_most: bool = False


class RunQueue:
    """Starts runs in the order in which they came, at most `places` at a time and one of each owner.

    An owner's second run waits until the first is over, and lets others pass. A thread of its own, alive as long as
    there is a run to look after, sees how runs end, whichever way, and calls the next.
    """

    def __init__(self, places: int | None, most_seconds: float | None = None) -> None:
        """An empty queue.

        Args:
            places: how many runs go on at a time; None for as many as come.
            most_seconds: a run that has gone on for longer, pauses included, is stopped; None for no such limit.
        """
        self.places = places
        self.most_seconds = most_seconds
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._watcher: threading.Thread | None = None
        self._paces: dict[object, float] = {}  # seconds for a unit of work, by kind of run, as they were last measured
        self._usual_seconds: float | None = None  # what a run has taken, the last ones counting most

    def enter(self, run: ChildRun, owner: object) -> None:
        """Start a run that waits to be started, now if there is a place, otherwise in turn."""
        with self._lock:
            self._entries.append(Entry(run, owner))
        self._advance()
        with self._lock:
            if self._entries and self._watcher is None:
                watcher = threading.Thread(target=self._watch, name="run queue", daemon=True)
                try:
                    watcher.start()
                    self._watcher = watcher
                except RuntimeError:  # the system has no thread to give; whoever enters next tries again
                    LOGGER.exception("Nobody looks after the queue")

    def ahead_of(self, run: ChildRun) -> int | None:
        """How many runs must end or be called before this one is called; None when it does not wait here."""
        with self._lock:
            waits = next((entry for entry in self._entries if entry.run is run and not entry.called), None)
            if waits is None or run.is_over:
                return None
            return len(self._before(waits))

    def wait_of(self, run: ChildRun) -> Wait | None:
        """How long it will be until this run is called; None when nobody knows, or it does not wait here.

        The runs ahead of it are played through: those that go on with the time that they have left, those that wait
        with what their work has taken on this machine before, and where that is not known, with what they may take.
        """
        with self._lock:
            waits = next((entry for entry in self._entries if entry.run is run and not entry.called), None)
            if waits is None or self.places is None:
                return None
            before = self._before(waits)
            rests = {entry: self._rest(entry) for entry in before if entry.called}
            durations = [self._bounded(self._expected_seconds(entry.run), 0.0) for entry in before if not entry.called]
        ends = list(rests.values())
        own = [end for entry, end in rests.items() if entry.owner is waits.owner]
        if None in ends or None in durations:
            return None
        places = [end.seconds for end in ends if end] + [0.0] * (self.places - len(ends))
        heapq.heapify(places)
        for duration in durations:
            heapq.heappush(places, heapq.heappop(places) + (duration.seconds if duration else 0.0))
        seconds = max([places[0], *(end.seconds for end in own if end)])
        return Wait(seconds, any(wait is not None and wait.at_most for wait in (*ends, *durations)))

    def _before(self, waits: Entry) -> list[Entry]:
        """The entries that go on, and those that were there before this one."""
        at = self._entries.index(waits)
        return [entry for entry in self._entries[:at] if not entry.run.is_over] + [
            entry for entry in self._entries[at + 1 :] if entry.called and not entry.run.is_over
        ]

    def _rest(self, entry: Entry) -> Wait | None:
        """How long a run that was called will go on."""
        left = None if entry.run.state == PAUSED else entry.run.seconds_left
        if left is None and entry.run.state != PAUSED:
            expected = self._expected_seconds(entry.run)
            left = None if expected is None else max(0.0, expected - entry.elapsed_seconds)
        return self._bounded(left, entry.elapsed_seconds)

    def _expected_seconds(self, run: ChildRun) -> float | None:
        """What a run will take, by what the like of it has taken, or else by what any run has; None at first."""
        kind, amount = run.workload
        pace = self._paces.get(kind)
        return self._usual_seconds if pace is None else pace * amount

    def _bounded(self, seconds: float | None, elapsed_seconds: float) -> Wait | None:
        """A time that a run needs as a wait, no longer than it may go on; None when there is neither."""
        if self.most_seconds is None:
            return None if seconds is None else Wait(seconds)
        most = max(0.0, self.most_seconds - elapsed_seconds)
        return Wait(most, at_most=True) if seconds is None else Wait(min(seconds, most))

    def _watch(self) -> None:
        """Look after the runs until there are none."""
        while True:
            try:
                self._look()
            except Exception:  # whatever it is, those who wait must be called later too
                LOGGER.exception("The queue could not be looked after")
            with self._lock:
                if not self._entries:
                    self._watcher = None
                    return
            sleep(LOOK_EVERY)

    def _look(self) -> None:
        """Note who has begun and who has ended, end what takes too long, call the next."""
        with self._lock:
            entries = list(self._entries)
        for entry in entries:
            try:
                self._look_after(entry)
            except Exception:  # one run's trouble must not keep the others waiting for ever
                LOGGER.exception("A run could not be looked after")
        self._advance()

    def _look_after(self, entry: Entry) -> None:
        entry.has_paused = entry.has_paused or entry.run.state == PAUSED
        if entry.run.is_over:
            self._bury(entry)
        elif entry.began is None and entry.run.state != WAITING:
            entry.began = monotonic()
        elif self.most_seconds is not None and entry.elapsed_seconds > self.most_seconds:
            entry.run.stop(
                say(
                    "A run may take {seconds:,.0f} s on this server, and this one has. "
                    "What it had learnt is kept: draw, and your network answers.",
                    seconds=self.most_seconds,
                )
            )

    def _bury(self, entry: Entry) -> None:
        """Take a run that is over out, and remember what it took, if that says something of the next ones."""
        with self._lock:
            self._entries.remove(entry)
            if entry.began is None or entry.has_paused or entry.run.progress < ENOUGH:
                return
            kind, amount = entry.run.workload
            taken = entry.elapsed_seconds
            self._paces[kind] = taken / (amount * entry.run.progress)
            while len(self._paces) > MOST_PACES:
                self._paces.pop(next(iter(self._paces)))
            self._usual_seconds = taken if self._usual_seconds is None else (self._usual_seconds + taken) / 2

    def _advance(self) -> None:
        """Call the next ones, as many as there are places for."""
        while (entry := self._next()) is not None:
            try:
                entry.run.start()
            except Exception as error:
                if not entry.run.is_over:  # else its owner has just left the queue
                    LOGGER.exception("A run could not be started")
                    entry.run.fail(say("The run could not be started ({error}). Try again later.", error=str(error)))
            if entry.run.state != WAITING:
                entry.began = monotonic()

    def _next(self) -> Entry | None:
        """The first that may start, marked as called; None when there is no place, or nobody may."""
        with self._lock:
            going_on = [entry for entry in self._entries if entry.called and not entry.run.is_over]
            if self.places is not None and len(going_on) >= self.places:
                return None
            busy = [entry.owner for entry in going_on]
            for entry in self._entries:
                if not entry.called and not entry.run.is_over and not any(entry.owner is owner for owner in busy):
                    entry.called = True
                    return entry
            return None
