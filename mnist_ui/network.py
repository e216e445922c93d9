"""The network that answers, for whatever part of the page asks it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from torch import nn

from mnist_core.errors import WeightsError
from mnist_ui.language import _, _n
from mnist_ui.visitor import SHIPPED, Visitor


@dataclass(frozen=True, eq=False)
class Network:
    """The network that answers: its name, after how many steps of its run, and itself."""

    name: str
    step: int
    model: nn.Module

    def says(self) -> str:
        """Which it is, in words."""
        if self.name == SHIPPED:
            return _("The shipped network.")
        return _n("My network after {count} step.", "My network after {count:,} steps.", self.step)


def answering_network(visitor: Visitor) -> Network | None:
    """The network that answers the drawing; None, and a word about it on the page, when there is none."""
    try:
        return Network(*visitor.answering_model())
    except WeightsError as error:
        st.error(_("No network can answer. {error}", error=error.message))
        return None
