"""A run's place on this machine: a child process, and the pipe to it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.spawn
import signal
import threading
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from mnist_core.errors import TrainingError
from mnist_core.messages import Message, say
from mnist_core.worker import Ended, EntryFunction

PROCESS_NAME = "digit training"
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_processes: Any = multiprocessing.get_context(METHOD)
_counting = threading.Lock()  # whenever a child starts, multiprocessing looks which have ended: one thread at a time
_prepare = multiprocessing.spawn.get_preparation_data


def leave_main_alone(name: str) -> dict[str, Any]:
    """What multiprocessing tells a new process, without the caller's script for processes of ours.

    multiprocessing runs the parent's `__main__` again in the child, for functions that are defined there. Ours come
    from this package, while `__main__` may be a page or a script without a guard.
    """
    told = _prepare(name)
    return {key: value for key, value in told.items() if name != PROCESS_NAME or not key.startswith("init_main")}


multiprocessing.spawn.get_preparation_data = leave_main_alone


def prepare_to_fork() -> None:
    """Start the process that runs are forked from, torch and MNIST loaded in it; returns at once."""
    if METHOD == "forkserver":
        _processes.set_forkserver_preload(["mnist_core.preload"])
        forkserver.ensure_running()


class LocalProcess:
    """A child process of this one in which an entry function goes on.

    Attributes:
        process_id: the operating system's number for it; None before it has started.
        ahead: 0, for nothing waits.
    """

    ahead = 0

    def __init__(self) -> None:
        self._lock = threading.Lock()  # a process that has ended is closed on one thread and may be killed on another
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self.process_id: int | None = None

    def start(self, entry: EntryFunction, arguments: tuple[object, ...]) -> bool:
        """Start the process; True, for it begins at once.

        Raises:
            TrainingError: when the machine has no process to give.
        """
        try:
            prepare_to_fork()  # which needs room for a socket among the temporary files
            self._pipe, theirs = _processes.Pipe()
            process = _processes.Process(target=entry, args=(*arguments, theirs), name=PROCESS_NAME, daemon=True)
            try:
                with _counting:
                    process.start()
            finally:
                theirs.close()  # so that the child's end is the only one, and its death is heard
        except (OSError, EOFError) as error:  # EOFError: the process that was to fork has died of it
            if self._pipe is not None:
                self._pipe.close()
            raise TrainingError(not_started(error)) from error
        self._process, self.process_id = process, process.pid
        return True

    def send(self, order: str) -> bool:
        """Tell the child to pause, resume or stop; False when it can hear nothing any more."""
        with self._lock:
            if self._process is None or self._pipe is None:
                return False
            try:
                self._pipe.send(order)
            except OSError:  # the child has just died; who listens will hear of it
                return False
            return True

    def receive(self) -> Any:
        """Wait for the next message; the last one is an Ended, told by the child or, if it died, made here."""
        assert self._pipe is not None
        try:
            message = self._pipe.recv()
        except (EOFError, OSError):
            return Ended("failed", death_reason(self._leave()))
        if isinstance(message, Ended):
            self._leave()
        return message

    def _leave(self) -> int | None:
        """Wait until the process has ended, give back what it took, and return its exit code."""
        assert self._process is not None
        assert self._pipe is not None
        wait([self._process.sentinel])
        with _counting, self._lock:
            process, self._process = self._process, None
            process.join()
            exit_code: int | None = process.exitcode
            process.close()
            self._pipe.close()
        return exit_code

    def kill(self) -> None:
        """End the process for certain; who listens hears of it."""
        with self._lock:
            if self._process is not None:
                self._process.kill()


def not_started(error: BaseException) -> Message:
    """What a person reads when the machine has no process, or thread, to give."""
    return say("No training process could be started ({error}). Try again later.", error=str(error))


def death_reason(exit_code: int | None) -> Message:
    """Why a child died that did not say so itself, in plain words."""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else f"signal {-exit_code}"
        if name == "SIGKILL":
            return say(
                "The training process was ended from outside ({signal}), perhaps because the machine ran out of "
                "memory. What it had learnt is kept; train again.",
                signal=name,
            )
        return say(
            "The training process was ended from outside ({signal}). What it had learnt is kept; train again.",
            signal=name,
        )
    return say(
        "The training process ended without a word (exit code {code}). What it had learnt is kept; train again.",
        code=exit_code,
    )
