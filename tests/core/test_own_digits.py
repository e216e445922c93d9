"""Labelled drawings: packed, unpacked, and as images for a network."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from mnist_core import build_model, classify, load_model, make_loader
from mnist_core.errors import DrawingError
from mnist_core.own_digits import LARGEST_PNG, LONGEST_SIDE, OwnDigit, as_digits, label_drawing, read_png, unpack

SEVEN = [(80, 70), (200, 70), (130, 220)]


@pytest.fixture
def coloured(draw) -> np.ndarray:
    """A seven, red above and green below, on black: (280, 280, 3)."""
    ink = draw(SEVEN)
    picture = np.zeros((280, 280, 3), np.uint8)
    picture[:140, :, 0], picture[140:, :, 1] = ink[:140], ink[140:]
    return picture


def packed(image: Image.Image, file_format: str = "PNG") -> bytes:
    content = io.BytesIO()
    image.save(content, format=file_format)
    return content.getvalue()


def test_a_drawing_comes_out_as_it_went_in(draw, coloured) -> None:
    for picture in (draw(SEVEN), coloured, np.zeros((1, 1), np.uint8)):
        own = label_drawing(picture, 7)
        assert own.label == 7
        assert np.array_equal(own.picture, picture)
        assert own.picture.dtype == np.uint8


def test_a_thousand_drawings_are_a_few_megabytes(draw) -> None:
    assert len(label_drawing(draw(SEVEN), 7).png) < 5000


def test_only_our_pngs_are_known_as_ours(draw) -> None:
    own = label_drawing(draw(SEVEN), 7)
    assert read_png(own.png)[1]
    assert not read_png(packed(Image.fromarray(draw(SEVEN))))[1]
    with Image.open(io.BytesIO(own.png)) as image:
        see_through = image.convert("RGBA")
    notes = PngInfo()
    notes.add_text("Software", "digit playground")
    content = io.BytesIO()
    see_through.save(content, format="PNG", pnginfo=notes)
    assert not read_png(content.getvalue())[1]


@pytest.mark.parametrize(
    "png",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        packed(Image.new("L", (20, 20)), "JPEG"),
        packed(Image.new("L", (LONGEST_SIDE + 1, 20))),
        packed(Image.new("L", (20, LONGEST_SIDE + 1))),
        packed(Image.new("L", (20, 20))).ljust(LARGEST_PNG + 1, b"\0"),
        packed(Image.new("L", (200, 200)))[:60],
    ],
)
def test_what_is_no_png_of_a_drawings_size_is_refused(png: bytes) -> None:
    for read in (unpack, read_png):
        with pytest.raises(DrawingError, match="no PNG of a drawing, at most 560 pixels"):
            read(png)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0), (2**31 - 1, 1), (30_000, 30_000)])
def test_a_png_that_claims_another_size_is_refused(size: tuple[int, int]) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    png = bytearray(packed(Image.new("L", (20, 20))))
    png[12:33] = header + struct.pack(">I", zlib.crc32(header))
    with pytest.raises(DrawingError):
        unpack(bytes(png))


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8), st.integers(0, 400))
def test_a_damaged_png_is_read_or_refused(changes: list[tuple[int, int]], cut: int) -> None:
    picture = Image.new("RGB", (40, 40))
    ImageDraw.Draw(picture).line([(5, 5), (30, 30)], fill="white", width=4)
    png = bytearray(label_drawing(np.asarray(picture), 1).png)
    for at, value in changes:
        png[at % len(png)] = value
    try:
        shown = unpack(bytes(png[: len(png) - cut]))
    except DrawingError:
        return
    assert max(shown.shape[:2]) <= LONGEST_SIDE


@pytest.mark.parametrize("colour", [False, True])
def test_a_network_reads_the_images_as_classify_reads_the_drawings(colour: bool, draw, coloured) -> None:
    if colour:
        torch.manual_seed(3)
        model = build_model("fast_cnn", input_channels=3, input_size=32).eval()
    else:
        model = load_model()
    pictures = [draw(SEVEN), coloured, draw([(140, 60), (140, 230)], pen=30), draw(SEVEN, side=560, pen=5)]
    digits = as_digits([label_drawing(picture, label) for label, picture in enumerate(pictures)], colour)
    assert digits.images.dtype == torch.uint8
    assert digits.images.shape == ((4, 3, 32, 32) if colour else (4, 1, 28, 28))
    assert digits.labels.tolist() == [0, 1, 2, 3]
    ((images, _),) = make_loader(digits, 4)
    with torch.no_grad():
        probabilities = model(images).softmax(dim=1).numpy()
    expected = np.stack([classify(model, picture).probabilities for picture in pictures])
    assert probabilities == pytest.approx(expected, abs=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3  # the four are not read alike, so the comparison says something


@pytest.mark.parametrize("colour", [False, True])
def test_drawings_in_which_nothing_is_read_are_left_out(colour: bool, draw) -> None:
    blank, dot, seven = np.zeros((280, 280), np.uint8), draw([(140, 140)], pen=30), draw(SEVEN)
    digits = as_digits([label_drawing(one, label) for label, one in enumerate((blank, seven, dot))], colour)
    assert digits.labels.tolist() == [1]
    none = as_digits([label_drawing(blank, 3)], colour)
    assert none.images.shape == ((0, 3, 32, 32) if colour else (0, 1, 28, 28))
    assert none.joined(digits).labels.tolist() == [1]


def test_a_drawing_that_is_none_is_refused() -> None:
    with pytest.raises(DrawingError):
        as_digits([OwnDigit(b"no PNG", 3)])
