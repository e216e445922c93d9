"""Configurations: what is refused and how, and the named choices against plain torch."""

from __future__ import annotations

import dataclasses
import json
import math
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mnist_core import MODELS, RECIPES, TrainConfig
from mnist_core.config import LOSSES, OPTIMIZERS, SCHEDULES, OneHotMSELoss
from mnist_core.errors import ConfigError

FIELDS = [field.name for field in dataclasses.fields(TrainConfig)]
NAN, INFINITE, HUGE = float("nan"), float("inf"), 10**400

NONSENSE = {
    "model": ["resnet", "", None, 3, ["mlp"], {}],
    "model_options": [None, [], "dropout", 3, {3: 4}, (("dropout", 0.5),)],
    "epochs": [0, -1, 1001, 2.0, "3", None, True, NAN, INFINITE, HUGE],
    "learning_rate": [0, -0.1, 1e-9, 1001, "0.1", None, True, NAN, INFINITE, -INFINITE, HUGE, [0.1], 1 + 0j],
    "batch_size": [0, -64, 60_001, 64.0, "64", None, False, NAN, HUGE],
    "optimizer": ["rmsprop", "", None, 1, ["sgd"], torch.optim.SGD],
    "weight_decay": [-0.1, 1.1, "0", None, True, NAN, INFINITE, HUGE],
    "loss": ["hinge", "", None, 1, nn.CrossEntropyLoss()],
    "label_smoothing": [-0.1, 0.6, "0", None, False, NAN, INFINITE],
    "schedule": ["cosine", "", None, 1],
    "augment": [0, 1, "yes", None],
    "colour": [0, 1, "red", None],
    "train_images": [0, -1, 1_000_001, 100.0, "100", True, NAN],
    "made_digits": [-1, 100_001, 10.0, "10", None, True, NAN, INFINITE],
    "non_digits": [-1, 100_001, 10.0, "10", None, True, NAN, INFINITE, 5],
    "seed": [-1, 2**63, 1.0, "0", None, True, NAN],
    "device": ["tpu", "cuda:1", "", None, 0, torch.device("cpu")],
    "precision": ["float16", "", None, 32, torch.float32],
    "patience": [0, -1, 1001, 1.5, None, True],
    "stop_when_stalled": [0, 1, "no", None],
}


def test_there_is_nonsense_for_every_field() -> None:
    assert list(NONSENSE) == FIELDS


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in NONSENSE for value in NONSENSE[field]])
def test_nonsense_is_refused_with_field_value_and_bound(field, value) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**{field: value})
    error = caught.value
    assert error.field == field
    assert error.value is value
    assert str(error).startswith(f"{field} is ")
    assert str(error).endswith(f"but it must be {error.bound}.")
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("epochs", 1, 1000),
        ("batch_size", 1, 60_000),
        ("train_images", 1, 1_000_000),
        ("made_digits", 0, 100_000),
        ("seed", 0, 2**63 - 1),
        ("patience", 1, 1000),
        ("learning_rate", 1e-8, 1000.0),
        ("weight_decay", 0.0, 1.0),
        ("label_smoothing", 0.0, 0.5),
    ],
)
def test_the_bounds_themselves_are_allowed(field, least, most) -> None:
    for value in (least, most):
        assert getattr(TrainConfig(**{field: value}), field) == value


@pytest.mark.parametrize("count", [0, 100_000])
def test_a_model_that_refuses_can_learn_from_drawings_that_are_no_digit(count) -> None:
    assert TrainConfig(model="deep_cnn", model_options={"refuses": True}, non_digits=count).non_digits == count


@pytest.mark.parametrize("model", [name for name in MODELS if name != "deep_cnn"])
def test_drawings_that_are_no_digit_need_a_model_that_refuses(model) -> None:
    with pytest.raises(ConfigError, match="non_digits is 1, but it must be 0, or the model deep_cnn with the option"):
        TrainConfig(model=model, non_digits=1)


def test_a_bad_model_option_is_refused_by_its_own_name() -> None:
    with pytest.raises(ConfigError, match=r"dropout is 2, but it must be a number from 0.0 to 0.9"):
        TrainConfig(model="mlp", model_options={"dropout": 2})


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
    | st.sampled_from(["mlp", "cnn", "sgd", "mse", "step", "cpu", "relu", 1, 28, 0.5, HUGE]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5) | st.sampled_from(["dropout", "channels", "hidden_sizes"]), inner, max_size=3)
    | st.tuples(inner, inner),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=4))
def test_whatever_comes_in_there_is_a_sound_configuration_or_a_config_error(fields) -> None:
    with suppress(ConfigError):
        config = TrainConfig(**fields)
        assert TrainConfig(**json.loads(json.dumps(config.as_dict()))) == config


# --- plain data


@pytest.mark.parametrize("name", RECIPES)
def test_a_configuration_comes_back_from_plain_data_and_from_json(name) -> None:
    config = RECIPES[name]
    assert TrainConfig(**config.as_dict()) == config
    assert TrainConfig(**json.loads(json.dumps(config.as_dict()))) == config


def test_lists_from_json_and_tuples_make_equal_configurations() -> None:
    listed = TrainConfig(model="mlp", model_options={"hidden_sizes": [64, 32]})
    assert listed == TrainConfig(model="mlp", model_options={"hidden_sizes": (64, 32)})


@pytest.mark.parametrize("name", RECIPES)
def test_in_colour_the_network_takes_three_channels_of_32_by_32(name) -> None:
    config = dataclasses.replace(RECIPES[name], colour=True)
    assert config.model_options == {**RECIPES[name].model_options, "input_channels": 3, "input_size": 32}
    assert TrainConfig(**json.loads(json.dumps(config.as_dict()))) == config
    assert RECIPES[name].model_options["input_channels"] == 1


def test_a_configuration_is_frozen_and_its_options_are_its_own() -> None:
    options = {"dropout": 0.5}
    config = TrainConfig(model="mlp", model_options=options)
    options["dropout"] = 0.1
    config.as_dict()["model_options"]["dropout"] = 0.2
    assert config.model_options["dropout"] == 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.epochs = 5


def test_the_course_recipe_is_the_courses() -> None:
    course = RECIPES["course"].as_dict()
    expected = {"model": "mlp", "optimizer": "adam", "learning_rate": 0.001, "batch_size": 64, "epochs": 10}
    assert course | expected | {"loss": "cross_entropy", "schedule": "constant"} == course
    assert course["model_options"]["hidden_sizes"] == (128,)
    assert (course["weight_decay"], course["label_smoothing"], course["augment"]) == (0, 0, False)


def test_the_recipes_are_fast_course_and_best() -> None:
    assert list(RECIPES) == ["fast", "course", "best"]
    assert all(recipe.train_images is None for recipe in RECIPES.values())


# --- losses


def test_the_squared_error_is_taken_between_probabilities_and_one_hot_labels() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])  # probabilities 1/4, 3/4 and 1/2, 1/2
    loss = OneHotMSELoss()(logits, torch.tensor([0, 1]))
    by_hand = ((1 - 1 / 4) ** 2 + (3 / 4) ** 2 + (1 / 2) ** 2 + (1 - 1 / 2) ** 2) / 4
    assert loss.item() == pytest.approx(by_hand)


def test_a_perfect_answer_has_no_squared_error() -> None:
    assert OneHotMSELoss()(100 * torch.eye(10), torch.arange(10)).item() == pytest.approx(0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_cross_entropy_is_minus_the_log_of_the_right_probability_smoothed(smoothing) -> None:
    logits, labels = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([0])
    logs = [value - math.log(sum(math.exp(v) for v in (1, 2, 3))) for value in (1, 2, 3)]
    by_hand = -(1 - smoothing) * logs[0] - smoothing * sum(logs) / 3
    loss_fn = LOSSES["cross_entropy"](TrainConfig(label_smoothing=smoothing))
    assert loss_fn(logits, labels).item() == pytest.approx(by_hand, rel=1e-5)


# --- optimizers

PLAIN = {
    "sgd": lambda weights, rate, decay: torch.optim.SGD(weights, lr=rate, weight_decay=decay),
    "momentum": lambda weights, rate, decay: torch.optim.SGD(weights, lr=rate, momentum=0.9, weight_decay=decay),
    "adam": lambda weights, rate, decay: torch.optim.Adam(weights, lr=rate, weight_decay=decay),
    "adamw": lambda weights, rate, decay: torch.optim.AdamW(weights, lr=rate, weight_decay=decay),
    # Of a vector, which is no matrix; the others are in test_muon.py.
    "muon": lambda weights, rate, decay: torch.optim.AdamW(weights, lr=rate, weight_decay=decay),
}


def descend(weights: torch.Tensor, optimizer: torch.optim.Optimizer, steps: int = 6) -> torch.Tensor:
    """Go down a valley with curved sides, whose gradient differs from step to step."""
    for _ in range(steps):
        optimizer.zero_grad()
        ((weights - 1) ** 2 * torch.arange(1, 6)).sum().backward()
        optimizer.step()
    return weights.detach()


def test_there_is_a_plain_optimizer_to_compare_each_with() -> None:
    assert OPTIMIZERS.keys() == PLAIN.keys()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_every_optimizer_walks_as_plain_torchs_does(name, decay) -> None:
    config = TrainConfig(optimizer=name, learning_rate=0.01, weight_decay=decay)
    ours, theirs = (torch.linspace(-2, 2, 5).requires_grad_() for _ in range(2))
    descend(ours, OPTIMIZERS[name]([ours], config))
    descend(theirs, PLAIN[name]([theirs], 0.01, decay))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("name", "second_step"),
    [("sgd", 1.0), ("momentum", 1.9)],
)
def test_sgd_steps_against_the_gradient_and_momentum_adds_nine_tenths_of_the_last_step(name, second_step) -> None:
    weight = torch.tensor([5.0], requires_grad=True)
    optimizer = OPTIMIZERS[name]([weight], TrainConfig(learning_rate=0.1))
    for expected in (5 - 0.1 * 2, 5 - 0.1 * 2 - 0.1 * 2 * second_step):
        optimizer.zero_grad()
        (2 * weight).sum().backward()
        optimizer.step()
        assert weight.item() == pytest.approx(expected)


# --- schedules


def rates(config: TrainConfig, batches: int) -> list[float]:
    """The learning rate of every step of a run."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], config.learning_rate)
    schedule, used = SCHEDULES[config.schedule](optimizer, config, batches), []
    for _ in range(config.epochs * batches):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return used


def one_cycle(step: int, steps: int, top: float) -> float:
    """Smith and Topin (2018) with torch's defaults: 30 % up from top/25, then down to top/250,000, along cosines."""
    up = 0.3 * (steps + 1) - 1
    low, high, share = (top / 25, top, step / up) if step <= up else (top, top / 25e4, (step - up) / (steps - up))
    return high + (low - high) * (1 + math.cos(math.pi * share)) / 2


def test_the_constant_rate_stays() -> None:
    assert rates(TrainConfig(schedule="constant", learning_rate=0.02, epochs=3), 7) == [0.02] * 21


def test_the_step_schedule_takes_seven_tenths_after_each_epoch() -> None:
    by_hand = [0.02 * 0.7**epoch for epoch in range(3) for _ in range(4)]
    assert rates(TrainConfig(schedule="step", learning_rate=0.02, epochs=3), 4) == pytest.approx(by_hand)


@pytest.mark.parametrize(("epochs", "batches"), [(3, 33), (1, 10), (2, 4)])
def test_one_cycle_follows_its_formula(epochs, batches) -> None:
    steps = epochs * batches
    by_hand = [one_cycle(step, steps, 0.02) for step in range(steps)]
    assert rates(TrainConfig(schedule="one_cycle", learning_rate=0.02, epochs=epochs), batches) == pytest.approx(
        by_hand
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("epochs", "batches"), [(1, 1), (1, 2), (2, 1), (1, 3), (7, 1)])
def test_no_schedule_fails_in_the_shortest_of_runs(schedule, epochs, batches) -> None:
    used = rates(TrainConfig(schedule=schedule, learning_rate=0.02, epochs=epochs), batches)
    assert len(used) == epochs * batches
    assert all(0 < rate <= 0.02 for rate in used)
