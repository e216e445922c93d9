"""What the owner of a server decides for all of its visitors, in environment variables."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnist_core.errors import ConfigError
from mnist_core.messages import Message, say
from mnist_core.processor import cpu_cores

PREFIX = "DIGIT_PLAYGROUND_"
NO_LIMIT = "none"
YES_NO = {"1": True, "yes": True, "true": True, "on": True, "0": False, "no": False, "false": False, "off": False}


def default_runs() -> int:
    """How many trainings go on at a time: one for every two cores, and at least one."""
    return max(1, cpu_cores() // 2)


@dataclass(frozen=True)
class ServerSettings:
    """What the visitors of a server may do; None is no limit, or none of it.

    Attributes:
        public: strangers come: where nothing else is said, the values of PUBLIC hold.
        runs: how many trainings and experiments go on at a time; the others wait in a queue.
        grace_seconds: so long a run goes on without its visitor's page.
        kept_seconds: so long a drawing and a finished run wait for their visitor's return.
        epochs, batch_size, train_images, made_digits, non_digits: the most that a run may have of each.
        parameters: the most weights that a network may have.
        run_seconds: how long a run may take, pauses included.
        run_bytes: the memory that a run may take besides what it shares with the server; kept on Linux.
        kept_runs: how many of a visitor's last runs are kept to compare.
        kept_weights: bytes of older weights that are kept of a run, and of all the runs before it.
        upload_bytes: of one file that a visitor sends.
        own_digits: how many labelled drawings a visitor may gather.
        store: the SQLite file that labelled drawings go into if their visitor agrees.
        scheduler: the address of the Dask scheduler that runs are sent to, in place of this machine's own processes.
    """

    public: bool = False
    runs: int = field(default_factory=default_runs)
    grace_seconds: float = 30.0
    kept_seconds: float = 600.0
    epochs: int | None = None
    batch_size: int | None = None
    train_images: int | None = None
    made_digits: int | None = None
    non_digits: int | None = None
    parameters: int | None = None
    run_seconds: int | None = None
    run_bytes: int | None = None
    kept_runs: int = 10
    kept_weights: int = 6 * 2**20
    upload_bytes: int = 10_000_000
    own_digits: int = 1000
    store: Path | None = None
    scheduler: str | None = None


PUBLIC: dict[str, Any] = {
    "epochs": 10,
    "batch_size": 500,
    "train_images": 60_000,
    "made_digits": 5000,
    "non_digits": 5000,
    "parameters": 500_000,
    "run_seconds": 180,
    "run_bytes": 300_000_000,
    "kept_runs": 4,
    "kept_weights": 2 * 2**20,
    "upload_bytes": 8_000_000,
    "own_digits": 200,
}


def read_switch(text: str) -> bool:
    """Yes or no, or a LookupError."""
    return YES_NO[text.lower()]


def read_count(text: str) -> int:
    """A whole number from 1 on, or a ValueError."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def read_limit(text: str) -> int | None:
    """A whole number from 0 on, None for "none", or a ValueError."""
    if text.lower() == NO_LIMIT:
        return None
    if int(text) < 0:
        raise ValueError(text)
    return int(text)


def read_limit_from_one(text: str) -> int | None:
    """A whole number from 1 on, None for "none", or a ValueError."""
    return None if text.lower() == NO_LIMIT else read_count(text)


def read_seconds(text: str) -> float:
    """A time, or a ValueError."""
    if not 0 <= float(text) < float("inf"):
        raise ValueError(text)
    return float(text)


def read_text(text: str) -> str:
    """Whatever there is, as long as there is something; else a ValueError."""
    if not text:
        raise ValueError(text)
    return text


SWITCH = (read_switch, say("yes or no"))
COUNT = (read_count, say("a whole number from 1 on"))
LIMIT = (read_limit, say("a whole number from 0 on, or none"))
LEAST_ONE = (read_limit_from_one, say("a whole number from 1 on, or none"))
SECONDS = (read_seconds, say("a number of seconds, 0 or more"))
TEXT = (read_text, say("a text that is not empty"))

# field -> how the text of its variable is read, and what it must be
KINDS: dict[str, tuple[Callable[[str], Any], Message]] = {
    "public": SWITCH,
    "runs": COUNT,
    "grace_seconds": SECONDS,
    "kept_seconds": SECONDS,
    "epochs": LEAST_ONE,
    "batch_size": LEAST_ONE,
    "train_images": LEAST_ONE,
    "made_digits": LIMIT,
    "non_digits": LIMIT,
    "parameters": LEAST_ONE,
    "run_seconds": LEAST_ONE,
    "run_bytes": LEAST_ONE,
    "kept_runs": COUNT,
    "kept_weights": COUNT,
    "upload_bytes": COUNT,
    "own_digits": COUNT,
    "store": (lambda text: Path(read_text(text)), TEXT[1]),
    "scheduler": TEXT,
}


def read_settings(environment: Mapping[str, str]) -> ServerSettings:
    """The settings that an environment holds: `public` in DIGIT_PLAYGROUND_PUBLIC, and so on.

    Raises:
        ConfigError: names the variable that is not known, or whose value makes no sense.
    """
    fields = {PREFIX + name.upper(): name for name in KINDS}
    given: dict[str, Any] = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX):
            continue
        if variable not in fields:
            raise ConfigError(variable, value, say("left out: the settings are {names}", names=", ".join(fields)))
        read, kind = KINDS[fields[variable]]
        try:
            given[fields[variable]] = read(value.strip())
        except (ValueError, LookupError) as error:
            raise ConfigError(variable, value, kind) from error
    return ServerSettings(**{**(PUBLIC if given.get("public") else {}), **given})


@functools.cache
def server_settings() -> ServerSettings:
    """The settings of this server, read once.

    Raises:
        ConfigError: as `read_settings` does.
    """
    return read_settings(os.environ)
