"""Where runs go on: in a child process of this machine, or on a Dask cluster when the server's owner names one."""

from __future__ import annotations

from typing import Any, Protocol

from mnist_core.cluster import ClusterTask
from mnist_core.local_process import LocalProcess, prepare_to_fork
from mnist_core.server_settings import server_settings
from mnist_core.worker import EntryFunction


class Place(Protocol):
    """Somewhere an entry function goes on; it is started once, and what comes from it is plain data."""

    @property
    def process_id(self) -> int | None:
        """The operating system's number for the child on this machine, if there is one."""

    @property
    def ahead(self) -> int:
        """How many others wait before it, as far as is known here; 0 once it has begun."""

    def start(self, entry: EntryFunction, arguments: tuple[object, ...]) -> bool:
        """Let it go on there, without waiting: whether it has begun; if not, a Begun will be received.

        Raises:
            TrainingError: when it cannot.
        """

    def send(self, order: str) -> bool:
        """Pass on "pause", "resume" or "stop"; False when nobody is left to hear it."""

    def receive(self) -> Any:
        """Wait for the next message: Begun, Told, Snapshot, and Ended as the last, whatever happens."""

    def kill(self) -> None:
        """End it for certain, without waiting; an Ended is received soon."""


def choose_place() -> Place:
    """A new place for one run, as the server's settings say."""
    scheduler = server_settings().scheduler
    return LocalProcess() if scheduler is None else ClusterTask(scheduler)


def warm_up() -> None:
    """Have what can be made ready before the first run; returns at once."""
    if server_settings().scheduler is None:
        prepare_to_fork()
