"""Labelled drawings collected in an SQLite file, by many threads and processes at once."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mnist_core.errors import StoreError
from mnist_core.messages import Message
from mnist_core.own_digits import LARGEST_PNG, OwnDigit, label_drawing
from mnist_core.own_store import PAGE, OwnStore, open_store

REPOSITORY = Path(__file__).parents[2]
ONE = label_drawing(np.full((30, 10), 255, np.uint8), 1)
BUSY_ENOUGH = 0.2  # seconds, in place of those that a visitor waits


def noise(seed: int, size: int = 20_000) -> OwnDigit:
    """A drawing that takes so many bytes; the store asks no more of a PNG than its size."""
    return OwnDigit(np.random.default_rng(seed).bytes(size), seed % 10)


def question(path: Path, text: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ein Ordner?#%41" / "class.sqlite"  # which are no special signs


def run_beside(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


# --- what it keeps ----------------------------------------------------------------------------------------------------


def test_drawings_stay_when_the_store_is_closed_and_opened_again(path: Path) -> None:
    drawn = [OwnDigit(ONE.png, label) for label in (3, 1, 3)]
    with open_store(path) as store:
        assert (list(store.all()), store.count()) == ([], 0)
        numbers = [store.add(one) for one in drawn]
        assert len(set(numbers)) == 3
    assert sorted(file.name for file in path.parent.iterdir()) == ["class.sqlite"]
    with open_store(path, create=False) as store:
        assert list(store.all()) == drawn
        assert store.counts() == (0, 1, 0, 2, 0, 0, 0, 0, 0, 0)
        assert store.relabel(numbers[0], 9)
        assert store.remove(numbers[1])
        assert not store.remove(numbers[1])
        assert not store.relabel(numbers[1], 2)
        assert list(store.all()) == [OwnDigit(ONE.png, 9), OwnDigit(ONE.png, 3)]


def test_it_is_one_file_with_a_wal_and_knows_nothing_but_picture_label_and_day(path: Path) -> None:
    before = datetime.now(UTC).date()
    with open_store(path) as store:
        store.add(ONE)
        after = datetime.now(UTC).date()
        assert question(path, "PRAGMA journal_mode") == [("wal",)]
        assert question(path, "PRAGMA user_version") == [(1,)]
        assert [row[1] for row in question(path, "PRAGMA table_info(own_digits)")] == ["id", "day", "label", "png"]
        ((day,),) = question(path, "SELECT day FROM own_digits")
        assert day in {before.isoformat(), after.isoformat()}


def test_the_number_of_a_removed_drawing_never_means_another(path: Path) -> None:
    with open_store(path) as store:
        first = store.add(ONE)
        store.remove(first)
    with open_store(path) as store:
        assert store.add(ONE) > first


def test_what_is_removed_is_no_longer_in_the_file(path: Path) -> None:
    secret = OwnDigit(b"to be forgotten " * 1000, 5)
    with open_store(path) as store:
        number = store.add(secret)
        store.add(ONE)
        store.remove(number)
        for file in path.parent.iterdir():  # the log beside it too, while the server goes on
            assert b"to be forgotten" not in file.read_bytes(), file.name
    assert b"to be forgotten" not in path.read_bytes()


@pytest.mark.parametrize(
    "own", [OwnDigit(ONE.png, 10), OwnDigit(ONE.png, -1), OwnDigit(ONE.png, None), OwnDigit(ONE.png, 1.5),
            OwnDigit(b"", 1), OwnDigit(bytes(LARGEST_PNG + 1), 1), OwnDigit("text", 1)],
)  # fmt: skip
def test_what_is_no_labelled_drawing_is_not_kept(own: OwnDigit, path: Path) -> None:
    with open_store(path) as store:
        number = store.add(ONE)
        with pytest.raises(StoreError, match="no drawing with a label from 0 to 9"):
            store.add(own)
        if own.png == ONE.png:
            with pytest.raises(StoreError, match="no drawing with a label from 0 to 9"):
                store.relabel(number, own.label)
        assert list(store.all()) == [ONE]


def test_reading_holds_a_hundred_drawings_and_keeps_nobody_waiting(path: Path) -> None:
    with open_store(path) as store:
        for seed in range(2 * PAGE + 50):
            store.add(noise(seed, 50))
        reader = store.all()
        list(islice(reader, PAGE + 1))
        store.add(noise(999, 50))
        store.remove(1)
        assert [own.png for own in reader] == [noise(seed, 50).png for seed in (*range(PAGE + 1, 2 * PAGE + 50), 999)]


class AnyUse(RuleBasedStateMachine):
    """Whatever is done to a store, it holds what a dict would hold."""

    @initialize()
    def begin(self) -> None:
        self.store = OwnStore(Path("memory"), in_memory())
        self.expected: dict[int, OwnDigit] = {}

    @rule(label=st.integers(0, 9))
    def add(self, label: int) -> None:
        self.expected[self.store.add(OwnDigit(ONE.png, label))] = OwnDigit(ONE.png, label)

    @rule(number=st.integers(0, 12), label=st.integers(0, 9))
    def relabel(self, number: int, label: int) -> None:
        assert self.store.relabel(number, label) == (number in self.expected)
        if number in self.expected:
            self.expected[number] = OwnDigit(ONE.png, label)

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.expected)))
        assert self.store.remove(number)
        del self.expected[number]

    @invariant()
    def it_holds_what_it_should(self) -> None:
        if hasattr(self, "store"):
            assert list(self.store.all()) == list(self.expected.values())
            labels = [one.label for one in self.expected.values()]
            assert self.store.counts() == tuple(labels.count(label) for label in range(10))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()


def in_memory() -> sqlite3.Connection:
    from mnist_core.own_store import SCHEMA

    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in SCHEMA:
        connection.execute(statement)
    return connection


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(max_examples=20, stateful_step_count=20)


# --- many at once -----------------------------------------------------------------------------------------------------


def test_threads_share_a_store(path: Path) -> None:
    failures: list[BaseException] = []

    def visit(number: int) -> None:
        try:
            for seed in range(20):
                added = store.add(OwnDigit(ONE.png, number % 10))
                store.counts()
                if seed % 4 == 0:
                    assert store.remove(added)
                elif seed % 4 == 1:
                    assert store.relabel(added, 9)
                assert len(list(islice(store.all(), 5))) > 0 or seed < 2
        except BaseException as failure:
            failures.append(failure)

    with open_store(path) as store:
        threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.counts() == (*[10] * 8, 0, 40)


COLLECT = """
import sys
from mnist_core.own_digits import OwnDigit
from mnist_core.own_store import open_store
print("ready", flush=True)
sys.stdin.readline()
with open_store(sys.argv[1]) as store:
    for number in range(50):
        store.add(OwnDigit(b"png", int(sys.argv[2])))
        store.counts()
print("done")
"""


def test_processes_share_a_store_that_all_of_them_make_at_once(path: Path) -> None:
    processes = [run_beside(COLLECT, path, label) for label in range(2)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            assert process.communicate(timeout=60) == ("done\n", "")
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    with open_store(path) as store:
        assert store.counts() == (50, 50, *[0] * 8)
    assert question(path, "PRAGMA integrity_check") == [("ok",)]


DIE = """
import os, sys
from mnist_core.own_digits import OwnDigit
from mnist_core.own_store import open_store
store = open_store(sys.argv[1])
for number in range(30):
    store.add(OwnDigit(b"png", 4))
os._exit(1)
"""


def test_a_server_that_is_killed_leaves_a_whole_store(path: Path) -> None:
    process = run_beside(DIE, path)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 1
    assert path.with_name("class.sqlite-wal").stat().st_size > 0
    with open_store(path) as store:
        assert store.counts()[4] == 30


# --- what can go wrong ------------------------------------------------------------------------------------------------


def cannot_be_opened(path: Path, words: str, **options: object) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        open_store(path, **options)
    assert isinstance(caught.value.args[0], Message)


@pytest.mark.parametrize("content", [b"words", b"PK\x03\x04" + bytes(5000), b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_database_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "class.sqlite"
    path.write_bytes(content)
    cannot_be_opened(path, "class.sqlite is no SQLite database, or it is damaged")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE own_digits (id INTEGER)", "something else than labelled drawings"),
        ("PRAGMA user_version = 1", "something else than labelled drawings"),
        ("PRAGMA application_id = 1", "something else than labelled drawings"),
        ("PRAGMA application_id = 0x64696769", "has the schema 0, but this program knows 1"),
    ],
)
def test_another_database_is_left_alone(statement: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "class.sqlite"
    question(path, statement)
    before = path.read_bytes()
    cannot_be_opened(path, words)
    assert path.read_bytes() == before


def test_a_store_of_a_later_version_is_left_alone(path: Path) -> None:
    open_store(path).close()
    question(path, "PRAGMA user_version = 2")
    cannot_be_opened(path, "has the schema 2, but this program knows 1")


def test_an_empty_file_becomes_a_store_but_a_missing_one_only_if_asked(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    open_store(tmp_path / "empty.sqlite").close()
    cannot_be_opened(tmp_path / "missing.sqlite", "There is no file .*missing.sqlite", create=False)
    cannot_be_opened(tmp_path, "cannot be used")
    cannot_be_opened(tmp_path / "empty.sqlite" / "class.sqlite", "class.sqlite cannot be used")
    assert [file.name for file in tmp_path.iterdir()] == ["empty.sqlite"]


READ_ONLY = """
import os, sys
from mnist_core.errors import StoreError
from mnist_core.own_store import open_store
if os.getuid() == 0:
    os.setuid(65534)  # root may write everywhere
try:
    open_store(sys.argv[1])
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs another user's rights")
def test_a_store_that_may_only_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "class.sqlite"
    open_store(path).close()
    temporary = Path(tempfile.gettempdir())
    for folder in (tmp_path, *(one for one in tmp_path.parents if temporary in one.parents)):
        folder.chmod(0o755)  # so that another user can come this far
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    printed, errors = run_beside(READ_ONLY, path).communicate(timeout=60)
    tmp_path.chmod(0o755)
    assert printed == "The database class.sqlite can only be read. Let its file and its folder be written.\n", errors


def test_a_full_store_keeps_what_it_has_and_goes_on_when_there_is_room(path: Path) -> None:
    with open_store(path, largest=400_000) as store:
        kept = []
        with pytest.raises(StoreError, match=r"class.sqlite is full, or its disk is\. No more drawings are kept"):
            kept.extend(store.add(noise(seed)) for seed in range(100))
        assert 10 < len(kept) < 20
        assert list(store.all()) == [noise(seed) for seed in range(len(kept))]
        assert store.remove(kept[1])
        assert store.relabel(kept[0], 9)
        store.add(noise(1))
        assert store.count() == len(kept)
    assert path.stat().st_size <= 400_000


FULL_DISK = """
import resource, signal, sys
from mnist_core.errors import StoreError
from mnist_core.own_digits import OwnDigit
from mnist_core.own_store import open_store
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
store = open_store(sys.argv[1])
kept = 0
try:
    while True:
        store.add(OwnDigit(bytes(20_000), 3))
        kept += 1
except StoreError as error:
    print(type(error.args[0]).__name__, error)
print(kept, store.count())
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_full_disk_is_an_error_and_loses_nothing(path: Path) -> None:
    printed, errors = run_beside(FULL_DISK, path).communicate(timeout=60)
    assert errors == ""
    first, second = printed.splitlines()
    assert re.match(r"Message The database class.sqlite .* its disk is", first)
    kept, counted = map(int, second.split())
    assert kept == counted > 5
    with open_store(path) as store:
        assert store.count() == kept
    assert question(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_others_do_not_let_go_of_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_core.own_store.WAIT_SECONDS", BUSY_ENOUGH)
    with open_store(path) as store:
        store.add(ONE)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"class.sqlite is in use by others\. Try again later"):
            store.add(ONE)
        cannot_be_opened(path, "class.sqlite is in use by others")
        assert store.counts()[1] == 1  # reading goes on
        other.execute("ROLLBACK")
        other.close()
        store.add(ONE)


def test_an_empty_file_that_others_do_not_let_go_of_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_core.own_store.WAIT_SECONDS", BUSY_ENOUGH)
    other = sqlite3.connect(tmp_path / "class.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    cannot_be_opened(tmp_path / "class.sqlite", "class.sqlite is in use by others")
    other.close()


def test_a_thread_that_does_not_let_go_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_core.own_store.WAIT_SECONDS", BUSY_ENOUGH)
    with open_store(path) as store:
        with store._lent(), pytest.raises(StoreError, match="in use by others"):
            store.add(ONE)
        store.add(ONE)


def test_a_closed_store_says_so(path: Path) -> None:
    store = open_store(path)
    store.close()
    with pytest.raises(StoreError, match=r"cannot be used .*closed"):
        store.count()
