"""Colour digits: what the training images then look like."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray

from mnist_core import TrainConfig, load_mnist
from mnist_core.config import random_changes
from mnist_core.data import COLOUR_MEAN, COLOUR_STD, normalize
from mnist_core.drawing import Picture
from mnist_ui.film import data_url
from mnist_ui.language import _

ROWS, COLUMNS = 2, 8  # of the examples
EXAMPLES_STYLE = """<style>
.examples { width: 100%; border-radius: 6px; display: block; }
</style>"""


def show(config: TrainConfig) -> None:
    """A few training images as a run with this configuration may see them."""
    words = _("{count} of the training images; their colours are new each time.", count=ROWS * COLUMNS)
    picture = data_url(side_by_side(example_images(config)), largest=3 * 32 * COLUMNS)
    st.html(f'{EXAMPLES_STYLE}<img class="examples" src="{picture}" alt="{words}"/>')
    st.caption(words)


def example_images(config: TrainConfig) -> NDArray[np.uint8]:
    """The first training images, changed at random as in training: (N, 32, 32, 3) uint8."""
    change = random_changes(config)
    assert change is not None
    images = change(normalize(first_training_images())) * COLOUR_STD + COLOUR_MEAN  # (N, 3, 32, 32) float32 0..1
    return (255 * images).round().byte().permute(0, 2, 3, 1).numpy()


@st.cache_resource(show_spinner=False)
def first_training_images() -> torch.Tensor:
    """A few of MNIST's training images, one copy for all visitors: (N, 1, 28, 28) uint8."""
    return load_mnist("train").images[: ROWS * COLUMNS].clone()  # the rest is let go


def side_by_side(images: NDArray[np.uint8]) -> Picture:
    """Images (ROWS * COLUMNS, H, W, 3) in rows, as one three times as large."""
    _count, height, width, channels = images.shape
    rows = images.reshape(ROWS, COLUMNS, height, width, channels).swapaxes(1, 2)  # (R, H, C, W, 3)
    return rows.reshape(ROWS * height, COLUMNS * width, channels).repeat(3, axis=0).repeat(3, axis=1)
