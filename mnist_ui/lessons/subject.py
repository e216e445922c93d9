"""What a lesson looks at: the drawing, and how heavy work on the network that answers keeps up with a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import streamlit as st
from torch import nn

from mnist_core import Prepared, prepare
from mnist_core.models import takes_colours
from mnist_ui.language import _
from mnist_ui.network import Network
from mnist_ui.visitor import Visitor

LARGEST_SHARE = 0.05  # of the time, that renewing a lesson during a run may take


def drawn_digit(visitor: Visitor, model: nn.Module) -> Prepared:
    """The drawing as the network sees it; of several digits side by side, the first."""
    parts = visitor.digits()
    return prepare(parts[0] if parts else visitor.drawing.picture, in_colour=takes_colours(model))


@dataclass(frozen=True, eq=False)
class Finding:
    """What was found out about a network.

    Attributes:
        subject: what else it is about. network: the network that was asked. result: what it is.
        seconds: how long it took. found_at: when it was ready, on the monotonic clock.
    """

    subject: Any
    network: Network
    result: Any
    seconds: float
    found_at: float


def keep_up(
    visitor: Visitor, lesson: str, subject: Any, network: Network, find: Callable[[nn.Module], Any], slot: Any
) -> Finding:
    """What `find` finds out about the network; during a run so seldom that it takes a twentieth of the time at most.

    The last finding is kept in the visitor's notes under the lesson's name: for as long as it is about the same subject
    and its network is no other run's, a run's newer weights may wait for their turn.

    Args:
        slot: where on the page it will be shown; meanwhile it says that there is something to wait for.
    """
    kept: Finding | None = visitor.notes.get(lesson)
    subject = (subject, network.name, visitor.own_network)
    same = kept is not None and kept.subject == subject
    if kept is not None and same:
        resting = visitor.is_training and monotonic() - kept.found_at < kept.seconds / LARGEST_SHARE
        if kept.network.model is network.model or resting:
            return kept
    start = monotonic()
    if same:  # it is there to be seen, only a little old
        result = find(network.model)
    else:
        with slot, st.spinner(_("Looking into the network ...")):
            result = find(network.model)
    now = monotonic()
    finding = visitor.notes[lesson] = Finding(subject, network, result, now - start, now)
    return finding
