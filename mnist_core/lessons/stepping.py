"""`train_step` run one statement at a time, from its real source, with all that it changes noted after each."""

from __future__ import annotations

import ast
import copy
import inspect
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mnist_core.config import OPTIMIZERS
from mnist_core.training import train_step

# The optimizers whose update of a weight can be calculated from that weight's own numbers; Muon's takes a whole matrix.
BY_HAND = tuple(name for name in OPTIMIZERS if name != "muon")


@dataclass(frozen=True)
class Statement:
    """One statement of a function.

    Attributes:
        first, last: its lines in the function's source, counted from 0.
        code: the statement itself, without a comment behind it.
        does: what it calls, by its last name ("zero_grad", "backward"), or "return"; empty for anything else.
    """

    first: int
    last: int
    code: str
    does: str


@dataclass(frozen=True)
class Moment:
    """A network between two statements: its weights and their `.grad` by name, copied."""

    weights: dict[str, Tensor]
    grads: dict[str, Tensor | None]


@dataclass(frozen=True)
class LayerNorms:
    """How large the numbers of one layer are: Euclidean norms over all its weights together.

    Attributes:
        layer, kind: its name in the model and its class. count: how many weights it has.
        weights: their norm. grads: that of their `.grad`, None where there is none.
        change: that of the difference from the start.
    """

    layer: str
    kind: str
    count: int
    weights: float
    grads: float | None
    change: float


class Stepper:
    """A call of `train_step` that waits before every statement.

    The statements are those of the function's own source, compiled and run one after the other in one namespace, with
    the function's globals: whatever they say is what happens. Arguments are as `train_step` takes them.

    Attributes:
        model: the one that is trained. lines: the function's source.
        statements: what there is to run, the docstring left out.
        position: how many have been run. result: what the function has returned, once it has.
        moments: the network before the first statement and after each that was run, the newest last.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        loss_fn: nn.Module,
        optimizer: Optimizer,
        function: Callable[..., Any] = train_step,
    ) -> None:
        source = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(source).body[0]
        assert isinstance(definition, ast.FunctionDef)
        self.lines = source.splitlines()
        self._nodes = definition.body[1:] if ast.get_docstring(definition) else definition.body
        self.statements = [describe_statement(node, source) for node in self._nodes]
        self.model = model
        names = [argument.arg for argument in definition.args.args]
        self._arguments = dict(zip(names, (model, images, labels, loss_fn, optimizer), strict=True))
        self._namespace: dict[str, Any] = {**function.__globals__, **self._arguments}
        self.names = [*names, *(name for name in assigned_names(self._nodes) if name not in names)]
        self.position = 0
        self.result: Any = None
        self.moments = [observe_moment(model, None)]

    @property
    def is_over(self) -> bool:
        """Whether the last statement has been run."""
        return self.position == len(self.statements)

    @property
    def variables(self) -> dict[str, Any]:
        """The function's variables that have a value by now, by name, arguments first."""
        assigned = set(assigned_names(self._nodes[: self.position]))
        return {name: self._namespace[name] for name in self.names if name in self._arguments or name in assigned}

    def run_next(self) -> None:
        """Run the next statement; nothing happens when there is none."""
        if self.is_over:
            return
        node = self._nodes[self.position]
        if isinstance(node, ast.Return):
            returned = ast.Expression(node.value or ast.Constant(None))
            self.result = eval(compile(ast.fix_missing_locations(returned), "<train_step>", "eval"), self._namespace)
        else:
            exec(compile(ast.Module([node], []), "<train_step>", "exec"), self._namespace)
        self.position += 1
        self.moments.append(observe_moment(self.model, self.moments[-1]))


def describe_statement(node: ast.stmt, source: str) -> Statement:
    """A statement of this source in words and numbers."""
    does = "return" if isinstance(node, ast.Return) else ""
    value = node.value if isinstance(node, (ast.Expr, ast.Assign)) else None
    if isinstance(value, ast.Call):
        does = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    code = ast.get_source_segment(source, node) or ""
    return Statement(node.lineno - 1, (node.end_lineno or node.lineno) - 1, code, does)


def assigned_names(nodes: list[ast.stmt]) -> list[str]:
    """The variables that these statements give a value to, in their order."""
    stored = [
        part.id
        for node in nodes
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    ]
    return list(dict.fromkeys(stored))


def observe_moment(model: nn.Module, before: Moment | None) -> Moment:
    """The weights and their `.grad` as they are now; what is as it was `before` is not copied again."""
    weights, grads = {}, {}
    for name, parameter in model.named_parameters():
        weights[name] = copy_unless_same(parameter.detach(), None if before is None else before.weights[name])
        grad = parameter.grad
        grads[name] = None if grad is None else copy_unless_same(grad, None if before is None else before.grads[name])
    return Moment(weights, grads)


def copy_unless_same(tensor: Tensor, copied: Tensor | None) -> Tensor:
    """A copy of the tensor: the one that there is, when it holds the same numbers."""
    return copied if copied is not None and torch.equal(tensor, copied) else tensor.clone()


def measure_layers(model: nn.Module, start: Moment, now: Moment) -> list[LayerNorms]:
    """The norms of each layer that has weights, in the model's order."""
    layers: dict[str, list[str]] = {}
    for name in now.weights:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    return [
        LayerNorms(
            layer=layer,
            kind=type(model.get_submodule(layer)).__name__,
            count=sum(now.weights[name].numel() for name in names),
            weights=norm_of([now.weights[name] for name in names]),
            grads=norm_of(grads) if (grads := [g for name in names if (g := now.grads[name]) is not None]) else None,
            change=norm_of([now.weights[name] - start.weights[name] for name in names]),
        )
        for layer, names in layers.items()
    ]


def norm_of(tensors: list[Tensor]) -> float:
    """The Euclidean norm of all numbers of these tensors together."""
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))


def trainable_copy(model: nn.Module) -> nn.Module:
    """A copy of a network, in training mode and with gradients, whose dropout rests: it draws no random numbers.

    So the loss on a batch before and after a step can be compared, and a step can be made again.
    """
    copied = copy.deepcopy(model).train().requires_grad_(True)
    for module in copied.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    return copied


def has_dropout(model: nn.Module) -> bool:
    """Whether dropout would do something in this network's training."""
    return any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules())


def loss_now(model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module) -> float:
    """The loss on a batch with the weights as they are; not even the running statistics of batch norm change."""
    copied = copy.deepcopy(model)
    with torch.no_grad():
        return float(loss_fn(copied(images), labels))


@dataclass(frozen=True)
class Update:
    """One weight's way through `optimizer.step()`, calculated by hand.

    Attributes:
        weight: before. result: after. grad: its gradient. rate: the learning rate.
        mean: what the optimizer goes by in place of the gradient: the momentum, or Adam's running mean.
        square: Adam's running mean of the squared gradient. Both as they count, corrected for their start at 0.
    """

    weight: float
    result: float
    grad: float
    rate: float
    mean: float = 0.0
    square: float = 0.0


def update_by_hand(optimizer: Optimizer, parameter: nn.Parameter, index: int, weight: float) -> Update:
    """What `optimizer.step()` must have made of one number of a parameter, from the optimizer's published formula.

    Args:
        optimizer: one of BY_HAND, without weight decay, just after its step.
        index: which number, counted as they lie in `parameter.flatten()`. weight: what it was before.

    Sources: the formulas in torch's documentation of SGD, Adam (Kingma and Ba, 2015) and AdamW.
    """
    assert parameter.grad is not None
    group, state = optimizer.param_groups[0], optimizer.state[parameter]
    grad, rate = float(parameter.grad.flatten()[index]), float(group["lr"])

    if "exp_avg" in state:
        beta1, beta2 = group["betas"]
        steps = float(state["step"])
        mean = float(state["exp_avg"].flatten()[index]) / (1 - beta1**steps)
        square = float(state["exp_avg_sq"].flatten()[index]) / (1 - beta2**steps)
        return Update(weight, weight - rate * mean / (math.sqrt(square) + group["eps"]), grad, rate, mean, square)
    buffer = state.get("momentum_buffer")
    mean = grad if buffer is None else float(buffer.flatten()[index])
    return Update(weight, weight - rate * mean, grad, rate, mean)
