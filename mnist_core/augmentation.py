"""Training images as other hands might have drawn them: turned, slanted, bent, thinner and thicker."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Sizes and places differ little: every drawing is fitted and centred before it is read.
DEGREES = 10.0
SLANT = 0.15  # horizontal shift per unit of height
SCALES = (0.88, 1.12)  # of width and height, each by itself
SHIFT = 0.07  # of half the picture: 1 pixel of 28
BEND = 0.045  # standard deviation of the elastic bends, of half the picture: 0.6 pixels of 28


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image of a batch warped and its strokes thinned or thickened, all at random.

    Args:
        images: (N, C, H, W) float32, 0..1 or normalised; the border is background.
        generator: on the CPU; equal states give equal results.

    Returns:
        (N, C, H, W) float32, within the range of `images`.
    """
    return change_stroke_width(warp(images, generator), generator)


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """(count,) float32 numbers, each as likely from low to high."""
    return torch.rand(count, generator=generator) * (high - low) + low


def warp(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random affine map and smooth elastic bends (after Simard, Steinkraus and Platt, 2003) in one resampling."""
    count, _, height, width = images.shape
    angle = uniform(count, -math.radians(DEGREES), math.radians(DEGREES), generator)
    slant = uniform(count, -SLANT, SLANT, generator)
    wide, tall = 1 / uniform(count, *SCALES, generator), 1 / uniform(count, *SCALES, generator)
    right, down = uniform(count, -SHIFT, SHIFT, generator), uniform(count, -SHIFT, SHIFT, generator)
    cos, sin = angle.cos(), angle.sin()
    # grid_sample asks where each pixel of the result comes from, so this is the inverse of what the eye sees.
    rows = [wide * cos, wide * (slant * cos - sin), right, tall * sin, tall * (slant * sin + cos), down]
    affine = torch.stack(rows, dim=1).reshape(count, 2, 3)  # 6 x (N,) -> (N, 2, 3)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)  # -> (N, H, W, 2)
    bends = BEND * torch.randn(count, 2, 4, 4, generator=generator)
    bends = F.interpolate(bends, (height, width), mode="bicubic")  # (N, 2, 4, 4) -> (N, 2, H, W)
    return F.grid_sample(images, grid + bends.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def change_stroke_width(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blend each image with its dilation (thicker) or its erosion (thinner), by up to about half."""
    thicker, thinner = largest_nearby(images), -largest_nearby(-images)
    amount = uniform(len(images), -0.4, 0.6, generator)[:, None, None, None]  # (N,) -> (N, 1, 1, 1)
    towards = torch.where(amount > 0, thicker, thinner)
    return images.lerp(towards, amount.abs())


def largest_nearby(images: Tensor) -> Tensor:
    """The largest of each pixel and its eight neighbours: (N, C, H, W) -> the same; the tallest, then the widest.

    What F.max_pool2d(images, 3, stride=1, padding=1) gives, in a fifth of its time on a CPU.
    """
    tallest = images.clone()
    torch.maximum(tallest[:, :, 1:], images[:, :, :-1], out=tallest[:, :, 1:])
    torch.maximum(tallest[:, :, :-1], images[:, :, 1:], out=tallest[:, :, :-1])
    widest = tallest.clone()
    torch.maximum(widest[..., 1:], tallest[..., :-1], out=widest[..., 1:])
    torch.maximum(widest[..., :-1], tallest[..., 1:], out=widest[..., :-1])
    return widest
