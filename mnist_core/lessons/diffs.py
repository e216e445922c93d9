"""Functions as their authors wrote them, read out of the files that run, and what is different between two of them."""

from __future__ import annotations

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

SAME, REMOVED, ADDED = " ", "-", "+"


def source_lines(function: Callable[..., Any]) -> list[str]:
    """The lines of a function, dedented and without its docstring."""
    source = textwrap.dedent(inspect.getsource(function))
    lines = source.splitlines()
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef)
    if ast.get_docstring(definition) is not None:
        docstring = definition.body[0]
        end = docstring.end_lineno or docstring.lineno
        # A blank line that follows belongs to the docstring too.
        end += end < len(lines) and not lines[end].strip()
        del lines[docstring.lineno - 1 : end]
    return lines


def compare_sources(right: Callable[..., Any], broken: Callable[..., Any]) -> list[tuple[str, str]]:
    """The lines of both functions as a unified diff shows them: SAME, REMOVED or ADDED, and the line."""
    before, after = source_lines(right), source_lines(broken)
    if before == after:
        return [(SAME, line) for line in before]
    all_lines = len(before) + len(after)  # so much context that nothing is left out
    diff = list(difflib.unified_diff(before, after, n=all_lines, lineterm=""))
    return [(line[0], line[1:]) for line in diff[3:]]  # without "---", "+++" and "@@"
