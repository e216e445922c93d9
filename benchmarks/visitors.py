"""A class on the page: many visitors at once who draw, train, reload, lock their phones, come and go.

    python benchmarks/visitors.py [--visitors 30] [--browsers 2] [--minutes M] [--kept SECONDS]

Starts a server of its own. Most visitors are real websocket sessions (tabs.py), which give the server the work that a
browser's tab does; a few are real browsers. Who does what when is decided by the visitors' numbers alone (lives.py).
Without --minutes everybody comes once, within --arrival seconds; with it, whoever leaves makes room for a newcomer, for
so many minutes, and the memory is told every minute. Printed are stroke-to-answer times (without the 200 ms that a
browser's canvas itself waits), the time from Train to the first step, what became of every run, errors, and the memory:
before anybody came, when the first few had come and gone (so that all is imported), with everybody, at its peak, and
when all are forgotten, which is to be as after the first few. The exit code is 1 when a goal is missed. The clients
share the machine with the server: what they took of it is printed too. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import psutil
import torch
from streamlit import __version__ as st_version

REPOSITORY = Path(__file__).parents[1]
sys.path += [str(REPOSITORY), str(REPOSITORY / "tests" / "browser")]
from in_use import CANVAS_WAITS  # noqa: E402
from lives import DEEDS, EVERY_IMAGE, LEFT, Notes, Visit  # noqa: E402
from playground import Server, find_browser  # noqa: E402
from weighing import ROLES, SERVER, Scales, Weight  # noqa: E402
from witnesses import Witnesses  # noqa: E402

from mnist_core.devices import cpu_name  # noqa: E402
from mnist_core.server_settings import PREFIX  # noqa: E402

NICENESS = 5
GRACE_SECONDS = 15  # that the server lets a run go on without its page: longer than phones are locked here
FOUND_AGAIN = ("done", "stopped", LEFT)
WEIGH_EVERY = 2.0  # seconds
PAUSE = (0.5, 4.0)  # seconds between one who leaves and the next
LONGEST_ANSWER = 1.0  # seconds: 95 of 100 strokes are answered sooner
GIVEN_BACK, GROWTH = 1.05, 1.05  # how much more memory than at the start counts as none
WHOLE = 10**9  # bytes of memory, with PyTorch's CPU wheel


def percentile(values: list[float], share: float) -> float:
    """The value that a share 0..1 of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def tell(name: str, values: list[float]) -> None:
    """Print how seconds are spread."""
    if not values:
        print(f"  {name}: none")
        return
    middle, most = statistics.median(values), max(values)
    print(
        f"  {name}: median {middle:.2f} s, 95 % {percentile(values, 0.95):.2f} s, longest {most:.2f} s of {len(values)}"
    )


async def stay_once(url: str, arguments: argparse.Namespace, notes: Notes) -> None:
    """All come, one after the other within the time of arrival, and go."""

    async def come(number: int) -> None:
        await asyncio.sleep(arguments.arrival * number / arguments.visitors)
        await Visit(url, number, arguments.images, notes).live()

    await asyncio.gather(*(come(number) for number in range(1, arguments.visitors + 1)))


async def come_and_go(url: str, arguments: argparse.Namespace, notes: Notes) -> None:
    """So many places, each taken by one visitor after the other, until the time is over and the last ones have gone."""
    end = perf_counter() + 60 * arguments.minutes

    async def fill(place: int) -> None:
        number = place
        await asyncio.sleep(arguments.arrival * place / arguments.visitors)
        while perf_counter() < end:
            await Visit(url, number, arguments.images, notes).live()
            number += arguments.visitors
            await asyncio.sleep(PAUSE[0] + (number * 0.37) % (PAUSE[1] - PAUSE[0]))

    await asyncio.gather(*(fill(place) for place in range(1, arguments.visitors + 1)))


async def print_minutes(scales: Scales, notes: Notes) -> None:
    """A line on the memory every minute, until cancelled."""
    minute = 0
    while True:
        await asyncio.sleep(60)
        minute += 1
        print(f"  minute {minute}: {scales.weights[-1]}; {notes.visits} visits, {notes.runs['done']} runs", flush=True)


def growth(weights: list[Weight]) -> float:
    """How much more the server takes in the last quarter of the time than in the second one: 1 is no growth."""
    sizes = [weight.uss[SERVER] for weight in weights]
    quarter = max(1, len(sizes) // 4)
    return statistics.median(sizes[-quarter:]) / statistics.median(sizes[quarter : 2 * quarter] or sizes)


def clients_spent() -> dict[str, float]:
    """The seconds on a core of the websocket sessions, which are this process, and of the browsers that are there."""
    myself = psutil.Process()
    times = myself.cpu_times()
    spent = {"sessions": times.user + times.system, "browsers": 0.0}
    for one in myself.children(recursive=True):
        with suppress(psutil.Error):
            if one.name().startswith(("chrom", "google", "node")):
                times = one.cpu_times()
                spent["browsers"] += times.user + times.system
    return spent


@dataclass
class Crowd:
    """The measurement: what it found on the way.

    Attributes:
        first: the memory before anybody came. start: when the first few had come and gone, so that all is imported.
        during: while people were there. after: when all are forgotten. shares: of a core, by who took it.
    """

    arguments: argparse.Namespace
    server: Server
    scales: Scales
    notes: Notes = field(default_factory=Notes)
    during: list[Weight] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    async def gather(self) -> None:
        """Let everybody come and go."""
        arguments = self.arguments
        forgotten_after = arguments.kept + GRACE_SECONDS + 5
        self.first = self.scales.weigh()
        first = Notes()
        await asyncio.gather(*(Visit(self.server.url, at, arguments.images, first).live() for at in range(len(DEEDS))))
        await asyncio.sleep(forgotten_after)
        self.start = self.scales.weigh()
        print(f"before anybody came:     {self.first}\nafter the first few:     {self.start}", flush=True)

        already = len(self.scales.weights)
        spent_before, began = self._spent(), perf_counter()
        tasks = [asyncio.create_task(self.scales.keep_weighing(WEIGH_EVERY))]
        tasks.append(asyncio.create_task(print_minutes(self.scales, self.notes)))
        witnesses = Witnesses(self.server, arguments.browsers, self.notes)
        witnesses.start()
        await (come_and_go if arguments.minutes else stay_once)(self.server.url, arguments, self.notes)
        witnesses.over.set()
        self.seconds = perf_counter() - began
        self.shares = {name: (spent - spent_before[name]) / self.seconds for name, spent in self._spent().items()}
        await asyncio.to_thread(witnesses.join)
        for task in tasks:
            task.cancel()
        self.during = self.scales.weights[already:]
        await asyncio.sleep(forgotten_after)
        self.after = self.scales.weigh()

    def _spent(self) -> dict[str, float]:
        return clients_spent() | {role: self.scales.spent(role) for role in ROLES}

    def report(self) -> list[str]:
        """Print all; returns the goals that were missed."""
        notes, answers = self.notes, self.notes.answers + self.notes.busy_answers
        by_size = sorted(self.during, key=lambda weight: weight.whole)
        errors = notes.errors + [f"server: {line}" for line in self.server.complaints()]
        ratio, peak = self.after.unshared / self.start.unshared, by_size[-1]
        print(f"1. {notes.visits} visits in {self.seconds:.0f} s")
        print("  of a core: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in self.shares.items()))
        print("  runs: " + ", ".join(f"{count} {how}" for how, count in notes.runs.items()))
        tell("from Train to the first step, the queue with it", notes.waits)
        print("2. from a stroke to its answer")
        tell("all", answers)
        tell("of these, while a run of one's own goes on or waits", notes.busy_answers)
        tell(f"in the browsers, beyond the {CANVAS_WAITS} ms that the canvas waits", notes.seen_answers)
        print(
            f"3. memory with torch for {torch.version.cuda or 'the CPU'}, RSS / PSS in MiB; PSS divides what is shared"
        )
        named = {"before anybody came": self.first, "after the first few": self.start}
        named |= {"with everybody, median": by_size[len(by_size) // 2], "peak": peak, "after all had left": self.after}
        for name, weight in named.items():
            print(f"  {name:23}: {weight}")
        print(f"  after all had left, compared with after the first few, unshared: {ratio:.3f}")
        print(f"4. errors: {len(errors)}", *errors[:20], sep="\n    ")
        missed = {
            f"95 % of the answers within {LONGEST_ANSWER:.0f} s": too_late(answers),
            "the same in the browsers": too_late(notes.seen_answers),
            "no error": bool(errors),
            "no run lost": notes.runs["pressed"] != sum(notes.runs[how] for how in FOUND_AGAIN),
            f"memory back to within {100 * (GIVEN_BACK - 1):.0f} %": ratio > GIVEN_BACK,
            "under 1 GB with the CPU wheel": torch.version.cuda is None and peak.whole > WHOLE,
        }
        if self.arguments.minutes:
            grown = growth(self.during)
            print(f"5. memory of the server, last quarter of the time compared with the second: {grown:.3f}")
            missed["no growth"] = grown > GROWTH
        return [goal for goal, is_missed in missed.items() if is_missed]


def too_late(answers: list[float]) -> bool:
    """Whether more than 5 of 100 answers took too long."""
    return bool(answers) and percentile(answers, 0.95) > LONGEST_ANSWER


def main() -> None:
    """Start a server, let them come, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=30, help="websocket sessions at a time")
    parser.add_argument("--browsers", type=int, default=2, help="real browsers besides")
    parser.add_argument("--minutes", type=float, default=0, help="of coming and going; 0: everybody comes once")
    parser.add_argument("--arrival", type=float, default=15, help="seconds within which the first ones come")
    parser.add_argument("--images", type=int, default=EVERY_IMAGE, help="that a run learns from")
    parser.add_argument(
        "--kept", type=int, default=20, help="seconds for which the server keeps what a visitor has left"
    )
    arguments = parser.parse_args()
    if arguments.browsers and find_browser() is None:
        raise SystemExit("No Chromium is installed (Debian: apt install chromium); go without with --browsers 0.")
    sooner = {"grace_seconds": GRACE_SECONDS, "kept_seconds": arguments.kept}
    environment = {PREFIX + name.upper(): str(seconds) for name, seconds in sooner.items()}
    print(f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}, Streamlit {st_version}")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder, "log"), **environment)
        try:
            process = next(one for one in psutil.Process().children() if "streamlit" in one.cmdline())
            os.nice(NICENESS)  # the clients', so that they take from the server what is left over
            crowd = Crowd(arguments, server, Scales(process))
            asyncio.run(crowd.gather())
            missed = crowd.report()
        finally:
            server.stop()
    for goal in missed:
        print(f"MISSED: {goal}")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
