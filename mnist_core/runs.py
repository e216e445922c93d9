"""Runs: a training that goes on in a process of its own, watched and steered from here."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from typing import Any

from torch import nn

from mnist_core.config import TrainConfig
from mnist_core.errors import TrainingError
from mnist_core.fine_tuning import Beginning
from mnist_core.local_process import not_started
from mnist_core.messages import Message, say
from mnist_core.places import Place, choose_place
from mnist_core.snapshots import LARGEST_SNAPSHOTS, Series, Snapshot, model_at
from mnist_core.training import BatchDone, EpochDone
from mnist_core.worker import Begun, Ended, EntryFunction, Told, fine_tune, work

WAITING, RUNNING, PAUSED = "waiting", "running", "paused"
DONE, STOPPED, FAILED = "done", "stopped", "failed"
STOP_WITHIN = 0.7  # seconds that a run may take to stop by itself
MOST_BATCHES = 10_000  # events of batches that are kept of a run; of longer ones every second, fourth ...


class ChildRun:
    """Something that goes on in a process of its own; all that is known of it here is plain data.

    Attributes:
        history: every event so far; only ever appended to.
        state: waiting, running, paused, done, stopped or failed.
        error: why it failed, for a person to read, or None.
        stopped_because: why it was stopped, when it was not its visitor who did; or None.
    """

    def __init__(self, entry: EntryFunction, *arguments: object) -> None:
        self.history: list[Any] = []
        self.state = WAITING
        self.error: Message | None = None
        self.stopped_because: Message | None = None
        self._entry, self._arguments = entry, arguments
        self._lock = threading.Lock()
        self._place: Place | None = None
        self._listener: threading.Thread | None = None

    def start(self) -> None:
        """Start it where runs go on, without waiting; a run is started once.

        In a process of this machine it runs at once. Sent to a cluster, it waits until a worker has room for it.
        """
        with self._lock:
            if self.state != WAITING or self._place is not None:
                raise RuntimeError(f"this run is {self.state}; it can be started only once")
            self._place = choose_place()
            try:
                begins = self._place.start(self._entry, self._arguments)
                listener = threading.Thread(target=self._listen, name="training listener", daemon=True)
                listener.start()
            except TrainingError as error:
                self.state, self.error = FAILED, error.message
                return
            except RuntimeError as error:  # the system has no thread to give
                self._place.kill()
                self.state, self.error = FAILED, not_started(error)
                return
            self._listener = listener
            if begins:
                self.state = RUNNING

    @property
    def is_sent(self) -> bool:
        """Whether it has been started; if its state is waiting all the same, it waits for a worker of the cluster."""
        return self._place is not None

    @property
    def ahead(self) -> int:
        """How many runs of this server were sent to the cluster before it and wait there too."""
        return 0 if self._place is None else self._place.ahead

    def pause(self) -> None:
        """Let the child rest after the batch that it is at; nothing happens unless it runs."""
        self._change(RUNNING, PAUSED, "pause")

    def resume(self) -> None:
        """Let a paused child go on."""
        self._change(PAUSED, RUNNING, "resume")

    def _change(self, before: str, after: str, order: str) -> None:
        with self._lock:
            if self.state == before and self._place is not None and self._place.send(order):
                self.state = after

    def stop(self, reason: Message | None = None) -> None:
        """End the run within a second and keep all that has come from it; nothing happens when it is over.

        Args:
            reason: why, for its visitor to read, when it was not they who stopped it.
        """
        with self._lock:
            if self.is_over:
                return
            self.stopped_because = reason
            has_begun = self.state != WAITING
            if not has_begun:
                self.state = STOPPED
            place, listener = self._place, self._listener
            if place is None or listener is None:
                return
            place.send("stop")
        if has_begun:
            listener.join(STOP_WITHIN)
        if listener.is_alive():
            with self._lock:
                if not self.is_over:
                    self.state = STOPPED
            place.kill()
            listener.join()

    def fail(self, error: Message) -> None:
        """Take note that nothing can come of this run."""
        with self._lock:
            if not self.is_over:
                self.state, self.error = FAILED, error

    def _listen(self) -> None:
        """Take in what is told until the run has ended, one way or another."""
        assert self._place is not None
        message, puzzle = None, None
        while not isinstance(message, Ended):
            try:
                message = self._place.receive()
                self._take_note(message)
            except Exception as error:
                told = say(
                    "What the training process told could not be understood ({error}). Train again.", error=str(error)
                )
                puzzle = puzzle or Ended(FAILED, told)
                self._place.kill()
        ended = puzzle or message
        with self._lock:
            if not self.is_over:
                self.state, self.error = ended.state, ended.error

    def _take_note(self, message: object) -> None:
        if isinstance(message, Told):
            self._take_in(message.events)
        elif isinstance(message, Snapshot):
            self._keep(message)
        elif isinstance(message, Begun):
            self._begin()

    def _begin(self) -> None:
        with self._lock:
            if self.state == WAITING:
                self.state = RUNNING

    def _take_in(self, events: Iterable[Any]) -> None:
        """Append what has happened."""
        self.history.extend(events)

    def _keep(self, snapshot: Snapshot) -> None:
        """Take weights in that the child has published."""

    @property
    def process_id(self) -> int | None:
        """The operating system's number for a child on this machine; None before it has started and after its end."""
        with self._lock:
            return None if self._place is None or self.is_over else self._place.process_id

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come from this run."""
        return self.state in (DONE, STOPPED, FAILED)

    @property
    def workload(self) -> tuple[Hashable, float]:
        """What kind of run it is and how much of it: runs of one kind take time in proportion to the second."""
        return type(self).__name__, 1.0

    @property
    def progress(self) -> float:
        """How much of the run is done, 0..1, as far as it is known."""
        return 1.0 if self.state == DONE else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take; None when it is not known."""
        return None


class TrainingRun(ChildRun):
    """A training in a process of its own; all that is known of it here is plain data and frozen copies.

    Attributes:
        config: what is trained and how. beginning: what it goes on from; None for a new network.
        history: every BatchDone and EpochDone so far, in order; of a run of over MOST_BATCHES batches every second,
            fourth ... BatchDone, so that it stays bounded. epochs: the EpochDones.
        state: waiting, running, paused, done, stopped or failed.
        error: why it failed, for a person to read, or None.
    """

    def __init__(
        self,
        config: TrainConfig,
        data_set: str = "mnist",
        *,
        beginning: Beginning | None = None,
        largest_weights: int = LARGEST_SNAPSHOTS,
    ) -> None:
        """A run that waits to be started.

        Args:
            beginning: the network and the drawings that it goes on from; None for a new network.
            largest_weights: bytes of older weights that are kept at most, of those from along the way and of those from
                the ends of epochs; two of each are kept in any case.
        """
        if beginning is None:
            super().__init__(work, config, data_set)
        else:
            super().__init__(fine_tune, config, data_set, beginning)
        self.config = config
        self.data_set = data_set
        self.beginning = beginning
        self.history: list[BatchDone | EpochDone]
        self.epochs: list[EpochDone] = []
        self._last_batch: BatchDone | None = None
        self._batches = 0  # how many BatchDones are in the history
        self._spacing = 1  # steps between them
        self._along, self._ends_of_epochs = Series(largest_weights), Series(largest_weights)
        self._model: tuple[int, nn.Module] | None = None

    def _take_in(self, events: Iterable[BatchDone | EpochDone]) -> None:
        """Append what has happened, within bounds."""
        for event in events:
            if isinstance(event, EpochDone):
                self.epochs.append(event)
                self.history.append(event)
                continue
            self._last_batch = event
            if self._is_kept(event):
                self.history.append(event)
                self._batches += 1
            if self._batches > MOST_BATCHES:
                self._spacing *= 2
                self.history = [event for event in self.history if self._is_kept(event)]
                self._batches = len(self.history) - len(self.epochs)

    def _is_kept(self, event: BatchDone | EpochDone) -> bool:
        return isinstance(event, EpochDone) or (event.step - 1) % self._spacing == 0

    def _keep(self, snapshot: Snapshot) -> None:
        """Keep the newest weights, and some of the older ones."""
        with self._lock:
            self._along.add(snapshot)
            if snapshot.epoch is not None:
                self._ends_of_epochs.add(snapshot)

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Weights from along the way, the first from before step 1, the last the newest."""
        with self._lock:
            return self._along.all

    @property
    def epoch_snapshots(self) -> tuple[Snapshot, ...]:
        """Weights from the ends of epochs, the first from before step 1; of many epochs not all."""
        with self._lock:
            return self._ends_of_epochs.all

    @property
    def latest_step(self) -> int | None:
        """After how many steps the newest weights were published; None before the first have come."""
        latest = self._along.newest
        return None if latest is None else latest.step

    @property
    def latest(self) -> tuple[int, nn.Module] | None:
        """The step of the newest weights and a frozen network with them, in eval mode; None before the first come."""
        newest, known = self._along.newest, self._model
        if newest is None:
            return None
        if known is None or known[0] != newest.step:
            self._model = known = newest.step, self.model_at(newest)
        return known

    @property
    def latest_model(self) -> nn.Module | None:
        """A frozen copy of the network with its newest weights, in eval mode; None before the first have come."""
        latest = self.latest
        return None if latest is None else latest[1]

    def model_at(self, snapshot: Snapshot, refill: nn.Module | None = None) -> nn.Module:
        """A frozen copy of the network as it was at a snapshot, in eval mode.

        Args:
            refill: such a copy that is no longer needed; takes the weights in, which is faster than a new one.
        """
        return model_at(self.config, snapshot, refill)

    @property
    def workload(self) -> tuple[Hashable, float]:
        """What makes a step slow or fast, and how many images the run reads in all its epochs."""
        config = self.config
        per_image = (config.model, repr(config.model_options), config.batch_size, config.augment, config.device)
        return per_image, float(config.epochs * config.images)

    @property
    def progress(self) -> float:
        """How much of the run is done, 0..1, counted in steps."""
        last = self.last_batch
        return 0.0 if last is None else last.step / (self.config.epochs * last.batches)

    @property
    def last_batch(self) -> BatchDone | None:
        """The newest BatchDone."""
        return self._last_batch

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at the pace of the present epoch; None before the first batch."""
        last = self.last_batch
        if last is None:
            return None
        steps_left = self.config.epochs * last.batches - last.step
        tests_left = self.config.epochs - len(self.epochs)
        test_seconds = self.epochs[-1].test_seconds if self.epochs else 0.0
        return steps_left * last.seconds / last.batch + tests_left * test_seconds
