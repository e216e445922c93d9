"""What the browser sends for a drawing is believed only when a canvas of ours could have sent it."""

from __future__ import annotations

import base64
import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mnist_ui.visitor import Drawing

PAPER = "hsl(3, 0%, 0%)"
STROKES = {"version": "7.0", "objects": [{"type": "Path"}], "background": PAPER}


def read_ink(json_data: object, url: object) -> Drawing | None:
    from streamlit_drawable_canvas import CanvasResult  # can be imported only where Streamlit has been running

    from mnist_ui import canvas

    return canvas.read_ink(CanvasResult(json_data, url, return_image_data=True), PAPER)


def data_url(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def picture_bytes(picture: Image.Image, picture_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, format=picture_format)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def forged_png(width: int, height: int, rows: int | None = None) -> bytes:
    """A small file that claims to be, and when `rows` is None unpacks to, a black picture of this size."""
    packer = zlib.compressobj(9)
    line = bytes(width + 1)
    packed = b"".join(packer.compress(line) for _ in range(height if rows is None else rows)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + header(width, height) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def drawn_picture() -> Image.Image:
    """A canvas as the browser sends it: white ink on black, RGBA."""
    picture = Image.new("RGBA", (280, 280), "#000000")
    picture.paste("#ffffff", (100, 40, 120, 240))
    return picture


REAL = picture_bytes(drawn_picture())


def test_a_real_drawing_is_taken_as_it_is() -> None:
    drawing = read_ink(STROKES, data_url(REAL))
    assert drawing.objects == ({"type": "Path"},)
    assert drawing.sent == REAL
    assert drawing.ink.shape == (280, 280)
    assert drawing.ink.dtype == np.uint8
    assert (drawing.ink[40:240, 100:120] == 255).all()
    assert drawing.ink.sum() == 255 * 200 * 20


def test_before_the_first_stroke_there_is_nothing_to_take() -> None:
    assert read_ink(STROKES, None) is None


@pytest.mark.parametrize("paper", ["hsl(2, 0%, 0%)", "#000000", "", None, 3, ["hsl(3, 0%, 0%)"]])
def test_what_was_drawn_before_the_canvas_was_filled_anew_no_longer_counts(paper) -> None:
    assert read_ink({**STROKES, "background": paper}, data_url(REAL)) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a picture",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,*** no base64 ***",
        "data:image/png;base64,abc",
        "data:image/png;base64,ä",
        b"data:image/png;base64,abcd",
        17,
        ["data"],
        {"data": 1},
    ],
)
def test_what_is_no_picture_in_base64_is_refused(url) -> None:
    assert read_ink(STROKES, url) is None


@pytest.mark.parametrize("picture_format", ["GIF", "BMP", "TIFF", "WEBP", "JPEG", "PPM"])
def test_other_formats_are_refused(picture_format) -> None:
    content = picture_bytes(drawn_picture().convert("RGB"), picture_format)
    assert read_ink(STROKES, data_url(content)) is None


@pytest.mark.parametrize("size", [(1, 1), (279, 280), (280, 281), (560, 560)])
def test_other_sizes_are_refused(size) -> None:
    assert read_ink(STROKES, data_url(picture_bytes(Image.new("L", size)))) is None


def test_a_small_file_that_unpacks_to_144_megabytes_is_refused_unread() -> None:
    bomb = forged_png(12_000, 12_000)
    assert len(bomb) < 300_000
    assert read_ink(STROKES, data_url(bomb)) is None


@pytest.mark.parametrize("size", [(280, 2**31 - 1), (2**31 - 1, 2**31 - 1), (100_000, 100_000), (0, 0), (280, 0)])
def test_a_header_that_claims_an_impossible_size_is_refused(size) -> None:
    png = b"\x89PNG\r\n\x1a\n" + header(*size) + chunk(b"IDAT", zlib.compress(bytes(281))) + chunk(b"IEND", b"")
    assert read_ink(STROKES, data_url(png)) is None


def test_a_second_header_cannot_make_the_picture_larger() -> None:
    real = forged_png(280, 280)
    twice = real[:33] + header(100_000, 100_000) + real[33:]
    assert read_ink(STROKES, data_url(twice)) is None


def test_more_bytes_than_a_canvas_needs_are_refused() -> None:
    note = chunk(b"noTe", bytes(300_000))
    assert read_ink(STROKES, data_url(REAL[:33] + note + REAL[33:])) is None


def test_bytes_cut_short_or_garbled_never_do_more_than_draw_something() -> None:
    chance = random.Random(0)
    for _ in range(300):
        garbled = bytearray(REAL)
        for _ in range(chance.randint(1, 8)):
            garbled[chance.randrange(len(garbled))] = chance.randrange(256)
        garbled = garbled[: chance.randint(0, len(garbled))] if chance.random() < 0.5 else garbled
        drawing = read_ink(STROKES, data_url(bytes(garbled)))
        assert drawing is None or drawing.ink.shape == (280, 280)


@pytest.mark.parametrize(
    "json_data",
    [
        None,
        7,
        "objects",
        [],
        ["objects"],
        {},
        {"objects": [{}]},
        *({"objects": wrong, "background": PAPER} for wrong in (None, {}, "abc", 3)),
    ],
)
def test_strokes_that_are_no_list_are_refused(json_data) -> None:
    assert read_ink(json_data, data_url(REAL)) is None


def test_more_strokes_than_anybody_draws_are_refused() -> None:
    assert read_ink({**STROKES, "objects": [{}] * 500}, data_url(REAL)) is not None
    assert read_ink({**STROKES, "objects": [{}] * 501}, data_url(REAL)) is None


def test_strokes_that_nobody_could_have_drawn_are_refused() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for stroke in ({"path": "M" * 2_000_000}, {"path": deep}, {"path": b"bytes"}):
        assert read_ink({**STROKES, "objects": [stroke]}, data_url(REAL)) is None


def test_an_example_looks_on_the_canvas_as_in_the_data_set() -> None:
    from mnist_ui import canvas

    image = np.zeros((28, 28), np.uint8)
    image[5:20, 10:14] = 255
    drawing = canvas.as_drawing(image)
    (placed,) = drawing.objects
    small = Image.open(io.BytesIO(base64.b64decode(placed["src"].split(",")[1])))
    assert np.array_equal(np.asarray(small), image)
    assert (placed["width"] * placed["scaleX"], placed["height"] * placed["scaleY"]) == (280, 280)
    assert drawing.ink[55:195, 105:135].min() > 200
    assert not drawing.ink[:40].any()
