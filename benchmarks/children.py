"""A watch over a server's children that train: which core each has, how long it lives, what memory it takes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep

import psutil
from weighing import Scales

LOOK_EVERY, WEIGH_EVERY = 0.01, 0.3  # seconds; adding up the memory takes some milliseconds of the server's core


def children(process_id: int) -> list[int]:
    """The processes that a process has started and that are still known."""
    try:
        tasks = Path(f"/proc/{process_id}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has just ended
        return []


@dataclass
class Watch:
    """Binds every training child of a server to some cores as soon as it appears, and notes what it took.

    Attributes:
        life: seconds that each child lived. computing: of these, seconds on a core.
        scales: what server and children have weighed.
    """

    server: psutil.Process
    cores: Sequence[int]
    life: list[float] = field(default_factory=list)
    computing: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    scales: Scales = field(init=False)

    def __post_init__(self) -> None:
        self.scales = Scales(self.server)

    def run(self) -> None:
        """Look until `over`; for a thread of its own."""
        alive: dict[int, tuple[float, float]] = {}  # child: when it appeared, its seconds of computing
        weighed = 0.0
        while not self.over.is_set():
            seen = [child for parent in children(self.server.pid) for child in children(parent)]
            for child in seen:
                appeared, _ = alive.get(child, (perf_counter(), 0.0))
                if (spent := self.bind(child)) is not None:
                    alive[child] = (appeared, spent)
                elif child in alive:
                    self.bury(*alive.pop(child))
            for child in set(alive) - set(seen):
                self.bury(*alive.pop(child))
            if perf_counter() - weighed > WEIGH_EVERY:
                self.scales.weigh()
                weighed = perf_counter()
            sleep(LOOK_EVERY)

    def bind(self, child: int) -> float | None:
        """Bind all threads of a process; the seconds that it has computed, None when it has ended."""
        try:
            for task in Path(f"/proc/{child}/task").iterdir():
                os.sched_setaffinity(int(task.name), self.cores)
            process = psutil.Process(child)
            spent = process.cpu_times()
            return None if process.status() == psutil.STATUS_ZOMBIE else spent.user + spent.system
        except (OSError, psutil.Error):
            return None

    def bury(self, appeared: float, spent: float) -> None:
        """Note what an ended child took."""
        self.life.append(perf_counter() - appeared)
        self.computing.append(spent)
