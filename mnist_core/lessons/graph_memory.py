"""How much memory autograd holds on to."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks


class HeldForBackward(saved_tensors_hooks):
    """Counts the bytes that autograd keeps for a backward pass, besides the weights, which are there anyway."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(self._keep, lambda kept: kept.tensor)
        self._weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        self._keepers: dict[int, int] = {}  # address of a piece of memory -> how many keep it
        self.held_bytes = 0

    def _keep(self, tensor: Tensor) -> Kept:
        # Detached: a layer's output that knew its graph would keep the graph that keeps it, and neither would ever go.
        kept, storage = Kept(tensor.detach()), tensor.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        if address not in self._weights:
            self.held_bytes += 0 if self._keepers.get(address) else size
            self._keepers[address] = self._keepers.get(address, 0) + 1
            weakref.finalize(kept, self._let_go, address, size)
        return kept

    def _let_go(self, address: int, size: int) -> None:
        self._keepers[address] -= 1
        self.held_bytes -= 0 if self._keepers[address] else size


@dataclass(eq=False)
class Kept:
    """A tensor that autograd keeps; autograd lets go of it when the graph is gone."""

    tensor: Tensor
