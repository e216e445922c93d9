"""Everything that strangers can send, made hostile by chance: is it read or refused, in bounded time and memory?

    python benchmarks/fuzz.py [--inputs 100000] [--seed 0] [--only NAME] [--at NUMBER]

Valid files and settings are changed by chance (tests/core/mutations.py) and fed to what reads them
(tests/core/fuzz_targets.py), each target in a process of its own. Printed for each: how many inputs were read and how
many refused, the seconds, the slowest input, and the peak memory beyond what reading valid files takes. The exit code
is 1 when something else than a refusal was raised, when an input took more than LONGEST_SECONDS, or when a target took
more than MOST_MEMORY. An input can be made again by its number: --only NAME --at NUMBER. Linux only: memory is read
from /proc.
"""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import random
import re
import sys
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, thread_time

REPOSITORY = Path(__file__).parents[1]
sys.path += [str(REPOSITORY), str(REPOSITORY / "tests" / "core")]

LONGEST_SECONDS = 2.0  # of a core, for one input
HUNG_SECONDS = 60  # the process is then ended, and tells where it was
MOST_MEMORY = 50 * 2**20  # bytes
WARMING = 300  # inputs that are fed in before memory is measured: what is imported and cached is no one's harm
# How many of a hundred inputs go to each target; the rest is shared by those that are not named.
SHARES = {"weights .pth": 18, "weights .safetensors": 18, "pictures": 18, "what the canvas sends": 12}


@dataclass(frozen=True)
class Result:
    """What became of a target's inputs: how many were read, the slowest one's number, bytes beyond the start."""

    inputs: int
    read: int
    seconds: float
    slowest: float
    slowest_at: int
    memory: int
    crashes: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing crashed, hung or grew."""
        return not self.crashes and self.slowest <= LONGEST_SECONDS and self.memory <= MOST_MEMORY


def status(field: str) -> int:
    """A size in bytes that the system knows of this process."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return 1024 * int(found[1])


def prepare_process(needs_page: bool) -> None:
    """One thread for torch; and where the page's modules are read with, the page drawn once."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", ResourceWarning)
    if needs_page:
        import logging

        from streamlit.testing.v1 import AppTest

        logging.disable(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=120).run()


def fuzz(name: str, inputs: int, seed: int) -> Result:
    """Feed so many inputs to a target."""
    from fuzz_targets import TARGETS

    target = TARGETS[name]
    prepare_process(target.needs_page)
    for number in range(WARMING):
        target.try_one(random.Random(f"warming {number}"))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start = status("VmRSS"), perf_counter()
    read, slowest, slowest_at, crashes = 0, 0.0, 0, []
    for number in range(inputs):
        faulthandler.dump_traceback_later(HUNG_SECONDS, exit=True)
        began = thread_time()
        try:
            read += target.try_one(random.Random(f"{seed} {number}"))
        except Exception:
            crashes.append(f"--only {name!r} --at {number}\n{traceback.format_exc(limit=-4)}")
        seconds = thread_time() - began
        if seconds > slowest:
            slowest, slowest_at = seconds, number
    faulthandler.cancel_dump_traceback_later()
    memory = max(0, status("VmHWM") - before)
    return Result(inputs, read, perf_counter() - start, slowest, slowest_at, memory, tuple(crashes))


def feed_one(name: str, seed: int, number: int) -> None:
    """Make one input again, and feed it in, for a look at what it does."""
    from fuzz_targets import TARGETS

    target = TARGETS[name]
    prepare_process(target.needs_page)
    print(repr(target.make(random.Random(f"{seed} {number}")))[:2000])
    print("read" if target.try_one(random.Random(f"{seed} {number}")) else "refused")


def divided(names: list[str], inputs: int) -> dict[str, int]:
    """How many of the inputs each target gets, all together at least so many."""
    shares = {name: SHARES.get(name, 0) for name in names}
    rest = (100 - sum(shares.values())) / max(1, sum(share == 0 for share in shares.values()))
    whole = sum(share or rest for share in shares.values())
    return {name: -int(-inputs * (share or rest) // whole) for name, share in shares.items()}


def run_target(name: str, inputs: int, seed: int) -> Result:
    """Fuzz a target in a process of its own; one that dies is a crash."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(fuzz, name, inputs, seed).result()
        except BrokenProcessPool:
            return Result(inputs, 0, 0.0, 0.0, 0, 0, ("the process has died, or was ended because an input hung",))


def main() -> int:
    """Fuzz all targets, or one; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="the name of one target")
    parser.add_argument("--at", type=int, help="the number of one of its inputs")
    arguments = parser.parse_args()
    if arguments.at is not None:
        feed_one(arguments.only, arguments.seed, arguments.at)
        return 0
    from fuzz_targets import TARGETS

    names = [arguments.only] if arguments.only else list(TARGETS)
    print(f"{'':28}{'inputs':>8}{'read':>8}{'seconds':>9}{'slowest':>10}{'memory':>9}")
    results = []
    for name, inputs in divided(names, arguments.inputs).items():
        result = run_target(name, inputs, arguments.seed)
        results.append(result)
        print(
            f"{name:28}{result.inputs:8,}{result.read:8,}{result.seconds:8.0f} s{1000 * result.slowest:7.0f} ms"
            f"{result.memory / 2**20:6.1f} MB  {'' if result.is_good else f'NOT GOOD, slowest is {result.slowest_at}'}",
            flush=True,
        )
        for crash in result.crashes[:3]:
            print(f"  {crash}", flush=True)
    print(f"{sum(result.inputs for result in results):,} inputs, {sum(len(r.crashes) for r in results)} crashes")
    return 0 if all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
