"""A picture file decoded in a bounded amount of memory and time: what it would take is told before it is decoded."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from mnist_core.errors import DrawingError
from mnist_core.messages import Message, say

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
MOST_PIXELS = 25_000_000
MOST_BYTES = 35_000_000  # that the decoder may take: a sheet of A4 in colour at 300 dots an inch
MOST_ACROSS = 50_000  # pixels of a side: rows are converted as wholes
MOST_RUNS = 1_000_000  # pixels of a BMP file of runs, which Pillow unpacks in Python, one by one
LARGEST_TILE = 4_000_000  # pixels of a TIFF file's tiles, whatever the picture's size
MOST_SCANS = 100  # of a JPEG file, each of which goes over the whole picture; there are ten at most
LONGEST_SIDE = 1024  # pixels; larger pictures are reduced
BAND = 2**18  # pixels that are converted at a time

PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2}  # of a decoded pixel; 4 in all other modes
# How often its decoder holds the picture: that of WebP on several canvases, that of TIFF strip by strip, and turned.
COPIES = {"WEBP": 4, "TIFF": 3}
RUNS = (1, 2)  # how a BMP file says that it is packed as runs of equal pixels
SCAN = b"\xff\xda"  # with which each scan of a JPEG begins; among its numbers no ff is followed by da

PngImagePlugin.MAX_TEXT_MEMORY = 2**20  # bytes of unpacked notes; Pillow itself would take 64 MB


def decode(content: bytes, name: Message) -> Image.Image:
    """The first frame, upright, at most LONGEST_SIDE a side, as grey and opacity (mode LA).

    Raises:
        DrawingError: when the picture is too large. Whatever else Pillow raises at a damaged one.
    """
    source = io.BytesIO(content)
    with Image.open(source, formats=FORMATS) as image:
        check_cost(image, content, source.tell(), name)
        image.load()
        orientation = image.getexif().get(ExifTags.Base.Orientation)  # a TIFF is upright by now, and says so
        small = reduced(image)
    if orientation is not None:
        small.getexif()[ExifTags.Base.Orientation] = orientation
        ImageOps.exif_transpose(small, in_place=True)
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return small


def check_cost(image: Image.Image, content: bytes, place: int, name: Message) -> None:
    """Raise a DrawingError when an opened picture would take too much to decode; JPEGs are told to shrink meanwhile.

    Args:
        place: in the file's content, where Pillow has stopped reading: in a JPEG where the numbers of a scan begin.
    """
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        raise DrawingError(
            say(
                "{picture} has {width:,} x {height:,} pixels; at most {most} million are read. "
                "Make it smaller, or crop it.",
                picture=name,
                width=image.width,
                height=image.height,
                most=MOST_PIXELS // 1_000_000,
            )
        )
    size = image.size
    coefficients = coefficient_bytes(image, content[:place])
    image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is decoded at a half, a quarter or an eighth
    decoded = image.width * image.height * PIXEL_BYTES.get(image.mode, 4) * COPIES.get(image.format or "", 1)
    scans = content.count(SCAN, place) if image.format == "JPEG" else 0
    of_runs = image.format == "BMP" and image.info.get("compression") in RUNS and pixels > MOST_RUNS
    too_much = decoded + coefficients > MOST_BYTES or tile_pixels(image) > LARGEST_TILE or scans > MOST_SCANS
    if too_much or of_runs or max(size) > MOST_ACROSS:
        raise DrawingError(
            say(
                "{picture} has {width:,} x {height:,} pixels, and takes too much to decode. "
                "Save it as an ordinary JPEG file, or make it smaller.",
                picture=name,
                width=size[0],
                height=size[1],
            )
        )


def coefficient_bytes(image: Image.Image, head: bytes) -> int:
    """What a JPEG keeps until its last scan, two bytes for each number of each channel; 0 when it has one scan only."""
    if image.format != "JPEG":
        return 0
    channels = image.layers  # type: ignore[attr-defined]
    whole_scan = SCAN + bytes((0, 6 + 2 * channels, channels))  # its mark, length, and how many channels are in it
    is_last = "progressive" not in image.info and head[-8 - 2 * channels :].startswith(whole_scan)
    if is_last:
        return 0
    sampled = [across * down for _channel, across, down, _table in image.layer]  # type: ignore[attr-defined]
    kept: int = 2 * image.width * image.height * sum(sampled) // max(1, *sampled)
    return kept


def tile_pixels(image: Image.Image) -> int:
    """How many pixels each tile of a TIFF file has; 0 for other pictures."""
    tags = getattr(image, "tag_v2", {})
    sides = tags.get(322, 0), tags.get(323, 0)
    return sides[0] * sides[1] if all(isinstance(side, int) for side in sides) else LARGEST_TILE + 1


def reduced(image: Image.Image) -> Image.Image:
    """The picture as grey and opacity, by a whole number of times smaller, but not below LONGEST_SIDE.

    It is converted in bands: as a whole it would be several times its size in between.
    """
    times = max(1, max(image.size) // LONGEST_SIDE)
    rows = times * max(1, BAND // (times * image.width))
    boxes = [(0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)]
    deep = image.mode.startswith(("I", "F"))
    brightest = max(float(greys_of(image.crop(box)).max()) for box in boxes) if deep else 0.0
    see_through = image.has_transparency_data or image.mode in ("1", "P")  # palette numbers must not be averaged
    whole = Image.new("LA", (math.ceil(image.width / times), math.ceil(image.height / times)))
    for box in boxes:
        band = image.crop(box)
        if deep:
            band = in_8_bits(band, brightest)
        elif see_through:
            band = band.convert("RGBA")
        whole.paste(band.convert("RGBA").convert("LA").reduce(times), (0, box[1] // times))
    return whole


def greys_of(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The greys (H, W) float32 of a picture of 16-bit, 32-bit or floating-point ones, 0 for what is no number."""
    return np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)


def in_8_bits(image: Image.Image, brightest: float) -> Image.Image:
    """Such greys in 0..255, from the full scale that the brightest of the whole picture needs."""
    full_scale = next((scale for scale in (1, 255, 4095, 65535) if brightest <= scale), brightest)
    return Image.fromarray((greys_of(image).clip(0) * (255 / full_scale)).astype(np.uint8))
