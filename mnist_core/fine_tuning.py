"""Learn my hand: a network that has learnt already goes on with one person's drawings, mixed with what it knew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as save_safetensors
from torch import nn

from mnist_core.config import RECIPES, TrainConfig
from mnist_core.data import Digits
from mnist_core.messages import Message
from mnist_core.models import takes_colours

# Found by trying: see benchmarks/hand.py.
OWN_IMAGES = 500  # so many of a person's drawings an epoch shows, each warped anew: the same ones again and again
MOST_COPIES = 40
MNIST_IMAGES, MADE_DIGITS, NON_DIGITS = 4000, 500, 1000  # beside them, so that what was known is not forgotten
LEARNING_RATE, BATCH_SIZE = 0.0007, 32


@dataclass(frozen=True, eq=False)
class Beginning:
    """What a fine-tuning goes on from; plain data, which crosses the pipe to the child.

    Attributes:
        name: of the network, for a person to read. weights: as safetensors.
        images: (N, 28, 28) uint8, drawings to learn from. labels: (N,) int64, 0..9.
    """

    name: Message
    weights: bytes
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def begin_from(name: Message, model: nn.Module, digits: Digits) -> Beginning:
    """A beginning with the weights that a network has now, and grey drawings (N, 1, 28, 28) to learn from."""
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    return Beginning(name, save_safetensors(state), digits.images[:, 0].numpy(), digits.labels.numpy())


def copies_of(count: int) -> int:
    """How often an epoch shows each of so many drawings."""
    return max(1, min(MOST_COPIES, round(OWN_IMAGES / max(1, count))))


def plan_fine_tuning(model: nn.Module, trained: TrainConfig | None, count: int) -> TrainConfig:
    """How a network goes on learning from `count` drawings: a few seconds, so little that it forgets next to nothing.

    Of made digits and of drawings that are no digit it sees some again, when it has learnt from them before.

    Args:
        trained: how the network was trained; None for the shipped one, and where nobody knows.
    """
    before = RECIPES["best"] if trained is None else trained
    described: dict[str, object] = model.architecture  # type: ignore[assignment]
    options = described["options"]
    refuses = isinstance(options, dict) and bool(options.get("refuses"))
    return replace(
        before,
        model=str(described["model"]),
        model_options=options,  # type: ignore[arg-type]
        epochs=1,
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        optimizer="adamw",
        weight_decay=0.0,
        label_smoothing=0.0,  # would change how sure the network is, which may have been calibrated
        schedule="one_cycle",
        augment=True,
        colour=takes_colours(model),
        train_images=count * copies_of(count) + MNIST_IMAGES,
        made_digits=min(MADE_DIGITS, before.made_digits),
        non_digits=min(NON_DIGITS, before.non_digits) if refuses else 0,
        stop_when_stalled=False,
    )


def mixed(beginning: Beginning, mnist: Digits, count: int | None) -> Digits:
    """What a fine-tuning learns from: the drawings, each `copies_of` times, and MNIST's first ones, `count` in all."""
    copies = copies_of(len(beginning))
    images = torch.from_numpy(beginning.images)[:, None].repeat(copies, 1, 1, 1)  # (N, 28, 28) -> (copies * N, 1, ...)
    own = Digits(images, torch.from_numpy(beginning.labels).repeat(copies))
    return own.joined(mnist.first(None if count is None else max(0, count - len(own)))).first(count)
