"""What happens inside a network on the way from images to logits, heard with forward hooks that cannot leak."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Maps = NDArray[np.float32]  # (C, H, W) of a layer that keeps places apart, (F,) of one that does not
Hear = Callable[[str, nn.Module, Tensor, Tensor], None]
See = Callable[["Stage"], None]

INPUT, BETWEEN = "input", "forward()"  # stages that are no module: the images, and what forward itself does to a shape

# How many numbers are multiplied and added for one image (C, ...) -> (C', ...). Other modules only compare or look up.
MULTIPLY_ADDS: dict[type[nn.Module], Callable[[Any, int], int]] = {
    nn.Linear: lambda layer, outputs: outputs * layer.in_features,
    nn.Conv2d: lambda layer, outputs: outputs * layer.weight[0].numel(),  # a filter (C, k, k) for each output
    nn.BatchNorm2d: lambda layer, outputs: outputs,  # times a factor, plus a shift
}


@dataclass(frozen=True)
class Stage:
    """One stage while it happens: its name, the module at work (None for what is no module), what it makes of what."""

    name: str
    module: nn.Module | None
    before: Tensor
    after: Tensor


@dataclass(frozen=True)
class Layer:
    """One stage of a network in plain data.

    Attributes:
        name: as in model.named_modules(), "activation (2)" for the second call; or INPUT, or BETWEEN.
        kind: the module's class, "" for what is no module.
        shape: of what it makes of the batch, (N, ...).
        parameters: how many numbers of its own it learns; 0 from its second call on, for they are the same.
        multiply_adds: for one image.
        maps: what it makes of the first image, (C, H, W) or (F,) float32.
        filters: what its outputs look for, (K, C, h, w) float32, or None where it has no weights; for a linear layer
            in the shape of what was flattened for it, otherwise (K, F).
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    maps: Maps
    filters: NDArray[np.float32] | None


@contextmanager
def listening(model: nn.Module, hear: Hear) -> Iterator[None]:
    """Hear every module of the model that has no modules within: hear(name, module, its input, its output).

    The hooks are gone when the block is left, whatever happened in it.
    """

    def hook(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        return lambda module, inputs, output: hear(name, module, inputs[0], output)

    hooks = []
    try:
        for name, module in model.named_modules():
            if not any(module.children()):
                hooks.append(module.register_forward_hook(hook(name)))
        yield
    finally:
        for handle in hooks:
            handle.remove()


def twin(model: nn.Module) -> nn.Module:
    """The same network in modules of its own, in eval mode; the weights are shared, not copied.

    A model may answer others at this very moment: their images must not run into our hooks, nor see its mode change.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared).eval()


def follow(model: nn.Module, images: Tensor, see: See) -> Tensor:
    """Run the network on images (N, C, H, W), normalised, and see every stage as it happens; returns the logits.

    Where a layer gets another shape than the last one made, forward has done something that is no module (a mean, a
    flatten): that is a stage of its own, named BETWEEN.
    """
    calls: Counter[str] = Counter()
    last = images

    def see_change(features: Tensor) -> None:
        nonlocal last
        if features.shape != last.shape:
            see(Stage(BETWEEN, None, last, features))
            last = features

    def hear(name: str, module: nn.Module, before: Tensor, after: Tensor) -> None:
        nonlocal last
        see_change(before)
        calls[name] += 1
        see(Stage(name if calls[name] == 1 else f"{name} ({calls[name]})", module, before, after))
        last = after

    ours = twin(model)
    with torch.no_grad(), listening(ours, hear):
        see(Stage(INPUT, None, images, images))
        logits: Tensor = ours(images)  # (N, C, H, W) -> (N, 10)
        see_change(logits)
    return logits


def trace(model: nn.Module, images: Tensor) -> list[Layer]:
    """Every stage of the network for a batch (N, C, H, W), normalised, in the order in which they happen."""
    layers: list[Layer] = []
    known: set[nn.Module] = set()
    flattened: tuple[int, ...] = ()  # what the layer before had flattened, (C, H, W)

    def see(stage: Stage) -> None:
        nonlocal flattened
        module, shape = stage.module, tuple(stage.after.shape)
        own = [] if module is None or module in known else list(module.parameters())
        layers.append(
            Layer(
                name=stage.name,
                kind="" if module is None else type(module).__name__,
                shape=shape,
                parameters=sum(weights.numel() for weights in own),
                multiply_adds=count_multiply_adds(stage),
                maps=as_numbers(stage.after[0]),
                filters=filters_of(module, flattened),
            )
        )
        if module is not None:
            known.add(module)
        # What keeps its shape hands the flattened numbers on in their order.
        if isinstance(module, nn.Flatten):
            flattened = tuple(stage.before.shape[1:])
        elif stage.before.shape != shape or isinstance(module, nn.Linear):
            flattened = ()

    follow(model, images, see)
    return layers


def count_multiply_adds(stage: Stage) -> int:
    """How often a stage multiplies and adds for one image, from the shapes that it really had."""
    if stage.module is None or type(stage.module) not in MULTIPLY_ADDS:
        return 0
    return MULTIPLY_ADDS[type(stage.module)](stage.module, stage.after[0].numel())


def filters_of(module: nn.Module | None, flattened: tuple[int, ...]) -> NDArray[np.float32] | None:
    """The weights of a layer, one filter for each of its outputs; see `Layer.filters`."""
    if not isinstance(module, (nn.Conv2d, nn.Linear)):
        return None
    weight = as_numbers(module.weight)  # (K, C, h, w) or (K, F)
    return weight.reshape(len(weight), *flattened) if weight.ndim == 2 and len(flattened) == 3 else weight


def as_numbers(tensor: Tensor) -> NDArray[np.float32]:
    """A tensor as a float32 array of its shape."""
    return np.asarray(tensor.detach().float().cpu().contiguous().numpy())


@dataclass(frozen=True)
class TwoWays:
    """What `model(images)` and `model.forward(images)` did.

    Attributes:
        hooks_by_call, hooks_by_forward: how often a hook of the model itself ran.
        layer_hooks_by_call, layer_hooks_by_forward: how often those of its layers ran.
        largest_difference: between the logits of one and the other.
    """

    hooks_by_call: int
    hooks_by_forward: int
    layer_hooks_by_call: int
    layer_hooks_by_forward: int
    largest_difference: float


def call_both_ways(model: nn.Module, images: Tensor) -> TwoWays:
    """Call the network as model(images) and as model.forward(images), with hooks on it and on its layers that count."""
    ours, counts = twin(model), Counter[str]()

    def count(name: str) -> None:
        counts[name] += 1

    def run(way: Callable[[Tensor], Tensor], name: str) -> Tensor:
        handle = ours.register_forward_hook(lambda *told: count(name))
        try:
            with torch.no_grad(), listening(ours, lambda *told: count(f"{name} layers")):
                return way(images)
        finally:
            handle.remove()

    difference = run(ours, "call") - run(ours.forward, "forward")
    return TwoWays(
        counts["call"], counts["forward"], counts["call layers"], counts["forward layers"],
        float(difference.abs().max()),
    )  # fmt: skip
