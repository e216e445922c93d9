"""The network that answers, for whatever part of the page asks it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from torch import nn

from mnist_core.errors import WeightsError
from mnist_ui.language import _, _n
from mnist_ui.visitor import MINE, SHIPPED, Visitor, shipped_reader


@dataclass(frozen=True, eq=False)
class Network:
    """The network that answers: its name, after how many steps of its run, itself, and the file it comes from."""

    name: str
    step: int
    model: nn.Module
    file: str = ""

    @property
    def reader(self) -> nn.Module:
        """What reads drawings: the network, or its quicker twin where there is one."""
        return shipped_reader() if self.name == SHIPPED else self.model

    def says(self) -> str:
        """Which it is, in words."""
        if self.name == SHIPPED:
            return _("The shipped network.")
        if self.file:
            return _("My network from the file `{file}`.", file=self.file)
        return _n("My network after {count} step.", "My network after {count:,} steps.", self.step)


def answering_network(visitor: Visitor) -> Network | None:
    """The network that answers the drawing; None, and a word about it on the page, when there is none."""
    try:
        name, step, model = visitor.answering_model()
    except WeightsError as error:
        st.error(_("No network can answer. {error}", error=error.message))
        return None
    return Network(name, step, model, visitor.opened.name if visitor.opened is not None and name == MINE else "")
