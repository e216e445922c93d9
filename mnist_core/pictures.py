"""Picture files as ink: photographs, scans and screenshots, dark on light or light on dark."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mnist_core.decoding import decode
from mnist_core.drawing import Ink
from mnist_core.errors import DrawingError
from mnist_core.messages import say
from mnist_core.photos import Grey, ink_on_paper, widened

LARGEST_FILE = 10_000_000  # bytes
LEAST_CONTRAST = 20.0  # grey levels of 255 between paper and ink; below it nothing was drawn
EVEN = 4.0  # grey levels by which clean paper may differ from itself, as a JPEG makes it
SMALLEST_PHOTOGRAPH = 64  # pixels of the longer side
FAINT = 90.0  # grey levels; clean drawings differ more from their paper
WIDEST_STROKE = 0.3  # of a clean drawing, as a share of the longer side

# Silencing warnings is process-wide, and a picture takes up to 50 MB while it is read: one at a time.
_decoding = threading.Lock()


def read_picture(path_or_bytes: Path | str | bytes) -> Ink:
    """The ink in a picture file, or in its content: light on dark or dark on light, upright, at full contrast.

    Returns:
        (H, W) uint8, 0 = paper, 255 = pen, at most 1024 a side; all 0 when the picture is of one colour.

    Raises:
        DrawingError: names the file and what to do when it is missing, too large, damaged or no picture.
    """
    if isinstance(path_or_bytes, bytes):
        name, content = say("The picture"), path_or_bytes
    else:
        path = Path(path_or_bytes)
        name, content = say("The picture {path}", path=str(path_or_bytes)), read_file(path)
    if len(content) > LARGEST_FILE:
        most = LARGEST_FILE // 1_000_000
        raise DrawingError(
            say("{picture} has more than {most} MB. Make it smaller, or crop it.", picture=name, most=most)
        )
    try:
        with _decoding, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = decode(content, name)
    except DrawingError:
        raise
    except UnidentifiedImageError as error:
        raise DrawingError(
            say(
                "{picture} is none that can be read. Save it as a PNG or JPEG file of ordinary size and try again.",
                picture=name,
            )
        ) from error
    except Image.DecompressionBombError as error:
        raise DrawingError(
            say(
                "{picture} has too many pixels. Save it as a PNG or JPEG file of ordinary size and try again.",
                picture=name,
            )
        ) from error
    except Exception as error:  # a hostile file can make a decoder raise anything
        raise DrawingError(
            say(
                "{picture} is damaged ({error}). Save it anew as a PNG or JPEG file and try again.",
                picture=name,
                error=str(error),
            )
        ) from error
    with _decoding:
        grey = on_paper(image)
        return stretch(grey) if is_clean(grey) else ink_on_paper(grey)


def read_file(path: Path) -> bytes:
    """The content of a picture file, at most one byte more than may be read."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DrawingError(
            say("The picture {path} cannot be read ({error}). Check its name.", path=str(path), error=error.strerror)
        ) from error


def on_paper(image: Image.Image) -> Grey:
    """Lay what can be seen through on paper: (H, W) greys.

    A picture whose border is transparent is a drawing without paper: it gets white paper, or black when its strokes
    are light. Otherwise the paper continues as it is at the border.
    """
    pixels = np.asarray(image, np.float32)  # (H, W, 2)
    grey, opacity = pixels[..., 0], pixels[..., 1] / np.float32(255)
    solid = border(opacity) >= 0.5
    if solid.mean() > 0.5:
        paper = float(np.median(border(grey)[solid]))
    else:
        ink = (grey * opacity).sum() / max(float(opacity.sum()), 1.0)
        paper = 0.0 if ink > 127 else 255.0
    return np.asarray(paper + (grey - paper) * opacity, np.float32)


def is_clean(grey: Grey) -> bool:
    """Whether all is even paper but the ink and its soft edges: a drawing or a good scan, no photograph."""
    if max(grey.shape) < SMALLEST_PHOTOGRAPH:
        return True
    distance = np.abs(grey - np.median(border(grey)))
    ink = distance > distance.max() / 3
    if distance.max() < FAINT:  # what is there may be ruled lines
        return bool(distance.max() < LEAST_CONTRAST)
    beside_ink = widened(np.pad(~ink, 1, constant_values=True), round(WIDEST_STROKE * max(ink.shape) / 2))
    if ink.mean() > 0.5 or not beside_ink.all():  # no stroke is so wide: a shadow, or the sheet on a table
        return False
    stained = (distance > EVEN) & ~widened(ink, max(8, max(grey.shape) // 40))
    return bool(stained.mean() < 0.01)


def stretch(grey: Grey) -> Ink:
    """Bring the paper to 0 and the ink to 255; what the paper is, the border tells."""
    edge = border(grey)
    paper = np.median(edge)
    distance = paper - grey  # how far from the paper towards black
    if (distance**3).sum() < 0:  # cubed: ink is few and far from the paper, uneven light is everywhere but near
        distance = -distance
    noise = 3 * np.median(np.abs(edge - paper))
    marked = distance[distance > max(noise, distance.max() / 4)]
    ink = np.percentile(marked, 90) if marked.size else 0.0  # not the maximum: a single speck must not decide
    if ink < LEAST_CONTRAST:
        return np.zeros(grey.shape, np.uint8)
    shares = ((distance - noise) / (ink - noise)).clip(0, 1)
    return np.asarray(np.round(shares * 255), np.uint8)


def border(pixels: Grey) -> Grey:
    """The outermost pixels: (H, W) -> (N,)."""
    return np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
