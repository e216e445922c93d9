"""`train_step` one statement at a time, against `train_step` itself, plain torch and hand calculations."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mnist_core import MODELS, build_model, load_model, train_step
from mnist_core.config import OPTIMIZERS, TrainConfig
from mnist_core.lessons.stepping import (
    BY_HAND,
    Stepper,
    has_dropout,
    loss_now,
    measure_layers,
    norm_of,
    trainable_copy,
    update_by_hand,
)

LOSS = nn.CrossEntropyLoss()


def make_optimizer(model: nn.Module, name: str = "sgd", rate: float = 0.1) -> Optimizer:
    return OPTIMIZERS[name](model.parameters(), TrainConfig(optimizer=name, learning_rate=rate))


@pytest.fixture
def batch(mnist_train) -> tuple[Tensor, Tensor]:
    part = mnist_train.__getitems__(list(range(16)))
    return part.images, part.labels


def stepper_of(model: nn.Module, batch: tuple[Tensor, Tensor], **options: Any) -> Stepper:
    return Stepper(model, *batch, LOSS, options.pop("optimizer", None) or make_optimizer(model), **options)


def run_all(stepper: Stepper) -> Stepper:
    while not stepper.is_over:
        stepper.run_next()
    return stepper


def same_grads(one: dict[str, Tensor | None], other: dict[str, Tensor | None]) -> bool:
    return all(
        (one[name] is None and other[name] is None)
        or (one[name] is not None and other[name] is not None and torch.equal(one[name], other[name]))
        for name in one
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", MODELS)
def test_stepping_through_is_train_step_to_the_last_bit(name: str, optimizer: str, batch) -> None:
    stepped = trainable_copy(build_model(name))
    whole = copy.deepcopy(stepped)
    optimizers = [make_optimizer(model, optimizer) for model in (stepped, whole)]
    for _ in range(2):  # the second batch meets gradients and an optimizer's memory
        loss, logits = run_all(stepper_of(stepped, batch, optimizer=optimizers[0])).result
        expected_loss, expected_logits = train_step(whole, *batch, LOSS, optimizers[1])
        assert torch.equal(loss, expected_loss)
        assert torch.equal(logits, expected_logits)
        for one, other in zip(stepped.parameters(), whole.parameters(), strict=True):
            assert torch.equal(one, other)
            assert torch.equal(one.grad, other.grad)
        for one, other in zip(stepped.buffers(), whole.buffers(), strict=True):
            assert torch.equal(one, other)


def test_the_lines_are_the_functions_own(batch) -> None:
    stepper = stepper_of(trainable_copy(build_model("mlp")), batch)
    assert "\n".join(stepper.lines) + "\n" == inspect.getsource(train_step)
    assert [one.code for one in stepper.statements] == [
        "optimizer.zero_grad()",
        "logits = model(images)",
        "loss = loss_fn(logits, labels)",
        "loss.backward()",
        "optimizer.step()",
        "return loss, logits",
    ]
    for statement in stepper.statements:
        assert statement.first == statement.last
        assert stepper.lines[statement.first].strip().startswith(statement.code)
    does = [one.does for one in stepper.statements]
    assert does == ["zero_grad", "model", "loss_fn", "backward", "step", "return"]


def odd_step(model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer) -> Tensor:
    logits = model(
        images,
    )
    loss = sum(loss_fn(logits, labels) for _ in range(2))
    assert isinstance(loss, Tensor)
    loss.backward()
    return loss


def test_any_other_function_is_stepped_through_as_it_is_written(batch) -> None:
    model = trainable_copy(build_model("mlp"))
    stepper = stepper_of(model, batch, function=odd_step)
    first, *_ = stepper.statements
    assert (first.last - first.first, first.does) == (2, "model")
    run_all(stepper)
    assert stepper.result.item() == pytest.approx(2 * LOSS(model(batch[0]), batch[1]).item())
    stepper.run_next()
    assert stepper.position == len(stepper.statements)


def test_what_each_statement_changes_and_what_it_leaves_alone(batch) -> None:
    model = trainable_copy(build_model("fast_cnn"))
    optimizer = make_optimizer(model)
    run_all(stepper_of(model, batch, optimizer=optimizer))
    stepper = run_all(stepper_of(model, batch, optimizer=optimizer))
    start, cleared, forward, loss, backward, step, returned = stepper.moments
    assert all(grad is not None for grad in start.grads.values())  # what the batch before has left
    assert all(grad is None for moment in (cleared, forward, loss) for grad in moment.grads.values())
    assert all(grad is not None and grad.any() for grad in backward.grads.values())
    assert same_grads(backward.grads, step.grads)
    assert same_grads(step.grads, returned.grads)
    for moment in (cleared, forward, loss, backward):
        assert all(moment.weights[name] is start.weights[name] for name in start.weights)  # not copied again either
    assert not any(torch.equal(step.weights[name], start.weights[name]) for name in start.weights)


def test_without_zero_grad_the_new_gradient_is_added_to_the_old(batch) -> None:
    model = trainable_copy(build_model("mlp"))
    LOSS(model(batch[0]), batch[1]).backward()
    once = [parameter.grad.clone() for parameter in model.parameters()]
    LOSS(model(batch[0]), batch[1]).backward()
    for grad, parameter in zip(once, model.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, 2 * grad)


@pytest.mark.parametrize("name", ["momentum", "adam", "adamw"])
def test_a_grad_of_none_leaves_a_weight_alone_where_zeros_move_it(name: str, batch) -> None:
    model = trainable_copy(build_model("mlp"))
    optimizer = make_optimizer(model, name)
    run_all(stepper_of(model, batch, optimizer=optimizer))
    optimizer.zero_grad()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer.step()
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert not any(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_variables_appear_as_they_are_assigned(batch) -> None:
    stepper = stepper_of(trainable_copy(build_model("mlp")), batch)
    arguments = ["model", "images", "labels", "loss_fn", "optimizer"]
    assert stepper.names == [*arguments, "logits", "loss"]
    expected = [arguments, arguments, [*arguments, "logits"], *[[*arguments, "logits", "loss"]] * 4]
    for names in expected:
        assert list(stepper.variables) == names
        stepper.run_next()
    assert stepper.variables["logits"].shape == (16, 10)


def test_the_norms_of_the_layers_by_hand(batch) -> None:
    model = trainable_copy(build_model("mlp", hidden_sizes=[12]))
    stepper = run_all(stepper_of(model, batch))
    layers = measure_layers(model, stepper.moments[0], stepper.moments[-1])
    assert [(one.layer, one.kind, one.count) for one in layers] == [
        ("hidden.0", "Linear", 784 * 12 + 12),
        ("output", "Linear", 130),
    ]
    output = model.output
    both = torch.cat([output.weight.flatten(), output.bias])
    grads = torch.cat([output.weight.grad.flatten(), output.bias.grad])
    assert layers[1].weights == pytest.approx(both.norm().item(), rel=1e-5)
    assert layers[1].grads == pytest.approx(grads.norm().item(), rel=1e-5)
    assert layers[1].change == pytest.approx(0.1 * grads.norm().item(), rel=1e-4)  # plain SGD
    first = measure_layers(model, stepper.moments[0], stepper.moments[1])
    assert [one.grads for one in first] == [None, None]
    assert [one.change for one in first] == [0, 0]
    assert norm_of([torch.tensor([3.0]), torch.tensor([[4.0]])]) == 5


@pytest.mark.parametrize("name", BY_HAND)
def test_the_update_by_hand_is_what_the_optimizer_does(name: str, batch) -> None:
    model = trainable_copy(build_model("mlp"))
    optimizer = make_optimizer(model, name, 0.01)
    for _ in range(3):
        stepper = run_all(stepper_of(model, batch, optimizer=optimizer))
        before, after = stepper.moments[0].weights["output.weight"], stepper.moments[-1].weights["output.weight"]
        for index in (0, 77, 1279):
            update = update_by_hand(optimizer, model.output.weight, index, before.flatten()[index].item())
            assert update.result == pytest.approx(after.flatten()[index].item(), abs=1e-6)
            assert update.result != update.weight
            assert (update.rate, update.grad) == (0.01, model.output.weight.grad.flatten()[index].item())


def test_adams_first_step_goes_the_learning_rate_against_the_sign_of_the_gradient(batch) -> None:
    model = trainable_copy(build_model("mlp"))
    optimizer = make_optimizer(model, "adam", 0.01)
    run_all(stepper_of(model, batch, optimizer=optimizer))
    update = update_by_hand(optimizer, model.output.bias, 3, 0.0)
    assert update.mean == pytest.approx(update.grad, rel=1e-5)
    assert update.square == pytest.approx(update.grad**2, rel=1e-5)
    assert abs(update.result) == pytest.approx(0.01, rel=1e-3)
    assert update.result * update.grad < 0


def test_a_copy_is_trainable_and_its_dropout_rests(batch) -> None:
    model = build_model("mlp", dropout=0.5).eval().requires_grad_(False)
    copied = trainable_copy(model)
    assert copied.training
    assert all(parameter.requires_grad for parameter in copied.parameters())
    assert torch.equal(copied(batch[0]), copied(batch[0]))
    run_all(stepper_of(copied, batch))
    assert not any(torch.equal(*pair) for pair in zip(model.parameters(), copied.parameters(), strict=True))
    assert not model.training
    assert has_dropout(model)
    assert not has_dropout(build_model("mlp"))


def test_the_loss_now_is_that_of_a_step_that_would_begin_and_changes_nothing(batch) -> None:
    model = trainable_copy(load_model())
    before = copy.deepcopy(model.state_dict())
    loss = loss_now(model, *batch, LOSS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert loss == run_all(stepper_of(model, batch)).result[0].item()


def test_stepping_draws_no_random_numbers(batch) -> None:
    model = trainable_copy(build_model("deep_cnn"))
    before = torch.get_rng_state()
    run_all(stepper_of(model, batch))
    assert torch.equal(torch.get_rng_state(), before)
