"""Digits, the networks that read them, and the training of those networks; nothing here knows of a page.

A public name is imported when it is first asked for: PyTorch takes a second, and not all that is here needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_core.config import RECIPES, TrainConfig
    from mnist_core.data import Digits, load_digits, load_mnist, make_loader
    from mnist_core.drawing import Prepared, prepare
    from mnist_core.models import MODELS, build_model
    from mnist_core.prediction import Prediction, classify
    from mnist_core.runs import TrainingRun
    from mnist_core.segmentation import Reading, read_number
    from mnist_core.training import BatchDone, EpochDone, Evaluation, evaluate, train, train_epoch, train_step
    from mnist_core.weights import load_model, load_weights, save_weights

__all__ = [
    "MODELS",
    "RECIPES",
    "BatchDone",
    "Digits",
    "EpochDone",
    "Evaluation",
    "Prediction",
    "Prepared",
    "Reading",
    "TrainConfig",
    "TrainingRun",
    "build_model",
    "classify",
    "evaluate",
    "load_digits",
    "load_mnist",
    "load_model",
    "load_weights",
    "make_loader",
    "prepare",
    "read_number",
    "save_weights",
    "train",
    "train_epoch",
    "train_step",
]

# module -> what it gives to the public, as imported above for type checkers
_PUBLIC = {
    "config": ("RECIPES", "TrainConfig"),
    "data": ("Digits", "load_digits", "load_mnist", "make_loader"),
    "drawing": ("Prepared", "prepare"),
    "models": ("MODELS", "build_model"),
    "prediction": ("Prediction", "classify"),
    "runs": ("TrainingRun",),
    "segmentation": ("Reading", "read_number"),
    "training": ("BatchDone", "EpochDone", "Evaluation", "evaluate", "train", "train_epoch", "train_step"),
    "weights": ("load_model", "load_weights", "save_weights"),
}
_HOMES = {name: module for module, names in _PUBLIC.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
