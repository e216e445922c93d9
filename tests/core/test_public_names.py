"""The face of the package: what is public, and what importing it costs."""

from __future__ import annotations

import ast
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


def imported_names() -> set[str]:
    tree = ast.parse(Path(mnist_core.__file__).read_text())
    return {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_all_lists_exactly_the_names_that_the_package_imports() -> None:
    assert set(mnist_core.__all__) == imported_names()
    assert len(mnist_core.__all__) == len(set(mnist_core.__all__))


@pytest.mark.parametrize("name", PROMISED)
def test_every_promised_name_is_public(name: str) -> None:
    assert name in mnist_core.__all__
    assert hasattr(mnist_core, name)


@pytest.mark.parametrize("name", mnist_core.__all__)
def test_every_public_class_and_function_says_what_it_is_for(name: str) -> None:
    thing = getattr(mnist_core, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert thing.__doc__


def test_importing_the_package_imports_neither_streamlit_nor_torchvision(run_python) -> None:
    finished = run_python(
        "import sys, mnist_core\n"
        "print([name for name in ('streamlit', 'torchvision', 'mnist_ui') if name in sys.modules])"
    )
    assert finished.stdout.strip() == "[]", finished.stderr


def test_no_module_of_the_core_mentions_streamlit_in_an_import() -> None:
    for file in Path(mnist_core.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] in ("streamlit", "mnist_ui") for name in names), file.name
