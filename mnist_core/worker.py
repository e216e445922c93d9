"""The child's side of a run: train or try a mistake out, and tell the parent over a pipe how it goes."""

from __future__ import annotations

import functools
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, thread_time
from typing import Any

import torch
from safetensors.torch import save as save_safetensors
from torch import nn

from mnist_core.config import TrainConfig
from mnist_core.data import Digits, load_digits
from mnist_core.errors import DigitPlaygroundError
from mnist_core.fine_tuning import Beginning, mixed
from mnist_core.messages import Message, say
from mnist_core.processor import cpu_cores
from mnist_core.server_settings import server_settings
from mnist_core.snapshots import Snapshot
from mnist_core.training import EpochDone, build_seeded_model, train
from mnist_core.weights import load_weights

EVENTS_EVERY = 0.1  # seconds
WEIGHTS_EVERY = 0.25  # seconds; more for networks so large that sending them would slow the training
NICENESS = 10  # the page's answers go before training


EntryFunction = Callable[..., None]  # the function that a run consists of, such as `work`; its last argument is a pipe


@dataclass(frozen=True)
class Begun:
    """The first message of a run that had to wait for a machine: it has one now, at this address."""

    worker: str


@dataclass(frozen=True)
class Told:
    """What has happened since the last message."""

    events: tuple[Any, ...]


@dataclass(frozen=True)
class Ended:
    """The last message: "done", "stopped" or "failed", and why it failed."""

    state: str
    error: Message | None = None


@functools.cache
def cached_digits(name: str, split: str) -> Digits:
    """A data set, loaded once in a process; what is loaded before a fork is shared with the children."""
    return load_digits(name, split)


def training_threads() -> int:
    """How many threads a child computes with: half the cores, and the rest for the page and its visitors.

    Threads that wait for one another stand still whenever something else takes one of their cores: with a thread on
    each of 2 cores and one busy process beside them, an epoch took over 50 times as long; with a single one, as long
    as ever.
    """
    return max(1, cpu_cores() // 2)


def bound_memory(most_bytes: int | None) -> None:
    """Let this process take so many bytes more than it has, on Linux; then an allocation fails that can be told of.

    Otherwise the system might end whichever process it likes: the server.
    """
    status = Path("/proc/self/status")
    if most_bytes is None or not status.exists():
        return
    import resource

    taken = re.search(r"VmData:\s*(\d+) kB", status.read_text())
    if taken is not None:
        limit = 1024 * int(taken[1]) + most_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


class Orders:
    """What the parent wants, heard on a thread of its own: pause, resume, stop; a vanished parent ends the child."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._may_run = threading.Event()
        self._may_run.set()
        self._stop = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                order = self._pipe.recv()
            except (EOFError, OSError):
                os._exit(0)  # nobody is left to hear of this run
            self._stop = self._stop or order == "stop"
            if order == "pause":
                self._may_run.clear()
            else:
                self._may_run.set()

    @property
    def are_waiting(self) -> bool:
        """Whether the run shall pause or stop."""
        return self._stop or not self._may_run.is_set()

    def wait_while_paused(self) -> bool:
        """Return when the run may go on; False when it shall stop."""
        self._may_run.wait()
        return not self._stop


class Messenger:
    """Sends events, and the weights of a model that is to be published, bundled so that talking slows nothing."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._model: nn.Module | None = None
        self._events: list[Any] = []
        self._step, self._sent_step = 0, -1
        self._events_due = self._weights_due = 0.0

    def publish(self, model: nn.Module) -> None:
        """Send this model's weights, now and again and again as its training goes on."""
        self._model = model
        self.send_weights(epoch=0)

    def tell(self, event: Any) -> None:
        """Take note of an event, which is plain data, and send what is due."""
        self._events.append(event)
        self._step = getattr(event, "step", self._step)
        if monotonic() >= self._events_due:
            self.send_events()
        if isinstance(event, EpochDone):
            self.send_weights(event.epoch)
        elif monotonic() >= self._weights_due:
            self.send_weights()

    def send_all(self) -> None:
        """Send what there is, due or not, so that nothing is missing while the run rests or after its end."""
        self.send_events()
        if self._sent_step != self._step:
            self.send_weights()

    def send_events(self) -> None:
        """Send the events gathered so far."""
        if self._events:
            self._pipe.send(Told(tuple(self._events)))
            self._events.clear()
        self._events_due = monotonic() + EVENTS_EVERY

    def send_weights(self, epoch: int | None = None) -> None:
        """Send the weights, unless they have run away: the last sound ones are worth keeping.

        Args:
            epoch: which has just ended, if any; 0 before the first.
        """
        if self._model is None:
            return
        self._sent_step = self._step
        started = thread_time()
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self._model.state_dict().items()}
        if all(bool(tensor.isfinite().all()) for tensor in state.values()):
            self._pipe.send(Snapshot(self._step, save_safetensors(state), epoch))
        self._weights_due = monotonic() + max(WEIGHTS_EVERY, 10 * (thread_time() - started))


def work(config: TrainConfig, data_set: str, pipe: Connection) -> None:
    """Train as `config` says in this process and tell all of it over the pipe; the entry function of a TrainingRun."""

    def begin(messenger: Messenger) -> Iterable[Any]:
        model = build_seeded_model(config)
        messenger.publish(model)
        return train(model, cached_digits(data_set, "train"), config, test=cached_digits(data_set, "test"))

    go_on(begin, pipe)


def fine_tune(config: TrainConfig, data_set: str, beginning: Beginning, pipe: Connection) -> None:
    """Go on training the network of `beginning` with drawings and this data set; the entry function of such a run."""

    def begin(messenger: Messenger) -> Iterable[Any]:
        model = build_seeded_model(config)
        load_weights(beginning.weights, model)
        messenger.publish(model)
        digits = mixed(beginning, cached_digits(data_set, "train"), config.train_images)
        return train(model, digits, config, test=cached_digits(data_set, "test"))

    go_on(begin, pipe)


def go_on(begin: Callable[[Messenger], Iterable[Any]], pipe: Connection) -> None:
    """Be a child: tell the events of what `begin` begins over the pipe, obey orders, and tell how it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, whose end ends this process too
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    torch.set_num_threads(training_threads())
    bound_memory(server_settings().run_bytes)
    orders, messenger = Orders(pipe), Messenger(pipe)
    ended = Ended("done")
    try:
        try:
            for event in begin(messenger):
                messenger.tell(event)
                if orders.are_waiting:
                    messenger.send_all()
                if not orders.wait_while_paused():
                    ended = Ended("stopped")
                    break
        finally:
            messenger.send_all()
    except DigitPlaygroundError as error:
        ended = Ended("failed", error.message)
    except MemoryError:
        ended = Ended("failed", say("There is not enough memory for this run. Choose a smaller model or batch size."))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        found = f"{type(error).__name__}: {error}"
        ended = Ended("failed", say("The training stopped on an unexpected error: {error}", error=found))
    pipe.send(ended)
