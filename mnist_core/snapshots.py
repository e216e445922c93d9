"""A network's weights from along the way of a run: few enough to keep, and how a network is made of them again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors.torch import load as load_safetensors
from torch import nn

from mnist_core.config import TrainConfig
from mnist_core.models import build_model

MOST_SNAPSHOTS, LARGEST_SNAPSHOTS = 32, 6 * 2**20  # kept in one series: how many, and bytes in all


@dataclass(frozen=True)
class Snapshot:
    """The weights of a run after `step` steps, as safetensors; `epoch` when that is the end of one, 0 the beginning."""

    step: int
    weights: bytes
    epoch: int | None = None


class Series:
    """Snapshots in the order of their steps: the newest, and of the older ones some, evenly spread, within bounds."""

    def __init__(self, largest: int = LARGEST_SNAPSHOTS) -> None:
        """An empty series that will hold at most so many bytes, but never fewer than two snapshots."""
        self._largest = largest
        self.newest: Snapshot | None = None
        self._kept: list[Snapshot] = []
        self._spacing = 1  # steps between those that are kept

    def add(self, snapshot: Snapshot) -> None:
        """Take in the newest."""
        self.newest = snapshot
        if self._kept and snapshot.step - self._kept[-1].step < self._spacing:
            return
        self._kept.append(snapshot)
        most = max(2, min(MOST_SNAPSHOTS, self._largest // len(snapshot.weights)))
        while len(self._kept) > most:
            self._kept = self._kept[::2]
            self._spacing = max(1, 2 * self._spacing, snapshot.step // most)

    @property
    def all(self) -> tuple[Snapshot, ...]:
        """The oldest first, which is the first that there was."""
        newest = self.newest
        return (*self._kept, *([newest] if newest and newest.step != self._kept[-1].step else []))


def thinned(snapshots: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
    """Every other one of several, counted from the last, so that it is among them."""
    return snapshots[::-1][::2][::-1]


def model_at(config: TrainConfig, snapshot: Snapshot, refill: nn.Module | None = None) -> nn.Module:
    """A frozen copy of a run's network as it was at a snapshot, in eval mode.

    Args:
        refill: such a copy that is no longer needed; takes the weights in, which is faster than a new one.
    """
    if refill is None:
        with torch.device("meta"):
            refill = build_model(config.model, **config.model_options)
    refill.load_state_dict(load_safetensors(snapshot.weights), assign=True)
    return refill.eval().requires_grad_(False)
