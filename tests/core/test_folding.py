"""A folded network against the one that it was made from."""

import pytest
import torch
from torch import nn

from mnist_core.folding import folded
from mnist_core.models import MODELS, build_model


def trained_for_a_moment(name: str) -> nn.Module:
    """A network whose batch norms have seen images, so that none of them leaves its input as it is."""
    torch.manual_seed(3)
    model = build_model(name)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    model(torch.randn(64, 1, 28, 28))
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_folded_network_answers_as_the_one_that_it_was_made_from(name: str) -> None:
    model = trained_for_a_moment(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    reader = folded(model)
    images = torch.randn(16, 1, 28, 28)
    assert model.training, "the network itself is left as it was"
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(reader(images), model.eval()(images), rtol=1e-4, atol=1e-4)


def test_no_batch_norm_is_left_behind_a_convolution() -> None:
    assert not [module for module in folded(build_model("deep_cnn")).modules() if isinstance(module, nn.BatchNorm2d)]


def test_a_folded_network_keeps_what_reading_asks_of_it() -> None:
    reader = folded(build_model("deep_cnn", refuses=True))
    assert reader.refuses
    assert reader.input_shape == (1, 28, 28)
    assert not reader.training
    assert not any(weights.requires_grad for weights in reader.parameters())
