"""Labelled drawings on the command line: out of a store into a zip, and to train and to test with."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mnist_core.data import Digits
from mnist_core.errors import DataError, DrawingError, StoreError
from mnist_core.own_digits import OwnDigit, as_digits
from mnist_core.own_store import LARGEST_STORE, open_store
from mnist_core.own_zip import unzip_digits, write_zip

LARGEST_ZIP = 2 * LARGEST_STORE  # bytes
MOST = 500_000  # drawings


def add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command `export`."""
    export = commands.add_parser("export", help="pack collected drawings", description=run_export.__doc__)
    export.set_defaults(run=run_export)
    export.add_argument("store", metavar="STORE", help="the SQLite file in which a server collected drawings")
    export.add_argument(
        "--out", default="digits.zip", metavar="FILE", help="a .zip file; replaced if there (%(default)s)"
    )


def add_own_argument(parser: argparse.ArgumentParser, use: str) -> None:
    """--own, and what becomes of the drawings."""
    parser.add_argument(
        "--own", action="append", default=[], metavar="FILE",
        help=f"labelled drawings, {use}: a zip from the page or of export, or a store; may be given several times",
    )  # fmt: skip


def run_export(command: argparse.Namespace) -> int:
    """Pack the labelled drawings that a server collected into a zip of PNGs with a CSV of their labels."""
    out = Path(command.out)
    if out.suffix.lower() != ".zip":
        raise StoreError(f"--out is {command.out!r}, but it must end in .zip.")
    with open_store(command.store, create=False) as store, written_whole(out) as file:
        count = write_zip(file, store.all())
        if not count:
            raise StoreError(f"The store {command.store} holds no drawing. Nothing was written.")
    print(f"{count:,} labelled drawings are in {out}.")
    return 0


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """An open file that takes the place of `path` when all has been written, and otherwise vanishes.

    Raises:
        StoreError: when it cannot be written.
    """
    unfinished = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            unfinished = Path(file.name)
            yield file
        unfinished.chmod(0o644)
        unfinished.replace(path)
        unfinished = None
    except OSError as error:
        raise StoreError(f"Nothing can be written to {path} ({error.strerror}). Change --out.") from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def load_own(names: list[str], colour: bool) -> Digits:
    """The drawings in all of these files, prepared; see `as_digits`. Says how many there are.

    Raises:
        DataError, DrawingError, StoreError: names the file that cannot be read, or holds nothing to read.
    """
    sets = [load_own_file(name, colour) for name in names]
    digits = sets[0]
    for others in sets[1:]:
        digits = digits.joined(others)
    return digits


def load_own_file(name: str, colour: bool) -> Digits:
    """The drawings in one file, prepared."""
    own = read_own(name)
    try:
        digits = as_digits(own, colour)
    except DrawingError as error:
        raise DrawingError(f"{name}: {error}") from error
    blank = len(own) - len(digits)
    if not len(digits):
        raise DataError(f"{name} holds no drawing in which anything can be read.")
    print(f"{name}: {len(digits):,} labelled drawings" + (f", {blank:,} blank ones left out" if blank else ""))
    return digits


def read_own(name: str) -> list[OwnDigit]:
    """The labelled drawings in a zip or in a store, whichever the file is."""
    path = Path(name)
    try:
        with path.open("rb") as file:
            start = file.read(16)
            if not start.startswith(b"SQLite format 3"):
                content = start + file.read(LARGEST_ZIP)  # a few bytes more than are taken
                return unzip_digits(content, MOST, LARGEST_ZIP)
    except OSError as error:
        raise DataError(f"The drawings {name} cannot be read ({error.strerror}). Check the name.") from error
    except DrawingError as error:
        raise DrawingError(f"{name}: {error}") from error
    with open_store(path, create=False) as store:
        return list(store.all())
