"""Which digits each stage favours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mnist_core import MODELS, build_model, load_model
from mnist_core.colour import coloured
from mnist_core.data import normalize
from mnist_core.lessons.readouts import Readout, balanced, fit_readouts, nearness
from mnist_core.lessons.tracing import trace
from mnist_core.prediction import as_input


def test_so_many_of_each_digit_are_the_first_ones_with_memory_of_their_own(mnist_test) -> None:
    few = balanced(mnist_test, 3)
    assert few.labels.bincount().tolist() == [3] * 10
    for digit in range(10):
        first = (mnist_test.labels == digit).nonzero()[:3, 0]
        assert torch.equal(few.images[3 * digit : 3 * digit + 3], mnist_test.images[first])
    assert few.images.untyped_storage().nbytes() == 30 * 784


def test_what_can_be_read_from_the_pixels_alone_by_hand(mnist_train, mnist_test) -> None:
    train, test = balanced(mnist_train, 12), balanced(mnist_test, 7)  # more than one portion of images
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    first = fit_readouts(model, train, test)[0]
    pixels, others = (normalize(digits.images).flatten(1).numpy() for digits in (train, test))
    means = np.stack([pixels[train.labels.numpy() == digit].mean(axis=0) for digit in range(10)])
    np.testing.assert_allclose(first.means.numpy(), means, atol=1e-5)
    nearest = [np.argmin([np.linalg.norm(image - mean) for mean in means]) for image in others]
    assert first.accuracy == pytest.approx(np.mean(np.array(nearest) == test.labels.numpy()))


@pytest.mark.parametrize("options", [{}, {"input_channels": 3, "input_size": 32}])
@pytest.mark.parametrize("name", MODELS)
def test_every_stage_of_every_network_has_its_readout(name, options, mnist_test) -> None:
    model = build_model(name, **options)
    few = balanced(mnist_test, 1)
    readouts = fit_readouts(model, few, few)
    layers = trace(model, as_input(few.images[:1, 0].float().div(255).numpy(), model))
    assert len(readouts) == len(layers)
    for readout, layer in zip(readouts, layers, strict=True):
        near = nearness(readout, layer.maps)  # of the one 0 that the averages are of
        assert near.shape == (10,)
        assert near.argmax() == 0
        assert near[0] == pytest.approx(1, abs=1e-3)


def test_the_further_into_a_trained_network_the_more_can_be_read(mnist_train, mnist_test) -> None:
    readouts = fit_readouts(load_model(), balanced(mnist_train, 20), balanced(mnist_test, 10))
    accuracies = [readout.accuracy for readout in readouts]
    assert accuracies[0] < 0.8
    assert accuracies[-1] > 0.95
    assert np.corrcoef(accuracies, np.arange(len(accuracies)))[0, 1] > 0.8


def test_nearness_is_the_distance_as_a_share_of_the_longest() -> None:
    means = torch.tensor([[3.0, 4.0], [0.0, 0.0], *[[6.0, 8.0]] * 8])
    near = nearness(Readout(means, 0.0), np.zeros((2, 1, 1), np.float32))
    np.testing.assert_allclose(near, [0.5, 1.0, *[0.0] * 8], atol=1e-6)
    assert nearness(Readout(torch.zeros(10, 2), 0.0), np.zeros(2, np.float32)).tolist() == [0.0] * 10


def test_a_network_for_colours_is_held_against_digits_in_colour(mnist_test) -> None:
    few = balanced(mnist_test, 2)
    model = build_model("mlp", input_channels=3, input_size=32)
    in_colour = coloured(few)
    first = fit_readouts(model, in_colour, in_colour)[0]
    pixels = normalize(in_colour.images, in_colour=True).flatten(1)
    means = torch.stack([pixels[in_colour.labels == digit].mean(dim=0) for digit in range(10)])
    torch.testing.assert_close(first.means, means, rtol=1e-4, atol=1e-4)
