"""Labelled drawings in an SQLite file, when the owner of the server wants them collected and their authors agree.

Of a drawing only the picture, its label and the day are kept: no name, no address, no time.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from mnist_core.errors import StoreError
from mnist_core.messages import Message, say
from mnist_core.own_digits import LARGEST_PNG, OwnDigit

LARGEST_STORE = 200_000_000  # bytes of the file: about a hundred thousand drawings
WAIT_SECONDS = 5.0  # for others who are writing
PAGE = 100  # drawings that are read at a time
MARK = 0x64696769  # "digi", by which SQLite's header tells that a file is ours
VERSION = 1  # of the schema
# AUTOINCREMENT: the id of a drawing that was removed must not come to mean somebody else's.
SCHEMA = (
    f"""
    CREATE TABLE own_digits (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        day TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
        label INTEGER NOT NULL CHECK (typeof(label) = 'integer' AND label BETWEEN 0 AND 9),
        png BLOB NOT NULL CHECK (typeof(png) = 'blob' AND length(png) BETWEEN 1 AND {LARGEST_PNG})
    )""",
    "CREATE INDEX own_digits_by_label ON own_digits (label)",  # counting need not read the pictures
    f"PRAGMA application_id = {MARK}",
    f"PRAGMA user_version = {VERSION}",
)


class OwnStore:
    """Labelled drawings in one SQLite file; any number of threads and processes may use it at once.

    Threads share one connection, which a lock lends to one of them at a time: each use takes about a millisecond, and
    the threads of a web server are too many and too short-lived to have one each. Processes are parted by SQLite.
    Made by `open_store`. Every method may raise a StoreError that says why the file could not be read or written.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    def add(self, own: OwnDigit) -> int:
        """Keep a labelled drawing; the number by which it can be relabelled and removed."""
        today = datetime.now(UTC).date().isoformat()
        cursor = self._run("INSERT INTO own_digits (day, label, png) VALUES (?, ?, ?)", today, own.label, own.png)
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def relabel(self, number: int, label: int) -> bool:
        """Give a drawing another label, 0..9; whether it was still there."""
        return self._run("UPDATE own_digits SET label = ? WHERE id = ?", label, number).rowcount == 1

    def remove(self, number: int) -> bool:
        """Remove a drawing and overwrite what it was; whether it was still there."""
        is_removed = self._run("DELETE FROM own_digits WHERE id = ?", number).rowcount == 1
        if is_removed:
            self._rows("PRAGMA wal_checkpoint(TRUNCATE)")  # or it would stay in the log until that is written over
        return is_removed

    def count(self) -> int:
        """How many drawings there are."""
        return sum(self.counts())

    def counts(self) -> tuple[int, ...]:
        """How many drawings there are of each label, 0..9: ten numbers."""
        found: dict[int, int] = dict(self._rows("SELECT label, count(*) FROM own_digits GROUP BY label"))
        return tuple(found.get(label, 0) for label in range(10))

    def all(self) -> Iterator[OwnDigit]:
        """Every drawing, the oldest first, a hundred in memory at a time; nobody waits until the last has been read."""
        last = 0
        while rows := self._rows("SELECT id, png, label FROM own_digits WHERE id > ? ORDER BY id LIMIT ?", last, PAGE):
            for number, png, label in rows:
                yield OwnDigit(png, label)
                last = number

    def close(self) -> None:
        """Give the file back; the store is of no more use."""
        with self._lent() as connection:
            connection.close()

    def __enter__(self) -> OwnStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """One statement that writes, carried out whole or not at all."""
        with self._lent() as connection:
            return connection.execute(statement, values)

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What one statement finds."""
        with self._lent() as connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone; what SQLite complains of comes out as a StoreError."""
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise StoreError(say("The database {name} is in use by others. Try again later.", name=self.path.name))
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise StoreError(explain(error, self.path)) from error
        finally:
            self._lock.release()


def open_store(path: Path | str, largest: int = LARGEST_STORE, create: bool = True) -> OwnStore:
    """The store in this file, which is made when it is not there.

    Args:
        largest: bytes that the file may grow to; then nothing more is kept. create: otherwise the file must be there.

    Raises:
        StoreError: the file is no such store, cannot be made, read or written, or is in use for too long.
    """
    path = Path(path)
    connection = None
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise StoreError(say("There is no file {path}. Check its name.", path=str(path)))
        connection = connect(path)
        make_or_check(connection, path)
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA max_page_count = {max(1, largest // page_size)}")
        connection.execute("PRAGMA synchronous = NORMAL")  # with a WAL a power cut costs the last drawings, no more
        connection.execute("PRAGMA secure_delete = ON")
    except (OSError, sqlite3.Error, StoreError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, StoreError):
            raise
        raise StoreError(explain(error, path)) from error
    return OwnStore(path, connection)


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the file, which comes into being if need be; every statement is carried out at once."""
    # ?mode=rwc: or SQLite would take a file that cannot be written for one that is only to be read.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rwc",
        uri=True,
        timeout=WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def make_or_check(connection: sqlite3.Connection, path: Path) -> None:
    """Make an empty file a store; of any other, make sure that it is one before anything in it is changed."""
    with transaction(connection, "DEFERRED"):
        check_kind(connection, path)
    if patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]) != "wal":
        raise StoreError(
            say("The database {name} cannot be shared where it lies. Put it on a disk of this machine.", name=path.name)
        )
    with transaction(connection, "IMMEDIATE"):  # which also tells at once when it cannot be written
        if check_kind(connection, path):  # asked again: another process may have been faster
            for statement in SCHEMA:
                connection.execute(statement)


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """All that is done meanwhile happens at one time, or not at all."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_kind(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether nothing is in the database yet; a StoreError when there is something else in it than a store."""
    tables, mark, version = (
        connection.execute(question).fetchone()[0]
        for question in ("SELECT count(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
    )
    if mark == MARK and version != VERSION:
        raise StoreError(
            say(
                "The database {name} has the schema {found}, but this program knows {known}. Give another file.",
                name=path.name,
                found=version,
                known=VERSION,
            )
        )
    if mark != MARK and (mark or version or tables):
        raise StoreError(
            say("The database {name} holds something else than labelled drawings. Give another file.", name=path.name)
        )
    return bool(mark != MARK)


def patiently(change: Callable[[], Any]) -> Any:
    """Do what SQLite refuses at once, without waiting, when the file is in use: try until WAIT_SECONDS are over."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return change()
        except sqlite3.OperationalError as error:
            if code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def code_of(error: BaseException) -> int:
    """SQLite's number for what went wrong, without the bits that tell more than anyone can act on."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def explain(error: Exception, path: Path) -> Message:
    """What is wrong with the file, and what to do; its folder is nobody's business."""
    name, why = path.name, error.strerror if isinstance(error, OSError) else str(error)
    code = code_of(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return say("The database {name} is in use by others. Try again later.", name=name)
    if code == sqlite3.SQLITE_FULL:
        return say("The database {name} is full, or its disk is. No more drawings are kept.", name=name)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return say("The database {name} can only be read. Let its file and its folder be written.", name=name)
    if code == sqlite3.SQLITE_IOERR:
        return say("The database {name} fails ({why}). Look whether its disk is full.", name=name, why=why)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return say("The file {name} is no SQLite database, or it is damaged. Give another file.", name=name)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return say("This is no drawing with a label from 0 to 9; it was not kept.")
    return say("The database {name} cannot be used ({why}). Check its name and its folder.", name=name, why=why)
