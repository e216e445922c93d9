"""MNIST's test images, which no network here has learnt from, one copy for all visitors: they are only ever read."""

from __future__ import annotations

import streamlit as st
from torch import nn

from mnist_core import Digits, load_mnist
from mnist_core.colour import coloured
from mnist_core.models import takes_colours


@st.cache_resource(show_spinner=False)
def test_digits() -> Digits:
    """MNIST's test set, one for all visitors: it is only ever read."""
    return load_mnist("test")


@st.cache_resource(show_spinner=False)
def coloured_test_digits() -> Digits:
    """The same in the colours that networks for colours are tested with, one for all visitors too."""
    return coloured(test_digits())


def test_digits_for(model: nn.Module) -> Digits:
    """MNIST's test set as this network reads it: grey, or in colour."""
    return coloured_test_digits() if takes_colours(model) else test_digits()
