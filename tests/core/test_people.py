"""Digits that people drew, out of a file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from mnist_core.errors import DataError
from mnist_core.people import by_writers, read_people, render, scaled, writers_of
from mnist_core.pretrain import split_people

ONE = {"label": 1, "writer": "ann", "strokes": [[[100, 50], [100, 250]]]}
SEVEN = {"label": 7, "writer": "bob", "strokes": [[[0, 0], [50, 0], [20, 90]], [[10, 40], [40, 40]]], "no": 3}


@pytest.fixture
def strokes(tmp_path: Path):
    """strokes(described): a file with these digits."""

    def write(described: object) -> Path:
        path = tmp_path / "strokes.json.gz"
        path.write_bytes(gzip.compress(json.dumps(described).encode()))
        return path

    return write


def test_digits_are_read_with_their_writers_and_strokes(strokes) -> None:
    one, seven = read_people(strokes([ONE, SEVEN]))
    assert (one.label, one.writer, seven.label, seven.writer) == (1, "ann", 7, "bob")
    assert [stroke.tolist() for stroke in seven.strokes] == SEVEN["strokes"]


def test_digits_are_told_apart_by_writer(strokes) -> None:
    people = read_people(strokes([SEVEN, ONE, SEVEN]))
    assert writers_of(people) == ["ann", "bob"]
    assert [person.label for person in by_writers(people, ["bob"])] == [7, 7]


def test_no_writer_is_in_two_of_the_three_parts(strokes) -> None:
    people = read_people(strokes([{**ONE, "writer": f"w{number % 30:02}"} for number in range(60)]))
    parts = [{person.writer for person in part} for part in split_people(people)]
    assert [len(part) for part in parts] == [21, 3, 6]
    assert len(set.union(*parts)) == 30


def test_strokes_are_scaled_into_a_box_of_one_keeping_the_aspect(strokes) -> None:
    (seven,) = read_people(strokes([SEVEN]))
    points = np.concatenate(scaled(seven.strokes))
    assert points.min(axis=0) == pytest.approx([0, 0])
    assert points.max(axis=0) == pytest.approx([50 / 90, 1])


def test_a_digit_is_rendered_anew_in_every_copy(strokes) -> None:
    digits = render(read_people(strokes([ONE, SEVEN])), copies=3, seed=1)
    assert digits.labels.tolist() == [1, 7, 1, 7, 1, 7]
    assert len({image.numpy().tobytes() for image in digits.images}) == 6
    again = render(read_people(strokes([ONE, SEVEN])), copies=3, seed=1)
    assert (digits.images == again.images).all()


@pytest.mark.parametrize(
    "described",
    [
        [], {}, [3], [{}], "digits", None, [{**ONE, "label": 10}], [{**ONE, "label": "1"}], [{**ONE, "strokes": []}],
        [{**ONE, "strokes": [[]]}], [{**ONE, "strokes": [[[1, 2, 3]]]}], [{**ONE, "strokes": [[["a", "b"]]]}],
        [{**ONE, "strokes": [[[float("nan"), 1]]]}], [{"label": 1, "strokes": ONE["strokes"]}],
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_refused_by_name(strokes, described) -> None:
    with pytest.raises(DataError, match=r"strokes\.json\.gz"):
        read_people(strokes(described))


def test_a_missing_or_damaged_file_is_named(tmp_path: Path, strokes) -> None:
    with pytest.raises(DataError, match="nowhere"):
        read_people(tmp_path / "nowhere.json.gz")
    damaged = strokes([ONE])
    damaged.write_bytes(damaged.read_bytes()[:-12])
    with pytest.raises(DataError, match="damaged"):
        read_people(damaged)
    damaged.write_text("no gzip")
    with pytest.raises(DataError):
        read_people(damaged)
