"""Augmented images: like the ones they come from, and equal when the generator is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_core import augmentation
from mnist_core.augmentation import augment, change_stroke_width, largest_nearby, uniform, warp
from mnist_core.data import normalize


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images(mnist_test) -> Tensor:
    return normalize(mnist_test.images[:200])


@pytest.fixture
def no_change(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Every random amount of the warp at nothing."""
    for constant in ("DEGREES", "SLANT", "SHIFT", "BEND"):
        monkeypatch.setattr(augmentation, constant, 0.0)
    monkeypatch.setattr(augmentation, "SCALES", (1.0, 1.0))
    return monkeypatch


@pytest.mark.parametrize("change", [augment, warp, change_stroke_width])
@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (3, 3, 32, 32), (1, 1, 28, 28)])
def test_shape_dtype_and_range_are_kept(change, shape) -> None:
    before = torch.rand(shape, generator=generator())
    after = change(before, generator())
    assert after.shape == before.shape
    assert after.dtype == torch.float32
    assert before.min() - 1e-6 <= after.min()
    assert after.max() <= before.max() + 1e-6


def test_equal_generators_give_equal_images_and_others_others(images) -> None:
    assert torch.equal(augment(images, generator(5)), augment(images, generator(5)))
    assert not torch.equal(augment(images, generator(5)), augment(images, generator(6)))


def test_the_same_generator_goes_on_to_other_images(images) -> None:
    ongoing = generator()
    assert not torch.equal(augment(images, ongoing), augment(images, ongoing))


def test_the_images_and_torchs_own_generator_are_left_alone(images) -> None:
    before, state = images.clone(), torch.get_rng_state()
    augment(images, generator())
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_each_image_of_a_batch_is_changed_in_its_own_way(images) -> None:
    same = images[:1].expand(20, -1, -1, -1)
    assert len(torch.unique(augment(same, generator()), dim=0)) == 20


def test_empty_paper_stays_empty() -> None:
    paper = torch.full((20, 1, 28, 28), -0.4242)
    torch.testing.assert_close(augment(paper, generator()), paper)


def test_the_border_stays_paper_around_a_small_digit() -> None:
    dots = torch.zeros(200, 1, 28, 28)
    dots[:, :, 12:16, 12:16] = 1
    after = augment(dots, generator())
    assert (after.flatten(1).sum(dim=1) > 0).all()
    border = torch.ones(28, 28, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    assert after[:, 0, border].abs().max() == 0


def test_a_warp_with_every_amount_at_nothing_changes_nothing(images, no_change) -> None:
    torch.testing.assert_close(warp(images, generator()), images, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_scaling_scales_the_ink_by_its_square(scale, no_change) -> None:
    no_change.setattr(augmentation, "SCALES", (scale, scale))
    square = torch.zeros(1, 1, 28, 28)
    square[:, :, 10:18, 10:18] = 1
    assert warp(square, generator()).sum().item() == pytest.approx(64 * scale**2, rel=0.02)


def upright_bars() -> torch.Tensor:
    """200 upright bars in the middle of their pictures: (200, 1, 56, 56)."""
    bars = torch.zeros(200, 1, 56, 56)
    bars[:, :, 8:48, 26:30] = 1
    return bars


def slopes_along(images: torch.Tensor) -> torch.Tensor:
    """The slope of x over y along the bar in each picture: (N, 56, 56) -> (N,)."""
    ys, xs = torch.meshgrid(torch.arange(56.0) - 27.5, torch.arange(56.0) - 27.5, indexing="ij")
    return (images * xs * ys).sum(dim=(1, 2)) / (images * ys**2).sum(dim=(1, 2))


def test_a_turn_is_as_wide_as_allowed_and_goes_both_ways(no_change) -> None:
    no_change.setattr(augmentation, "DEGREES", 15.0)
    after = warp(upright_bars(), generator())[:, 0]
    slopes = slopes_along(after)
    degrees = torch.rad2deg(slopes.atan())
    assert 13 < degrees.max() < 16
    assert -16 < degrees.min() < -13
    assert degrees.mean().abs() < 2
    torch.testing.assert_close(after.sum(dim=(1, 2)), torch.full((200,), 160.0), rtol=0.01, atol=0)


def test_a_slant_moves_the_rows_sideways_and_keeps_their_height(no_change) -> None:
    no_change.setattr(augmentation, "SLANT", 0.3)
    bars = upright_bars()
    after = warp(bars, generator())[:, 0]
    slopes = slopes_along(after)
    assert 0.27 < slopes.max() < 0.31
    assert -0.31 < slopes.min() < -0.27
    torch.testing.assert_close(after.sum(dim=2), bars[:, 0].sum(dim=2), rtol=1e-3, atol=1e-3)


def test_a_shift_moves_the_digit_and_keeps_its_ink(no_change) -> None:
    no_change.setattr(augmentation, "SHIFT", 0.14)
    square = torch.zeros(200, 1, 28, 28)
    square[:, :, 10:18, 10:18] = 1
    after = warp(square, generator())[:, 0]
    torch.testing.assert_close(after.sum(dim=(1, 2)), torch.full((200,), 64.0), rtol=1e-3, atol=0)
    across = (after.sum(dim=1) @ (torch.arange(28.0) + 0.5)) / 64 - 14
    assert across.abs().max() <= 2
    assert across.max() > 1.5
    assert across.min() < -1.5


def neighbourhood(images: Tensor) -> Tensor:
    """The 3 x 3 pixels around each pixel, outside counted as the nearest inside: (N, 1, H, W) -> (N, 9, H, W)."""
    return F.unfold(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3).reshape(len(images), 9, *images.shape[2:])


def test_strokes_get_thicker_or_thinner_by_at_most_a_pixel(images) -> None:
    after, around = change_stroke_width(images, generator()), neighbourhood(images)
    thickest, thinnest = around.amax(dim=1, keepdim=True), around.amin(dim=1, keepdim=True)
    assert (after <= thickest + 1e-6).all()
    assert (after >= thinnest - 1e-6).all()
    thicker = (after >= images - 1e-6).flatten(1).all(dim=1)
    thinner = (after <= images + 1e-6).flatten(1).all(dim=1)
    assert (thicker | thinner).all()


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 7, 5), (1, 1, 1, 1)])
def test_the_largest_nearby_is_what_a_pool_of_three_by_three_finds(shape) -> None:
    values = torch.randn(shape, generator=generator())
    before = values.clone()
    assert torch.equal(largest_nearby(values), F.max_pool2d(values, kernel_size=3, stride=1, padding=1))
    assert torch.equal(values, before)


def test_ink_grows_in_some_images_and_shrinks_in_others(images) -> None:
    ink_before = images.mean(dim=(1, 2, 3))
    ink_after = change_stroke_width(images, generator()).mean(dim=(1, 2, 3))
    assert (ink_after > ink_before + 0.05).sum() > 40
    assert (ink_after < ink_before - 0.05).sum() > 40


def test_uniform_numbers_fill_their_range() -> None:
    numbers = uniform(10_000, -2.0, 6.0, generator())
    assert -2 <= numbers.min() < -1.99
    assert 5.99 < numbers.max() <= 6
    assert numbers.mean().item() == pytest.approx(2, abs=0.1)
