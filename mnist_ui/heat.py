"""Numbers as colours: orange above zero, blue below it, black at zero, as ink on a black canvas is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnist_core.drawing import Ink

# From black over the page's orange and blue to a light tint; told apart by colour-blind people, and by lightness alone.
ABOVE = [(0, 0, 0), (217, 115, 13), (255, 225, 180)]
BELOW = [(0, 0, 0), (47, 134, 201), (190, 228, 255)]
TURNS = (0.0, 0.65, 1.0)  # where on the way from zero to the scale these colours lie
FADED = 0.3  # of a drawing under its heat

LEGEND_STYLE = """<style>
.heat-legend { display: flex; align-items: center; gap: 8px; font-size: .85rem; flex-wrap: wrap; }
.heat-legend i { display: inline-block; width: 120px; height: 10px; border-radius: 5px;
  background: linear-gradient(90deg, #bee4ff, #2f86c9 17.5%, #000 50%, #d9730d 82.5%, #ffe1b4); }
</style>"""


def heat(values: NDArray[np.float32], scale: float) -> Ink:
    """Numbers as colours: (H, W) float32 -> (H, W, 4) uint8, the lightest for ± `scale`; NaN is transparent."""
    size = np.abs(np.nan_to_num(values)) / (scale or 1.0)
    above, below = along(ABOVE, size), along(BELOW, size)
    colours = np.where((values > 0)[..., None], above, below)
    opacity = np.where(np.isnan(values), 0.0, 255.0)[..., None]
    return np.asarray(np.concatenate([colours, opacity], axis=-1).round(), np.uint8)


def heat_over(picture: NDArray[np.float32], values: NDArray[np.float32], scale: float) -> Ink:
    """A drawing (H, W), 0 = paper and 1 = ink, in grey, and over it numbers (H, W) as colours: (H, W, 4) uint8."""
    share = (np.abs(values) / (scale or 1.0)).clip(0, 1)[..., None]
    grey = 255 * FADED * picture.clip(0, 1)[..., None]
    colours = heat(values, scale).astype(np.float64)
    colours[..., :3] = np.maximum(colours[..., :3], (1 - share) * grey)
    return np.asarray(colours.round(), np.uint8)


def along(colours: list[tuple[int, int, int]], size: NDArray[np.float32]) -> NDArray[np.float64]:
    """The colours between these, at 0..1: (H, W) -> (H, W, 3)."""
    channels = [np.interp(size, TURNS, [colour[channel] for colour in colours]) for channel in range(3)]
    return np.stack(channels, axis=-1)


def legend_html(below: str, above: str) -> str:
    """The scale with a word at either end."""
    return f'{LEGEND_STYLE}<div class="heat-legend"><span>{below}</span><i></i><span>{above}</span></div>'
