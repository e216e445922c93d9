"""The networks: their arithmetic by hand, their shapes, their options and what is refused."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_core import MODELS, build_model
from mnist_core.errors import ConfigError
from mnist_core.models import (
    ACTIVATIONS,
    MLP,
    SequentialMLP,
    check_model_options,
    count_model_parameters,
    count_parameters,
    model_options,
)


def random_images(count: int = 8, channels: int = 1, size: int = 28) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Give the target the source's weights, in order, whatever their names."""
    with torch.no_grad():
        for ours, theirs in zip(target.parameters(), source.parameters(), strict=True):
            ours.copy_(theirs)


# --- arithmetic


@pytest.mark.parametrize("options", [{}, {"hidden_sizes": (50, 30)}, {"hidden_sizes": (), "activation": "tanh"}])
def test_the_class_and_the_sequential_network_agree_to_the_last_bit(options) -> None:
    written, listed = MLP(**options), SequentialMLP(**options)
    copy_weights(written, listed)
    images, labels = random_images(), torch.arange(8)
    logits = [model(images) for model in (written, listed)]
    assert torch.equal(*logits)
    for each in logits:
        F.cross_entropy(each, labels).backward()
    for ours, theirs in zip(written.parameters(), listed.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


def test_equal_seeds_give_the_class_and_the_sequential_network_equal_weights() -> None:
    torch.manual_seed(3)
    written = MLP()
    torch.manual_seed(3)
    listed = SequentialMLP()
    for ours, theirs in zip(written.parameters(), listed.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_courses_network_is_two_matrix_products_with_a_relu_between() -> None:
    model, images = MLP(), random_images()
    weight, bias, out_weight, out_bias = model.parameters()
    hidden = (images.reshape(8, 784) @ weight.T + bias).clamp(min=0)
    torch.testing.assert_close(model(images), hidden @ out_weight.T + out_bias)


def test_the_cnn_is_convolve_relu_halve_twice_and_one_matrix_product() -> None:
    model, images = build_model("cnn"), random_images()
    first, first_bias, second, second_bias, out, out_bias = model.parameters()
    features = F.max_pool2d(F.conv2d(images, first, first_bias, padding=1).relu(), 2)
    features = F.max_pool2d(F.conv2d(features, second, second_bias, padding=1).relu(), 2)
    torch.testing.assert_close(model(images), features.reshape(8, -1) @ out.T + out_bias)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_fast_cnn_convolves_takes_the_largest_and_norms_thrice_and_multiplies_once(channels) -> None:
    model, images = build_model("fast_cnn", input_channels=channels), random_images(8, channels)
    first, gain1, shift1, second, gain2, shift2, third, gain3, shift3, out, out_bias = model.parameters()

    def normed(features: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        features = features.contiguous()  # the model has the channels of a pixel side by side; here the pixels are
        return F.batch_norm(features, None, None, gain, shift, training=True).relu()

    features = normed(F.max_pool2d(F.conv2d(images, first.contiguous(), stride=2), 2), gain1, shift1)
    features = normed(F.max_pool2d(F.conv2d(features, second.contiguous(), padding=1), 2), gain2, shift2)
    features = normed(F.conv2d(features, third.contiguous(), padding=1), gain3, shift3)
    by_hand = torch.einsum("ncyx,oyxc->no", features, out.reshape(10, 3, 3, 64)) + out_bias
    torch.testing.assert_close(model(images), by_hand, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("mlp", 784 * 128 + 128 + 128 * 10 + 10),
        ("mlp_sequential", 101_770),
        ("cnn", (9 * 16 + 16) + (9 * 16 * 32 + 32) + (7 * 7 * 32 * 10 + 10)),
        (
            "fast_cnn",
            (25 * 24 + 2 * 24) + (9 * 24 * 32 + 2 * 32) + (9 * 32 * 64 + 2 * 64) + (3 * 3 * 64 * 10 + 10),
        ),
        (
            "deep_cnn",
            (25 * 24 + 2 * 24)
            + (9 * 24 * 48 + 2 * 48)
            + (9 * 48 * 96 + 2 * 96)
            + 2 * (9 * 96 * 96 + 2 * 96)
            + (3 * 3 * 96 * 10 + 10),
        ),
    ],
)
def test_parameters_number_as_counted_by_hand(name, by_hand) -> None:
    assert count_parameters(build_model(name)) == by_hand
    assert count_model_parameters(name) == by_hand


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"hidden_sizes": (2048, 1, 7, 300), "input_channels": 3}),
        ("mlp_sequential", {"hidden_sizes": (), "dropout": 0.5}),
        ("cnn", {"channels": (1, 2, 3, 4), "input_size": 32}),
        ("fast_cnn", {"channels": (256, 1, 256)}),
        ("deep_cnn", {"channels": (2, 3, 4), "input_channels": 3, "input_size": 32}),
    ],
)
def test_counting_without_building_gives_the_real_count(name, options) -> None:
    model = build_model(name, **options)
    assert count_model_parameters(name, **options) == sum(weight.numel() for weight in model.parameters())


# --- shapes


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 28), (1, 32)])
def test_every_network_takes_images_of_its_input_shape_and_gives_ten_logits(name, channels, size) -> None:
    model = build_model(name, input_channels=channels, input_size=size)
    assert model.input_shape == (channels, size, size)
    logits = model(random_images(64, channels, size))
    assert logits.shape == (64, 10)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_each_image_of_a_batch_is_read_by_itself_in_eval_mode(name) -> None:
    model, images = build_model(name).eval(), random_images()
    one_by_one = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), one_by_one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_reaches_every_weight(name) -> None:
    model = build_model(name, dropout=0.0)
    F.cross_entropy(model(random_images(32)), torch.arange(32) % 10).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [28, 32])
def test_the_cnn_takes_one_to_four_stages(stages, size) -> None:
    model = build_model("cnn", channels=(4,) * stages, input_size=size)
    assert model(random_images(2, 1, size)).shape == (2, 10)


# --- options


@pytest.mark.parametrize("name", MODELS)
def test_dropout_works_in_train_mode_only(name) -> None:
    with_dropout, without = build_model(name, dropout=0.5), build_model(name, dropout=0.0)
    copy_weights(with_dropout, without)
    images = random_images()
    assert not torch.equal(with_dropout.train()(images), with_dropout(images))
    fresh = build_model(name, dropout=0.5)
    copy_weights(with_dropout, fresh)
    assert torch.equal(fresh.eval()(images), without.eval()(images))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_chosen_activation_and_no_other_is_in_the_network(name, activation) -> None:
    model = build_model(name, activation=activation)
    types = tuple(type(build()) for build in ACTIVATIONS.values())
    found = {type(module) for module in model.modules() if isinstance(module, types)}
    assert found == {type(ACTIVATIONS[activation]())}


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("relu", lambda x: x.clamp(min=0)),
        ("leaky_relu", lambda x: torch.where(x > 0, x, 0.01 * x)),
        ("gelu", lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5))),
        ("silu", lambda x: x / (1 + torch.exp(-x))),
        ("tanh", lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))),
        ("sigmoid", lambda x: 1 / (1 + torch.exp(-x))),
    ],
)
def test_activations_follow_their_formulas(activation, formula) -> None:
    values = torch.linspace(-3, 3, 61)
    torch.testing.assert_close(ACTIVATIONS[activation]()(values), formula(values), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["mlp", "mlp_sequential"])
def test_hidden_sizes_are_the_sizes_of_the_layers(name) -> None:
    model = build_model(name, hidden_sizes=[50, 30, 20])
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(784, 50), (50, 30), (30, 20), (20, 10)]


@pytest.mark.parametrize(
    ("name", "channels", "expected"),
    [
        ("cnn", [3, 5, 7], [3, 5, 7]),
        ("fast_cnn", [3, 5, 7], [3, 5, 7]),
        ("deep_cnn", [3, 5, 7], [3, 5, 7, 7, 7]),
    ],
)
def test_channels_are_the_widths_of_the_convolutions(name, channels, expected) -> None:
    model = build_model(name, channels=channels)
    assert [module.out_channels for module in model.modules() if isinstance(module, nn.Conv2d)] == expected


def test_a_network_that_refuses_has_an_eleventh_logit_in_training_only() -> None:
    model = build_model("deep_cnn", refuses=True, dropout=0.0)
    images = random_images(4, 1, 28)
    in_training = model.train()(images)
    assert in_training.shape == (4, 11)
    assert (in_training[:, 10] == 0).all()
    assert model.eval()(images).shape == (4, 10)
    assert build_model("deep_cnn").train()(images).shape == (4, 10)


def test_a_network_remembers_what_it_is() -> None:
    model = build_model("mlp", hidden_sizes=[50], dropout=0.25)
    assert model.architecture == {
        "model": "mlp",
        "options": {
            "hidden_sizes": (50,),
            "dropout": 0.25,
            "activation": "relu",
            "input_channels": 1,
            "input_size": 28,
        },
    }


@pytest.mark.parametrize("name", MODELS)
def test_what_a_network_remembers_builds_the_same_network(name) -> None:
    model = build_model(name, input_channels=3)
    again = build_model(model.architecture["model"], **model.architecture["options"])
    assert str(again) == str(model)


@pytest.mark.parametrize("name", MODELS)
def test_the_options_of_a_model_are_known_with_their_defaults(name) -> None:
    assert check_model_options(name, {}) == model_options(name)
    assert {"dropout", "activation", "input_channels", "input_size"} < model_options(name).keys()


NONSENSE = [
    ("mlp", "hidden_sizes", 128, "0 to 4 whole numbers, each 1 to 2048"),
    ("mlp", "hidden_sizes", [0], "each 1 to 2048"),
    ("mlp", "hidden_sizes", [2049], "each 1 to 2048"),
    ("mlp", "hidden_sizes", [1] * 5, "0 to 4"),
    ("mlp", "hidden_sizes", [12.0], "whole numbers"),
    ("mlp", "hidden_sizes", [True], "whole numbers"),
    ("mlp", "hidden_sizes", "128", "whole numbers"),
    ("mlp", "hidden_sizes", None, "whole numbers"),
    ("cnn", "channels", [], "1 to 4 whole numbers, each 1 to 256"),
    ("cnn", "channels", [257], "each 1 to 256"),
    ("fast_cnn", "channels", [16, 32], "a list of 3 whole numbers"),
    ("deep_cnn", "channels", [16, 32, 64, 128], "a list of 3 whole numbers"),
    ("mlp", "dropout", -0.1, "0.0 to 0.9"),
    ("mlp", "dropout", 0.95, "0.0 to 0.9"),
    ("mlp", "dropout", float("nan"), "0.0 to 0.9"),
    ("mlp", "dropout", float("inf"), "0.0 to 0.9"),
    ("mlp", "dropout", 10**400, "0.0 to 0.9"),
    ("mlp", "dropout", True, "0.0 to 0.9"),
    ("mlp", "dropout", "0.5", "0.0 to 0.9"),
    ("mlp", "activation", "softmax", "relu, leaky_relu, gelu, silu, tanh, sigmoid"),
    ("mlp", "activation", None, "relu, leaky_relu"),
    ("mlp", "activation", ["relu"], "relu, leaky_relu"),
    ("mlp", "input_channels", 2, "1, 3"),
    ("mlp", "input_channels", True, "1, 3"),
    ("mlp", "input_channels", 3.0, "1, 3"),
    ("cnn", "input_size", 64, "28, 32"),
    ("cnn", "input_size", 28.0, "28, 32"),
]


@pytest.mark.parametrize(("name", "option", "value", "bound"), NONSENSE)
def test_an_option_that_makes_no_sense_is_refused_with_name_value_and_bound(name, option, value, bound) -> None:
    with pytest.raises(ConfigError) as caught:
        build_model(name, **{option: value})
    assert caught.value.field == option
    assert caught.value.value is value
    assert bound in caught.value.bound
    assert option in str(caught.value)
    assert bound in str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_option_is_refused_with_the_known_ones(name) -> None:
    with pytest.raises(ConfigError, match=r"option is 'layers'.*dropout"):
        build_model(name, layers=3)


def test_channels_are_no_option_of_an_mlp_and_hidden_sizes_none_of_a_cnn() -> None:
    with pytest.raises(ConfigError, match="mlp option is 'channels'"):
        build_model("mlp", channels=[3])
    with pytest.raises(ConfigError, match="cnn option is 'hidden_sizes'"):
        build_model("cnn", hidden_sizes=[3])


@pytest.mark.parametrize("name", ["transformer", "", None, 3, ["mlp"], "MLP"])
def test_an_unknown_model_is_refused_with_the_known_ones(name) -> None:
    with pytest.raises(ConfigError, match=r"model is .*mlp, mlp_sequential, cnn, fast_cnn, deep_cnn"):
        build_model(name)
