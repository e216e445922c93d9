"""Picture files: however a drawing was saved, it must arrive as the same ink."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from mnist_core import decoding, load_mnist, prepare
from mnist_core.decoding import FORMATS, LONGEST_SIDE, MOST_PIXELS
from mnist_core.errors import DrawingError
from mnist_core.messages import say
from mnist_core.pictures import LARGEST_FILE, read_picture

COUNT = 20  # MNIST test images for each way of saving
LOSSY, EXACT = 0.02, 0.006  # mean difference per pixel of the prepared image, 0..1; strokes are about 0.1 on average


@pytest.fixture(scope="module")
def inks() -> list[np.ndarray]:
    """MNIST test images (28, 28) uint8, 255 = pen: the oracle."""
    return [image.numpy() for image in load_mnist("test").images[:COUNT, 0]]


def saved(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def dark_on_light(ink: np.ndarray) -> Image.Image:
    return Image.fromarray(255 - ink)


def enlarged(ink: np.ndarray, side: int = 280) -> np.ndarray:
    return np.asarray(Image.fromarray(ink).resize((side, side), Image.Resampling.BICUBIC))


def strokes_only(ink: np.ndarray, colour: tuple[int, int, int]) -> Image.Image:
    """Strokes of one colour on nothing, as a canvas without a background gives them."""
    return Image.fromarray(np.dstack([*(np.full_like(ink, value) for value in colour), ink]))


def difference(content: bytes, ink: np.ndarray) -> float:
    """The mean difference, 0..1, between a saved picture and its ink, both prepared for the network."""
    return float(np.abs(prepare(read_picture(content)).image - prepare(ink).image).mean())


WAYS: dict[str, Callable[[np.ndarray], bytes]] = {
    "light on dark": lambda ink: saved(Image.fromarray(ink)),
    "dark on light": lambda ink: saved(dark_on_light(ink)),
    "pale grey on dark grey": lambda ink: saved(Image.fromarray((60 + ink * 0.5).astype(np.uint8))),
    "dark grey on grey": lambda ink: saved(Image.fromarray((120 - ink * 0.4).astype(np.uint8))),
    "colours": lambda ink: saved(dark_on_light(ink).convert("RGB")),
    "palette": lambda ink: saved(dark_on_light(ink).convert("P")),
    "gif": lambda ink: saved(dark_on_light(ink), "GIF"),
    "bmp": lambda ink: saved(dark_on_light(ink), "BMP"),
    "webp": lambda ink: saved(dark_on_light(ink).convert("RGB"), "WEBP", lossless=True),
    "tiff": lambda ink: saved(dark_on_light(ink), "TIFF"),
    "cmyk tiff": lambda ink: saved(dark_on_light(ink).convert("CMYK"), "TIFF"),
    "16 bit, light on dark": lambda ink: saved(Image.fromarray(ink.astype(np.uint16) * 257)),
    "16 bit, dark on light": lambda ink: saved(Image.fromarray((255 - ink).astype(np.uint16) * 257)),
    "12 of 16 bit": lambda ink: saved(Image.fromarray(ink.astype(np.uint16) * 16)),
    "32 bit": lambda ink: saved(Image.fromarray(ink.astype(np.int32) * 256), "TIFF"),
    "floating point": lambda ink: saved(Image.fromarray(ink.astype(np.float32) / 255), "TIFF"),
    "black strokes on nothing": lambda ink: saved(strokes_only(ink, (0, 0, 0))),
    "white strokes on nothing": lambda ink: saved(strokes_only(ink, (255, 255, 255))),
    "yellow strokes on nothing": lambda ink: saved(strokes_only(ink, (255, 255, 0))),
    "blue strokes on nothing": lambda ink: saved(strokes_only(ink, (0, 0, 200))),
    "opaque RGBA": lambda ink: saved(dark_on_light(ink).convert("RGBA")),
    "first frame of an animation": lambda ink: saved(
        dark_on_light(ink), "GIF", save_all=True, append_images=[Image.new("L", (28, 28), grey) for grey in (0, 90)]
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_ink_is_the_same_however_it_was_saved(way: str, inks: list[np.ndarray]) -> None:
    for ink in inks:
        assert difference(WAYS[way](ink), ink) < EXACT


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_gives_nearly_the_same_ink(mode: str, inks: list[np.ndarray]) -> None:
    for ink in inks:
        large = enlarged(ink)
        assert difference(saved(dark_on_light(large).convert(mode), "JPEG", quality=90), large) < LOSSY


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", TURNS)
def test_a_picture_taken_with_a_turned_camera_is_upright(
    file_format: str, orientation: int, inks: list[np.ndarray]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    large = enlarged(inks[0])  # a seven: no turn leaves it as it is
    content = saved(dark_on_light(large).transpose(TURNS[orientation]), file_format, exif=exif)
    assert difference(content, large) < LOSSY
    assert difference(saved(dark_on_light(large).transpose(TURNS[orientation])), large) > 2 * LOSSY  # without EXIF


def test_a_16_bit_picture_is_turned_too(inks: list[np.ndarray]) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = Image.fromarray(np.rot90(inks[0]).astype(np.uint16) * 257)
    assert difference(saved(turned, exif=exif), inks[0]) < EXACT


def test_clean_black_and_white_comes_through_untouched() -> None:
    ink = np.zeros((40, 30), np.uint8)
    ink[5:30, 12:16] = 255
    for picture in (Image.fromarray(ink), dark_on_light(ink), dark_on_light(ink).convert("1")):
        np.testing.assert_array_equal(read_picture(saved(picture)), ink)


def test_a_photograph_of_grey_unevenly_lit_paper_keeps_only_the_strokes(inks: list[np.ndarray]) -> None:
    """The mask is known, because the photograph is made here: light across the sheet, noise, JPEG."""
    random = np.random.default_rng(0)
    for ink in inks[:5]:
        drawn = np.zeros((600, 450))
        drawn[150:430, 80:360] = enlarged(ink) / 255
        light = np.linspace(150, 200, 450) + np.linspace(-10, 10, 600)[:, None]
        photograph = light * (1 - 0.7 * drawn) + random.normal(0, 5, drawn.shape)
        content = saved(Image.fromarray(photograph.clip(0, 255).astype(np.uint8)).convert("RGB"), "JPEG", quality=80)
        found = read_picture(content) >= 32
        assert not found[drawn == 0].any() or (found & (drawn == 0)).mean() < 0.005  # the halo of the strokes
        assert found[drawn > 0.9].mean() > 0.99
        rows, columns = np.nonzero(found)
        assert rows.min() >= 140
        assert rows.max() <= 440
        assert columns.min() >= 70
        assert columns.max() <= 370


def test_uneven_light_without_ink_is_blank() -> None:
    sheet = np.tile(np.linspace(120, 180, 200), (150, 1)).astype(np.uint8)
    assert not read_picture(saved(Image.fromarray(sheet))).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (20_000, 3), (3, 20_000), (300, 200)])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("colour", [0, 1])
def test_a_picture_of_one_colour_is_blank_whatever_its_shape(size: tuple[int, int], mode: str, colour: int) -> None:
    ink = read_picture(saved(Image.new(mode, size, colour if mode in ("1", "L", "P", "I;16") else "white")))
    assert ink.dtype == np.uint8
    assert ink.ndim == 2
    assert min(ink.shape) >= 1
    assert max(ink.shape) <= LONGEST_SIDE
    assert prepare(ink).is_blank


def test_a_large_picture_is_reduced_and_keeps_its_aspect_and_digit(inks: list[np.ndarray]) -> None:
    large = np.zeros((3000, 2000), np.uint8)
    large[500:2500, 0:2000] = enlarged(inks[0], 2000)
    for file_format in ("PNG", "JPEG"):
        content = saved(dark_on_light(large), file_format)
        assert read_picture(content).shape in {(1024, 682), (1024, 683)}
        assert difference(content, large) < LOSSY


def test_reads_a_path_and_a_name_too(tmp_path: Path, inks: list[np.ndarray]) -> None:
    path = tmp_path / "sieben \N{SNOWMAN}.png"
    path.write_bytes(saved(dark_on_light(inks[0])))
    np.testing.assert_array_equal(read_picture(path), read_picture(path.read_bytes()))
    np.testing.assert_array_equal(read_picture(str(path)), read_picture(path))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be of any size and holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.mark.parametrize("side", [5001, 12_000, 60_000])  # Pillow is silent, warns, raises
def test_a_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(DrawingError, match="pixels"):
        read_picture(png_header(side, side))
    assert side**2 > MOST_PIXELS


def white(mode: str, size: tuple[int, int], file_format: str, **options: Any) -> bytes:
    return saved(Image.new(mode, size, "white" if mode == "RGB" else 1), file_format, **options)


def jpeg_scans(count: int) -> bytes:
    """A small JPEG whose last scan comes so many times more."""
    content = white("RGB", (64, 64), "JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + count * scan + b"\xff\xd9"


def one_channel_first(side: int) -> bytes:
    """A JPEG that says that its first scan is not of all channels: the decoder would keep the whole for the next."""
    content = white("RGB", (side, side), "JPEG")
    start = content.index(b"\xff\xda")
    return content[:start] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + content[start + 14 :]


def runs_of_bmp(width: int, height: int, runs: bytes) -> bytes:
    """A BMP of this size that is packed as runs, whichever."""
    colours = bytes(4 * 256)
    start = 14 + 40 + len(colours)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + colours + runs


def large_tiles(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels in tiles of this side."""
    packed = zlib.compress(bytes(1000))
    numbers = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 284: 1, 322: side, 323: side, 325: len(packed)}
    tags = sorted({**numbers, 324: 8 + 2 + 12 * 11 + 4}.items())
    listed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + listed + bytes(4) + packed


def noted_png(notes: int) -> bytes:
    """A PNG with so many notes, each of a megabyte, packed."""
    content = saved(Image.new("L", (28, 28)))
    text = b"zTXt" + b"%d\0\0" + zlib.compress(bytes(1_000_000))
    packed = b"".join(
        struct.pack(">I", len(text % at) - 4) + text % at + struct.pack(">I", zlib.crc32(text % at))
        for at in range(notes)
    )
    return content[:33] + packed + content[33:]


BOMBS: dict[str, Callable[[], bytes]] = {
    "colours": lambda: white("RGB", (5000, 5000), "PNG"),
    "16 bit": lambda: white("I;16", (4900, 4900), "PNG"),
    "webp": lambda: white("RGB", (2000, 2000), "WEBP"),
    "floating point": lambda: white("F", (2000, 2000), "TIFF", compression="tiff_deflate"),
    "progressive": lambda: white("RGB", (4000, 4000), "JPEG", progressive=True),
    "scans": lambda: jpeg_scans(10_000),
    "scans in two": lambda: one_channel_first(3000),
    "tiles": lambda: large_tiles(30_000),
    "wide": lambda: white("L", (25_000_000, 1), "PNG"),
    "tall": lambda: white("L", (1, 25_000_000), "PNG"),
    "runs": lambda: runs_of_bmp(5000, 5000, b"\1\1\0\1"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_takes_much_to_decode_is_refused_before_it_is_decoded(bomb: str, monkeypatch: Any) -> None:
    content = BOMBS[bomb]()
    assert len(content) < 700_000
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(DrawingError, match="takes too much to decode"):
        read_picture(content)


def test_a_bmp_of_runs_of_ordinary_size_is_read() -> None:
    row = 4 * b"\xfa\1" + b"\0\0"  # four runs of 250 pixels, and the end of a line
    assert read_picture(runs_of_bmp(1000, 900, 900 * row)).shape == (900, 1000)


def test_notes_that_unpack_to_many_megabytes_are_refused() -> None:
    assert len(noted_png(40)) < 60_000
    with pytest.raises(DrawingError, match="damaged"):
        read_picture(noted_png(40))


@pytest.mark.parametrize(
    ("mode", "size", "file_format", "options"),
    [
        ("RGB", (2480, 3508), "PNG", {}),  # A4 at 300 dots an inch
        ("L", (2480, 3508), "TIFF", {"compression": "tiff_deflate"}),
        ("RGB", (5000, 5000), "JPEG", {}),
        ("RGB", (2000, 2000), "JPEG", {"progressive": True}),
        ("P", (5000, 5000), "GIF", {}),
        ("RGB", (1440, 1440), "WEBP", {}),
    ],
)
def test_scans_and_photographs_of_ordinary_size_are_decoded(mode, size, file_format, options) -> None:
    assert max(read_picture(white(mode, size, file_format, **options)).shape) == LONGEST_SIDE


def test_a_picture_converted_in_bands_is_the_one_converted_whole(inks: list[np.ndarray], monkeypatch: Any) -> None:
    random = np.random.default_rng(0)
    see_through = np.dstack([random.integers(0, 255, (1500, 1400, 3), np.uint8), enlarged(inks[0], 1500)[:, :1400]])
    deep = Image.fromarray(random.integers(0, 3000, (2100, 150)).astype(np.uint16))
    for picture in (Image.fromarray(see_through), Image.fromarray(see_through).convert("P"), deep):
        content = saved(picture)
        monkeypatch.setattr(decoding, "BAND", 2**40)
        whole = np.asarray(decoding.decode(content, say("The picture")))
        monkeypatch.setattr(decoding, "BAND", 9000)
        np.testing.assert_array_equal(np.asarray(decoding.decode(content, say("The picture"))), whole)


def test_no_warning_of_pillow_leaks_and_no_filter_is_changed() -> None:
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(DrawingError):
            read_picture(png_header(12_000, 12_000))
    assert not caught
    assert list(warnings.filters) == before


def test_errors_name_the_file_and_what_to_do(tmp_path: Path) -> None:
    half = saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8)))[:500]
    icon = saved(Image.new("RGB", (16, 16)), "ICO")
    contents = {
        "empty.png": b"", "words.png": b"not a picture", "half.png": half, "icon.png": icon,
        "huge.png": png_header(9000, 9000), "long.png": b"\0" * (LARGEST_FILE + 1),
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.png").mkdir()
    for name in (*contents, "folder.png", "missing.png"):
        with pytest.raises(DrawingError) as caught:
            read_picture(tmp_path / name)
        assert name in str(caught.value)
        assert any(advice in str(caught.value) for advice in ("Save it", "Make it smaller", "Check its name"))
    assert "ICO" not in FORMATS


@pytest.mark.skipif(os.name != "posix", reason="needs /dev/zero")
def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(DrawingError, match="10 MB"):
        read_picture("/dev/zero")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(file_format=st.sampled_from(FORMATS), data=st.data())
def test_a_damaged_file_gives_ink_or_a_drawing_error_and_nothing_else(file_format: str, data: st.DataObject) -> None:
    content = bytearray(saved(Image.radial_gradient("L").resize((24, 24)).convert("RGB"), file_format))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    try:
        ink = read_picture(bytes(content))
    except DrawingError:
        return
    assert ink.dtype == np.uint8
    assert max(ink.shape) <= LONGEST_SIDE
