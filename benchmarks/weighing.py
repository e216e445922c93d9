"""What a server and all that it has started take: memory and time on the cores, from /proc; Linux only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import psutil

MIB = 2**20
SERVER, FORKING, CHILDREN = "server", "fork server", "children"
ROLES = (SERVER, FORKING, CHILDREN)


@dataclass(frozen=True)
class Weight:
    """The memory at a moment, in bytes by role.

    Attributes:
        rss: as the system counts it for each process. pss: what several share divided among them, so that it adds up;
            with what other programs share of the machine's libraries, they lower it. uss: what is not shared at all.
        children: how many trainings there were.
    """

    rss: dict[str, int]
    pss: dict[str, int]
    uss: dict[str, int]
    children: int

    @property
    def whole(self) -> int:
        """PSS of all processes together."""
        return sum(self.pss.values())

    @property
    def unshared(self) -> int:
        """USS of all processes together."""
        return sum(self.uss.values())

    def __str__(self) -> str:
        parts = [f"{role} {self.rss[role] / MIB:5.0f} / {self.pss[role] / MIB:5.0f}" for role in ROLES]
        together = f"together {self.whole / MIB:5.0f}, unshared {self.unshared / MIB:5.0f}"
        return f"{', '.join(parts)} ({self.children}), {together}"


class Scales:
    """Weighs a server now and then.

    Attributes:
        weights: all so far.
    """

    def __init__(self, server: psutil.Process) -> None:
        self.weights: list[Weight] = []
        self._server = server
        self._spent: dict[int, tuple[str, float]] = {}  # process: its role, and its seconds on a core

    def weigh(self) -> Weight:
        """The memory now."""
        rss, pss, uss = (dict.fromkeys(ROLES, 0) for _ in range(3))
        children = 0
        for role, process in self._family():
            try:
                memory, times = process.memory_full_info(), process.cpu_times()
            except psutil.Error:  # it has just ended
                continue
            rss[role] += memory.rss
            pss[role] += memory.pss
            uss[role] += memory.uss
            children += role == CHILDREN
            self._spent[process.pid] = role, times.user + times.system
        weight = Weight(rss, pss, uss, children)
        self.weights.append(weight)
        return weight

    def _family(self) -> list[tuple[str, psutil.Process]]:
        """The server, the processes that it started, and those that these forked."""
        try:
            descendants = self._server.children(recursive=True)
            forking = {one.pid for one in descendants if one.ppid() == self._server.pid}
        except psutil.NoSuchProcess:  # one has ended in between
            return self._family()
        family = [(FORKING if one.pid in forking else CHILDREN, one) for one in descendants]
        return [(SERVER, self._server), *family]

    def spent(self, role: str) -> float:
        """The seconds on a core of all processes of this role, as far as they were weighed."""
        return sum(seconds for known, seconds in self._spent.values() if known == role)

    async def keep_weighing(self, every: float) -> None:
        """Weigh so often, in seconds, until cancelled."""
        while True:
            self.weigh()
            await asyncio.sleep(every)
