"""What happens inside a network, and that listening to it leaves nothing behind."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_core import MODELS, build_model
from mnist_core.lessons.tracing import BETWEEN, INPUT, call_both_ways, follow, listening, trace, twin
from mnist_core.models import count_parameters

NETWORKS = [
    *[(name, {}) for name in MODELS],
    ("mlp", {"hidden_sizes": ()}),
    ("mlp", {"hidden_sizes": (32, 32, 16), "dropout": 0.5, "activation": "tanh"}),
    ("mlp_sequential", {"hidden_sizes": ()}),
    ("mlp_sequential", {"hidden_sizes": (20, 30), "dropout": 0.1}),
    ("cnn", {"channels": (3,)}),
    ("cnn", {"channels": (3, 4, 5, 6), "activation": "gelu"}),
    ("deep_cnn", {"channels": (4, 5, 6), "refuses": True}),
    *[(name, {"input_channels": 3, "input_size": 32}) for name in MODELS],
]


def images_for(model: nn.Module, count: int = 1) -> Tensor:
    return torch.rand(count, *model.input_shape)


def hooks_of(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_a_batch_flows_from_images_to_ten_logits_and_each_stage_takes_what_the_last_one_made(name, options) -> None:
    model = build_model(name, **options)
    images = images_for(model, 64)
    stages = []
    logits = follow(model, images, stages.append)
    assert stages[0].name == INPUT
    assert stages[0].after is images
    for before, after in pairwise(stages):
        assert after.before.shape == before.after.shape
    assert logits.shape == stages[-1].after.shape == (64, 10)
    torch.testing.assert_close(logits, model.eval()(images))


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_the_layers_parameters_are_all_that_the_network_has(name, options) -> None:
    model = build_model(name, **options)
    assert sum(layer.parameters for layer in trace(model, images_for(model))) == count_parameters(model)


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_multiply_adds_are_those_of_the_matrix_product_that_a_layer_is(name, options) -> None:
    model = build_model(name, **options)
    images = images_for(model)
    stages = []
    follow(model, images, stages.append)
    for stage, layer in zip(stages, trace(model, images), strict=True):
        module = stage.module
        if isinstance(module, nn.Conv2d):  # (outputs, C k k) times (C k k, places)
            patches = F.unfold(stage.before, module.kernel_size, padding=module.padding, stride=module.stride)
            assert layer.multiply_adds == module.out_channels * patches.numel()
        elif isinstance(module, nn.Linear):  # (outputs, inputs) times (inputs, 1)
            assert layer.multiply_adds == module.weight.numel()
        elif isinstance(module, nn.BatchNorm2d):
            assert layer.multiply_adds == stage.before.numel()
        else:
            assert layer.multiply_adds == 0


def test_the_layers_of_the_course_s_network_by_hand() -> None:
    model = build_model("mlp").eval()
    images = images_for(model, 3)
    assert [(one.name, one.kind, one.shape, one.parameters, one.multiply_adds) for one in trace(model, images)] == [
        ("input", "", (3, 1, 28, 28), 0, 0),
        ("flatten", "Flatten", (3, 784), 0, 0),
        ("hidden.0", "Linear", (3, 128), 784 * 128 + 128, 784 * 128),
        ("activation", "ReLU", (3, 128), 0, 0),
        ("dropout", "Dropout", (3, 128), 0, 0),
        ("output", "Linear", (3, 10), 128 * 10 + 10, 128 * 10),
    ]


def test_the_multiply_adds_of_a_small_convolutional_network_by_hand() -> None:
    model = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(45, 10))
    # 8 x 8 -> 3 x 3 places of 5 channels, each from 3 x 3 x 3 numbers; batch norm once a number; 45 times 10
    counts = [layer.multiply_adds for layer in trace(model, torch.rand(2, 3, 8, 8))]
    assert counts == [0, 5 * 9 * 27, 45, 0, 0, 450]


def test_what_a_layer_makes_of_the_first_image_is_what_torch_makes_of_it() -> None:
    model = build_model("cnn").eval()
    images = images_for(model, 2)
    layers = {layer.name: layer for layer in trace(model, images)}
    first = model.convolutions[0](images)
    second = model.convolutions[1](model.pool(first.relu()))
    for name, expected in [
        ("input", images), ("convolutions.0", first), ("activation", first.relu()), ("pool", model.pool(first.relu())),
        ("convolutions.1", second), ("activation (2)", second.relu()), ("output", model(images)),
    ]:  # fmt: skip
        np.testing.assert_allclose(layers[name].maps, expected[0].detach().numpy(), rtol=1e-5, atol=1e-6)


def test_what_forward_does_between_two_layers_is_a_stage_of_its_own() -> None:
    model = build_model("fast_cnn").eval()
    layers = trace(model, images_for(model))
    at = next(at for at, layer in enumerate(layers) if layer.name == BETWEEN)
    assert [layers[at - 1].kind, layers[at + 1].name] == ["ReLU", "dropout"]
    # (64, 3, 3) -> (3, 3, 64) -> (576,)
    np.testing.assert_array_equal(layers[at].maps, layers[at - 1].maps.transpose(1, 2, 0).ravel())
    assert BETWEEN not in [layer.name for layer in trace(build_model("mlp"), torch.rand(1, 1, 28, 28))]


def test_a_layer_that_is_called_twice_has_its_parameters_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(10, 10)

        def forward(self, images: Tensor) -> Tensor:
            return self.layer(self.layer(images))

    layers = trace(Twice(), torch.rand(1, 10))
    assert [(layer.name, layer.parameters, layer.multiply_adds) for layer in layers[1:]] == [
        ("layer", 110, 100),
        ("layer (2)", 0, 100),
    ]


def test_filters_have_the_shape_of_what_they_look_at() -> None:
    def filters(name: str, layer: str, **options: object) -> np.ndarray | None:
        model = build_model(name, **options)
        return next(one.filters for one in trace(model, images_for(model)) if one.name == layer)

    torch.manual_seed(0)
    weights = build_model("mlp", hidden_sizes=()).output.weight.detach().numpy()
    torch.manual_seed(0)
    np.testing.assert_array_equal(filters("mlp", "output", hidden_sizes=()), weights.reshape(10, 1, 28, 28))
    assert filters("mlp", "hidden.0", input_channels=3, input_size=32).shape == (128, 3, 32, 32)
    assert filters("cnn", "convolutions.1").shape == (32, 16, 3, 3)
    assert filters("cnn", "output").shape == (10, 32, 7, 7)
    assert filters("fast_cnn", "output").shape == (10, 576)  # there the channels lie innermost
    assert filters("mlp", "output").shape == (10, 128)
    assert filters("mlp", "activation") is None


def test_no_hook_is_left_whether_all_went_well_or_not() -> None:
    model = build_model("cnn")
    others = model.output.register_forward_hook(lambda *told: None)
    heard = []
    with listening(model, lambda name, *told: heard.append(name)):
        assert hooks_of(model) == 1 + 7
        model(images_for(model))
    assert heard[:2] == ["convolutions.0", "activation"]
    assert hooks_of(model) == 1

    def fail(*told: object) -> None:
        raise ValueError("while listening")

    with pytest.raises(ValueError, match="while listening"), listening(model, fail):
        model(images_for(model))
    with pytest.raises(RuntimeError), listening(model, lambda *told: None):
        model(torch.rand(1, 1, 5, 5))
    assert hooks_of(model) == 1
    others.remove()


def test_a_network_that_is_traced_answers_others_as_if_nothing_were() -> None:
    model = build_model("deep_cnn", refuses=True)
    seen = []

    def look(stage: object) -> None:
        seen.append((hooks_of(model), model.training, model.dropout.training))

    follow(model, images_for(model), look)
    assert len(seen) == 1 + sum(not list(module.children()) for module in model.modules())  # the input, each layer
    assert set(seen) == {(0, True, True)}
    assert all(weights.grad is None for weights in model.parameters())


def test_a_twin_shares_the_weights_and_nothing_else() -> None:
    model = build_model("fast_cnn")
    other = twin(model)
    for name, tensor in model.state_dict().items():
        assert other.state_dict()[name].data_ptr() == tensor.data_ptr()
    assert not set(model.modules()) & set(other.modules())
    assert (model.training, other.training) == (True, False)
    assert other.input_shape == model.input_shape


@pytest.mark.parametrize("name", MODELS)
def test_a_call_runs_the_hook_of_the_network_and_its_forward_alone_does_not(name) -> None:
    model = build_model(name)
    both = call_both_ways(model, images_for(model))
    assert (both.hooks_by_call, both.hooks_by_forward) == (1, 0)
    layers = [layer for layer in trace(model, images_for(model)) if layer.kind]
    assert both.layer_hooks_by_call == both.layer_hooks_by_forward == len(layers)
    assert both.largest_difference == 0
    assert hooks_of(model) == 0
