"""Which pixels spoke for a digit: against linear models by hand, and the axioms that the methods promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mnist_core import MODELS, build_model, load_model, prepare
from mnist_core.data import normalize
from mnist_core.lessons.attribution import (
    METHODS,
    PATCH,
    added_ink,
    attribute,
    gradient_times_input,
    integrated_gradients,
    occlusion,
    places_along,
    strongest_box,
)
from mnist_core.prediction import predict_logits, predict_probabilities

METHODS_WITH_PARTS = [name for name, method in METHODS.items() if method.has_parts]


@pytest.fixture
def seven(draw) -> np.ndarray:
    """A 7 as a network gets it: (28, 28) float32."""
    return prepare(draw([(70, 70), (200, 70), (120, 230)])).image


class Linear:
    """A score that is a sum of weighted pixels, and an image and paper to ask it about."""

    def __init__(self, side: int = 7, channels: int = 1) -> None:
        self.weights = torch.randn(channels, side, side)
        self.paper = normalize(torch.zeros(1, channels, side, side))
        self.image = normalize((torch.rand(1, channels, side, side) - 0.4).clamp(0))

    def score(self, images: Tensor) -> Tensor:
        return (images * self.weights).sum(dim=(1, 2, 3)) + 3

    def by_patches(self, changed: Tensor) -> Tensor:
        """The mean change over the patches that hold a pixel, when they take their pixels from `changed`: slowly."""
        side = self.image.shape[-1]
        total, count = torch.zeros(side, side), torch.zeros(side, side)
        for y in places_along(side):
            for x in places_along(side):
                there = (slice(y, y + PATCH), slice(x, x + PATCH))
                change = (self.weights * (changed - self.image)[0])[:, *there].sum()
                total[there] += change
                count[there] += 1
        return total / count


@pytest.mark.parametrize("measure", [gradient_times_input, integrated_gradients])
@pytest.mark.parametrize("channels", [1, 3])
def test_of_a_linear_model_each_pixel_s_part_is_its_weight_times_its_ink(measure, channels) -> None:
    linear = Linear(channels=channels)
    parts = measure(linear.score, linear.image, linear.paper)
    torch.testing.assert_close(parts[0], linear.weights * (linear.image - linear.paper)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_of_a_linear_model_patches_without_or_full_of_ink_by_hand(channels) -> None:
    linear = Linear(channels=channels)
    without = occlusion(linear.score, linear.image, linear.paper)[0, 0]
    torch.testing.assert_close(without, -linear.by_patches(linear.paper), rtol=1e-4, atol=1e-4)
    ink = normalize(torch.ones_like(linear.paper))
    full = added_ink(linear.score, linear.image, ink)[0, 0]
    torch.testing.assert_close(full, linear.by_patches(ink), rtol=1e-4, atol=1e-4)


def test_integrated_gradients_of_a_square_are_its_growth() -> None:
    image, paper = torch.tensor([[[[3.0, 1.0]]]]), torch.tensor([[[[1.0, 1.0]]]])
    parts = integrated_gradients(lambda images: (images**2).sum(dim=(1, 2, 3)), image, paper)
    torch.testing.assert_close(parts, torch.tensor([[[[9.0 - 1.0, 0.0]]]]))
    near = gradient_times_input(lambda images: (images**2).sum(dim=(1, 2, 3)), image, paper)
    torch.testing.assert_close(near, torch.tensor([[[[2 * 3.0 * 2.0, 0.0]]]]))  # the gradient here, and only here


@pytest.mark.parametrize("rather_than", [None, 0])
def test_integrated_gradients_add_up_to_the_difference_to_blank_paper(mnist_test, rather_than) -> None:
    model, errors = load_model(), []
    for image, label in zip(mnist_test.images[4:20], mnist_test.labels[4:20].tolist(), strict=True):
        pixels = (image[0] / 255).numpy()
        digit = label if label != rather_than else 6
        found = attribute(model, pixels, digit, rather_than, "integrated_gradients")
        logits = predict_logits(model, np.stack([pixels, np.zeros_like(pixels)]))
        lead = logits[:, digit] - (0 if rather_than is None else logits[:, rather_than])
        assert [found.score, found.paper_score] == pytest.approx(lead.tolist(), abs=1e-3)
        difference = float(lead[0] - lead[1])
        errors.append(abs(float(found.values.sum()) - difference) / abs(difference))
    assert np.mean(errors) < 0.03
    assert max(errors) < 0.1


@pytest.mark.parametrize("activation", ["tanh", "silu", "sigmoid"])
@pytest.mark.parametrize("name", MODELS)
def test_without_kinks_the_sum_is_all_but_exact(name, activation, seven) -> None:
    model = build_model(name, activation=activation).eval()
    found = attribute(model, seven, 7, 9, "integrated_gradients")
    pools = any(isinstance(module, nn.MaxPool2d) for module in model.modules())  # and the largest of some has kinks too
    assert float(found.values.sum()) == pytest.approx(
        found.score - found.paper_score, rel=5e-2 if pools else 5e-3, abs=1e-4
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", [{}, {"input_channels": 3, "input_size": 32}])
@pytest.mark.parametrize("name", MODELS)
def test_rather_than_another_digit_is_one_attribution_less_the_other(name, options, method, seven) -> None:
    model = build_model(name, **options).eval().requires_grad_(False)
    seven_alone, nine_alone = (attribute(model, seven, digit, None, method).values for digit in (7, 9))
    both = attribute(model, seven, 7, 9, method)
    assert both.values.shape == model.input_shape[1:]
    np.testing.assert_allclose(both.values, seven_alone - nine_alone, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_digit_it_is_the_most_probable_one_and_rather_than_itself_is_nothing(method, seven) -> None:
    found = attribute(load_model(), seven, None, 7, method)
    assert (found.digit, found.rather_than) == (7, None)
    np.testing.assert_array_equal(found.values, attribute(load_model(), seven, 7, None, method).values)


@pytest.mark.parametrize("method", METHODS_WITH_PARTS)
def test_where_there_is_no_ink_a_pixel_has_no_part(method, seven) -> None:
    found = attribute(load_model(), seven, 7, 1, method)
    assert (found.values[seven == 0] == 0).all()
    np.testing.assert_allclose(found.picture, seven, atol=1e-6)


def test_a_drawing_in_colour_is_explained_in_its_colours(draw) -> None:
    ink = draw([(70, 70), (200, 70), (120, 230)])
    colours = prepare(np.stack([ink, ink // 2, np.zeros_like(ink)], axis=2), in_colour=True).seen
    model = build_model("mlp", hidden_sizes=(), input_channels=3, input_size=32)
    weights = model.output.weight[7].detach().view(3, 32, 32).numpy()
    ink_size = float(normalize(torch.tensor(1.0), in_colour=True) - normalize(torch.tensor(0.0), in_colour=True))
    for method in METHODS_WITH_PARTS:
        found = attribute(model, colours, 7, None, method)
        np.testing.assert_allclose(found.values, (weights * colours * ink_size).sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.picture, colours.max(axis=0), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_what_was_measured_is_what_the_network_says_of_the_changed_picture(method, seven) -> None:
    model = load_model()
    found = attribute(model, seven, 7, 2, method)
    np.testing.assert_allclose(found.probabilities, predict_probabilities(model, seven), atol=1e-6)
    regions = [region for region in (found.strongest_for, found.strongest_against) if region is not None]
    assert regions
    for region in regions:
        left, top, right, bottom = region.box
        changed = seven.copy()
        changed[top:bottom, left:right] = 1.0 if METHODS[method].adds_ink else 0.0
        np.testing.assert_allclose(region.probabilities, predict_probabilities(model, changed), atol=1e-5)
        logits = predict_logits(model, changed[None])[0]
        assert region.score == pytest.approx(float(logits[7] - logits[2]), abs=1e-3)


def test_of_a_picture_without_ink_nothing_speaks_for_anything(seven) -> None:
    for method in [*METHODS_WITH_PARTS, "occlusion"]:
        found = attribute(load_model(), np.zeros_like(seven), 7, None, method)
        assert not found.values.any()
        assert found.strongest_for is None
        assert found.strongest_against is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("frozen", [True, False])
def test_the_network_is_left_as_it_was(method, frozen, seven) -> None:
    model = build_model("deep_cnn", channels=(4, 5, 6)).requires_grad_(not frozen)  # in training mode
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():  # an attribution does not depend on who asks for it
        attribute(model, seven, 3, None, method)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(weights.grad is None and weights.requires_grad is not frozen for weights in model.parameters())
    assert all(module.training for module in model.modules())


def test_the_strongest_square_is_the_one_that_a_search_finds() -> None:
    values = np.random.default_rng(0).normal(size=(9, 9)).astype(np.float32)
    sums = {
        (x, y, x + 3, y + 3): values[y : y + 3, x : x + 3].sum() for y in range(7) for x in range(7)
    }  # fmt: skip
    assert strongest_box(values, 3) == max(sums, key=sums.__getitem__)


@pytest.mark.parametrize("side", [4, 5, 6, 7, 28, 32])
def test_every_pixel_of_a_side_is_in_a_patch(side) -> None:
    covered = {pixel for start in places_along(side) for pixel in range(start, start + PATCH)}
    assert covered == set(range(side))


def test_a_network_with_one_weight_per_logit_is_explained_by_its_weights() -> None:
    class Pixel(nn.Module):
        """Logit k is k times the pixel in the middle."""

        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.Parameter(torch.arange(10.0), requires_grad=False)

        def forward(self, images: Tensor) -> Tensor:
            return images[:, 0, 14, 14, None] * self.weights

    image = np.full((28, 28), 0.5, np.float32)
    ink = float(normalize(torch.tensor(0.5)) - normalize(torch.tensor(0.0)))
    for method in METHODS_WITH_PARTS:
        found = attribute(Pixel(), image, 7, 4, method)
        assert found.values[14, 14] == pytest.approx((7 - 4) * ink, rel=1e-5)
        assert np.count_nonzero(found.values) == 1
