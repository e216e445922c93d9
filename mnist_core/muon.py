"""Muon, an optimizer that turns the step of a whole matrix of weights until it goes equally far in every direction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the Newton-Schulz iteration, as Jordan chose them: steep at 0
ITERATIONS = 5


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix whose rows (or columns, of a tall one) are at right angles and of length 1, roughly.

    With the singular value decomposition U S V^T of the matrix this is U V^T, but for singular values of 0.7 to 1.2 in
    place of 1. A Newton-Schulz iteration finds it by multiplications only.

    Args:
        matrix: (R, C) float32, not all zeros.

    Returns:
        (R, C) float32.
    """
    a, b, c = COEFFICIENTS
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / (wide.norm() + 1e-7)  # all singular values 0..1
    for _ in range(ITERATIONS):
        products = wide @ wide.T  # (R, C) @ (C, R) -> (R, R)
        wide = a * wide + (b * products + c * products @ products) @ wide
    result: Tensor = wide.T if matrix.shape[0] > matrix.shape[1] else wide
    return result


def is_matrix(weight: Tensor) -> bool:
    """Whether this leads from several inputs to several outputs; a kernel that looks at one grey channel does not."""
    return weight.ndim >= 2 and weight.shape[1] > 1


class Muon(Optimizer):
    """Momentum made orthogonal (Jordan and others, 2024) for a network's matrices, AdamW for its other weights.

    The gradient of a matrix points mostly along few directions; made orthogonal, a step goes along the rare ones too.
    A convolution's kernels (outputs, inputs, height, width) count as a matrix with a row for each output; torch's own
    Muon takes none. The last matrix, which gives the answers, and all that is none, biases and batch norm's, are left
    to AdamW.

    Args:
        weights: of a network, in the order of its layers.
        learning_rate, weight_decay: of both, the decay apart from the gradient, as AdamW's.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], learning_rate: float, weight_decay: float = 0.0, momentum: float = 0.9
    ) -> None:
        weights = list(weights)
        settings = {"lr": learning_rate, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(weights, settings)
        hidden = [weight for weight in weights if is_matrix(weight)][:-1]
        known = {id(weight) for weight in hidden}
        others = [weight for weight in weights if id(weight) not in known]
        self.others = AdamW(others, learning_rate, weight_decay=weight_decay, fused=True)
        self.hidden: dict[str, Any] = {"params": hidden, **settings}
        self.param_groups = [*self.others.param_groups, self.hidden]  # for a schedule, which changes their "lr"

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change all weights that have a gradient."""
        self.others.step()
        rate, decay, momentum = self.hidden["lr"], self.hidden["weight_decay"], self.hidden["momentum"]
        for weight in self.hidden["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            mean = state.setdefault("momentum_buffer", torch.zeros_like(weight))
            mean.mul_(momentum).add_(weight.grad)
            ahead = weight.grad.add(mean, alpha=momentum)  # Nesterov's momentum
            weight.mul_(1 - rate * decay)
            weight.add_(orthogonal(ahead.flatten(1)).reshape_as(weight), alpha=-rate)
