"""The face of the package: what is public, and what importing it costs."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import mnist_core

PROMISED = [
    "load_mnist",
    "Digits",
    "MODELS",
    "build_model",
    "TrainConfig",
    "RECIPES",
    "BatchDone",
    "EpochDone",
    "Evaluation",
    "train_step",
    "train_epoch",
    "train",
    "evaluate",
    "prepare",
    "Prepared",
    "classify",
    "Prediction",
    "load_model",
    "save_weights",
    "load_weights",
    "TrainingRun",
]


def names_for_type_checkers() -> dict[str, str]:
    """Each name that the package imports where type checkers read it, with its module."""
    tree = ast.parse(Path(mnist_core.__file__).read_text())
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_all_lists_exactly_the_names_that_the_package_gives() -> None:
    assert set(mnist_core.__all__) == names_for_type_checkers().keys()
    assert len(mnist_core.__all__) == len(set(mnist_core.__all__))
    assert set(mnist_core.__all__) <= set(dir(mnist_core))


@pytest.mark.parametrize(("name", "module"), names_for_type_checkers().items())
def test_a_name_means_the_same_to_python_as_to_type_checkers(name, module) -> None:
    assert getattr(mnist_core, name) is getattr(importlib.import_module(module), name)


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'train_stop'"):
        _ = mnist_core.train_stop


@pytest.mark.parametrize("name", PROMISED)
def test_every_promised_name_is_public(name: str) -> None:
    assert name in mnist_core.__all__
    assert hasattr(mnist_core, name)


@pytest.mark.parametrize("name", mnist_core.__all__)
def test_every_public_class_and_function_says_what_it_is_for(name: str) -> None:
    thing = getattr(mnist_core, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert thing.__doc__


def imported_by(run_python, code: str) -> set[str]:
    """What a fresh interpreter has imported when it has run this."""
    finished = run_python(f"import sys\n{code}\nprint(*sys.modules)")
    assert finished.returncode == 0, finished.stderr
    return set(finished.stdout.split())


def test_importing_all_names_imports_neither_streamlit_nor_torchvision(run_python) -> None:
    imported = imported_by(run_python, "from mnist_core import *")
    assert "torch" in imported
    assert not imported & {"streamlit", "torchvision", "mnist_ui"}


def test_what_needs_no_network_is_there_without_torch(run_python) -> None:
    code = "from mnist_core import prepare\nimport mnist_core.pictures, mnist_core.queries, mnist_core.server_settings"
    assert "torch" not in imported_by(run_python, code)


def test_no_module_of_the_core_mentions_streamlit_in_an_import() -> None:
    for file in Path(mnist_core.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] in ("streamlit", "mnist_ui") for name in names), file.name
