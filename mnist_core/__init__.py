"""Digits, the networks that read them, and the training of those networks; nothing here knows of a page."""

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
