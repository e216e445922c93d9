"""What is different between two functions."""

from __future__ import annotations

import inspect

import pytest

from mnist_core import train_step
from mnist_core.lessons.broken_steps import forgot_zero_grad
from mnist_core.lessons.diffs import ADDED, REMOVED, SAME, compare_sources, source_lines
from mnist_core.lessons.experiments import EXPERIMENTS


def with_one_line() -> int:
    """What it does."""
    return 1


def with_a_long_docstring() -> int:
    """What it does.

    Args:
        none.
    """

    return 1


def without_a_docstring() -> int:
    return "not a docstring" and 1


@pytest.mark.parametrize("function", [with_one_line, with_a_long_docstring])
def test_a_docstring_is_left_out(function) -> None:
    assert source_lines(function) == [f"def {function.__name__}() -> int:", "    return 1"]


def test_without_a_docstring_all_is_there() -> None:
    assert source_lines(without_a_docstring) == inspect.getsource(without_a_docstring).splitlines()


def test_the_missing_line_is_the_one_that_is_marked() -> None:
    diff = compare_sources(train_step, forgot_zero_grad)
    changed = [(mark, line) for mark, line in diff if mark != SAME]
    assert changed == [
        (REMOVED, "def train_step("),
        (ADDED, "def forgot_zero_grad("),
        (REMOVED, "    optimizer.zero_grad()"),
    ]


def test_a_function_next_to_itself_has_no_mark() -> None:
    assert compare_sources(with_one_line, with_one_line) == [(SAME, line) for line in source_lines(with_one_line)]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_both_functions_can_be_put_together_again_from_the_diff(name) -> None:
    right, broken = EXPERIMENTS[name].right, EXPERIMENTS[name].broken
    diff = compare_sources(right, broken)
    assert [line for mark, line in diff if mark != ADDED] == source_lines(right)
    assert [line for mark, line in diff if mark != REMOVED] == source_lines(broken)
