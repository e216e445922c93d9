"""ExperimentRun: one experiment going on in a process of its own, watched from here."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_core.lessons.comparisons import BROKEN, RIGHT, Found, Material, Measured
from mnist_core.lessons.experiments import SILENT_MISTAKES, run_experiment
from mnist_core.runs import ChildRun
from mnist_core.worker import Messenger, cached_digits, go_on


def try_out(name: str, picture: NDArray[np.float32], seed: int, pipe: Connection) -> None:
    """Run an experiment by name in this process and tell all of it; the entry function of an ExperimentRun."""

    def begin(messenger: Messenger) -> Iterable[Any]:
        material = Material(cached_digits("mnist", "train"), cached_digits("mnist", "test"), picture, seed)
        return run_experiment(SILENT_MISTAKES[name], material)

    go_on(begin, pipe)


class ExperimentRun(ChildRun):
    """A mistake that is tried out in a child process, right and wrong side by side.

    Attributes:
        name: of the experiment, one of SILENT_MISTAKES. seed: where chance begins, for both sides.
        picture: the drawing, (28, 28) float32, 0..1.
    """

    def __init__(self, name: str, picture: NDArray[np.float32], seed: int = 0) -> None:
        super().__init__(try_out, name, picture, seed)
        self.name = name
        self.picture = picture
        self.seed = seed

    @property
    def workload(self) -> tuple[Hashable, float]:
        """Each experiment is a kind of its own."""
        return self.name, 1.0

    @property
    def curves(self) -> dict[str, list[Measured]]:
        """What has been measured so far, by side."""
        measured = [event for event in list(self.history) if isinstance(event, Measured)]
        return {side: [point for point in measured if point.side == side] for side in (RIGHT, BROKEN)}

    @property
    def findings(self) -> dict[str, float]:
        """The numbers that it has come to, by name; all of them when it is done."""
        return {event.name: event.value for event in list(self.history) if isinstance(event, Found)}
