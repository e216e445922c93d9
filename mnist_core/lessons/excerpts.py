"""The project's own functions and classes as text, with all that they need: what an exported script is made of."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import symtable
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

PACKAGE = "mnist_core"
ERRORS = f"{PACKAGE}.errors"
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Module:
    """A file of the package, read: its lines, what it defines, and what it imports, each by name.

    Attributes:
        imported: name -> the module that it comes from and its name there, "" for a module itself.
    """

    lines: tuple[str, ...]
    defined: Mapping[str, Definition]
    imported: Mapping[str, tuple[str, str]]


@functools.cache
def read_module(name: str) -> Module:
    """What the module of this name consists of."""
    text = Path(importlib.import_module(name).__file__ or "").read_text()
    defined: dict[str, Definition] = {}
    imported: dict[str, tuple[str, str]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name: (alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {alias.asname or alias.name: (node.module or "", alias.name) for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {part.id: node for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return Module(tuple(text.splitlines()), defined, imported)


class Excerpts:
    """Gathers definitions and what they use, each once, in an order in which Python can read them.

    The text is the source as it stands, but for three things that only the project needs: checks that do nothing but
    raise an error of its own, what the docstrings say of them, and methods that are left out.

    Args:
        instead: name -> the text that takes the place of a definition of this name.
    """

    def __init__(self, instead: Mapping[str, str] | None = None) -> None:
        self.imports: set[tuple[str, str, str]] = set()  # module, name there or "", name here
        self._instead = dict(instead or {})
        self._names: dict[tuple[str, str], str] = {}  # module and name there -> name here

    def take(self, thing: Any, without: Collection[str] = ()) -> str:
        """The text of a function or class, and before it what it needs and no earlier text has brought.

        Args:
            without: methods that are left out.
        """
        return "\n\n\n".join(self._gather(thing.__module__, thing.__name__, without))

    def take_entry(self, module_name: str, table: str, key: str) -> tuple[str, str]:
        """What the function under a key in a table of a module, such as OPTIMIZERS["adam"], returns.

        Returns:
            The definitions that it needs and no earlier text has brought, and the expression itself, in one line.
        """
        node = read_module(module_name).defined[table]
        entries = getattr(node, "value", None)
        assert isinstance(entries, ast.Dict)
        for found, made in zip(entries.keys, entries.values, strict=True):
            if isinstance(found, ast.Constant) and found.value == key and isinstance(made, ast.Lambda):
                own = {argument.arg for argument in made.args.args}
                expression = ast.unparse(made.body)
                needed = [self._gather(module_name, name) for name in names_used(expression) if name not in own]
                return "\n\n\n".join(text for texts in needed for text in texts), expression
        raise KeyError(f"{module_name}.{table} has no function written out under {key!r}")

    def _gather(self, module_name: str, name: str, without: Collection[str] = ()) -> Iterator[str]:
        module = read_module(module_name)
        if name in module.imported:
            source, there = module.imported[name]
            if source.startswith(PACKAGE):
                yield from self._gather(source, there)
            else:
                self.imports.add((source, there, name))
            return
        if name not in module.defined or (module_name, name) in self._names:
            return
        node = module.defined[name]
        for own in [other for other, one in module.defined.items() if one is node]:
            self._names[module_name, own] = self._free_name(own)
        text = self._instead.get(name) or definition_text(module, node, without)
        used = names_used(text)
        for one in used:
            yield from self._gather(module_name, one)
        yield renamed(text, {one: self._name_here(module_name, one) for one in {name, *used}})

    def _free_name(self, name: str) -> str:
        """A definition's own name, or when another module's has it already, the name with a number, from 2 on."""
        numbered = (f"{name}_{number}" for number in count(2))
        return next(free for free in chain([name], numbered) if free not in self._names.values())

    def _name_here(self, module_name: str, name: str) -> str:
        """What a name of a module is called in the text that has been gathered."""
        module = read_module(module_name)
        while name in module.imported and module.imported[name][0].startswith(PACKAGE):
            module_name, name = module.imported[name]
            module = read_module(module_name)
        return self._names.get((module_name, name), name)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A definition with other names in place of some: old -> new."""
    changed = {old: new for old, new in names.items() if old != new}
    if not changed:
        return text
    lines = [line.encode() for line in text.split("\n")]  # ast counts bytes
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name) and node.id in changed]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line, start = lines[node.lineno - 1], node.col_offset
        lines[node.lineno - 1] = line[:start] + changed[node.id].encode() + line[start + len(node.id.encode()) :]
    again = b"\n".join(lines).decode()
    return re.sub(
        r"^(def|class) (\w+)", lambda own: f"{own[1]} {changed.get(own[2], own[2])}", again, flags=re.MULTILINE
    )


def definition_text(module: Module, node: Definition, without: Collection[str] = ()) -> str:
    """A definition as it stands in its file, with the comment above it, less what only the project needs."""
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    while module.lines[first - 2].startswith("#"):
        first -= 1
    last = node.end_lineno or first
    lines = dict(enumerate(module.lines[first - 1 : last], start=first))
    for part in ast.walk(node):
        if is_guard(part, module) or (isinstance(part, ast.FunctionDef) and part is not node and part.name in without):
            leave_out(lines, part)
        if isinstance(part, ast.FunctionDef) and part.name.startswith("check_"):
            for statement in part.body[1:-1]:  # all but the docstring and what it returns
                leave_out(lines, statement)
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            shorten_docstring(lines, part)
    text = "\n".join(line for line in lines.values())
    return re.sub(r"\n{3,}", "\n\n", text).rstrip()


def is_guard(node: ast.AST, module: Module) -> bool:
    """Whether a statement only raises an error of the project on some condition, or calls a function that does."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
        return node.value.func.id.startswith("check_")
    return (
        isinstance(node, ast.If)
        and not node.orelse
        and isinstance(raised := node.body[-1], ast.Raise)
        and isinstance(raised.exc, ast.Call)
        and isinstance(raised.exc.func, ast.Name)
        and module.imported.get(raised.exc.func.id, ("",))[0] == ERRORS
    )


def leave_out(lines: dict[int, str], node: ast.AST) -> None:
    """Remove the lines of a statement; a method is one too."""
    assert isinstance(node, ast.stmt)
    for at in range(node.lineno, (node.end_lineno or node.lineno) + 1):
        lines.pop(at, None)


def shorten_docstring(lines: dict[int, str], node: ast.FunctionDef | ast.ClassDef) -> None:
    """Leave out what a docstring says of errors."""
    first = node.body[0]
    if not (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    ):
        return
    inside = range(first.lineno, first.end_lineno or first.lineno)  # all but the line that closes it
    starts = [at for at in inside if lines.get(at, "").strip() == "Raises:"]
    for at in range(starts[0], inside.stop) if starts else ():
        if not lines[at].strip():
            break
        del lines[at]
    while starts and not lines[starts[0] - 1].strip():
        del lines[starts[0] - 1]
        starts[0] -= 1
    if starts and starts[0] - 1 == first.lineno and lines.get(inside.stop, "").strip() == '"""':
        lines[first.lineno] += lines.pop(inside.stop).strip()


def names_used(text: str) -> list[str]:
    """The names that a definition takes from around it, in alphabetical order."""
    tables = [symtable.symtable(text, "definition", "exec")]
    used = {symbol.get_name() for symbol in tables[0].get_symbols() if symbol.is_referenced()}
    for table in tables:
        tables += table.get_children()
        used |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return sorted(used)


def import_text(imports: Collection[tuple[str, str, str]]) -> str:
    """Import statements, the standard library's first: (module, name there or "" for the module itself, name here)."""
    groups: list[list[str]] = [[], []]
    statements = {(module, "") if not there else (module, "from") for module, there, _ in imports}
    for module, kind in sorted(statements, key=lambda one: (one[1], one[0].lower())):
        names = [(there, here) for source, there, here in imports if source == module and bool(there) == bool(kind)]
        written = ", ".join(
            there if here == (there or module) else f"{there or module} as {here}"
            for there, here in sorted(names, key=lambda one: (not one[0].isupper(), not one[0][:1].isupper(), one[0]))
        )
        line = f"from {module} import {written}" if kind else f"import {written or module}"
        groups[module.split(".")[0] not in sys.stdlib_module_names].append(line)
    return "\n\n".join("\n".join(group) for group in groups if group)
