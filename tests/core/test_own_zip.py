"""Labelled drawings taken along in a zip, and what may come back in one."""

from __future__ import annotations

import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from mnist_core.errors import DrawingError
from mnist_core.messages import Message
from mnist_core.own_digits import LARGEST_PNG, OwnDigit, label_drawing
from mnist_core.own_zip import shown, unzip_digits, zip_digits
from mnist_core.pictures import read_picture

MOST = 20
Entries = dict[str, bytes | str]


def stroke(side: int = 60) -> np.ndarray:
    ink = np.zeros((side, side), np.uint8)
    ink[side // 6 : -side // 6, side // 2 - side // 20 : side // 2 + side // 20] = 255
    return ink


ONE = label_drawing(stroke(), 1)


def packed(picture: np.ndarray | Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(content, format=file_format, **options)
    return content.getvalue()


def zipped(entries: Entries, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, inside in entries.items():
            archive.writestr(name, inside)
    return content.getvalue()


def listing(*lines: str) -> Entries:
    return {"digits.csv": "\n".join(["file,label", *lines]) + "\n"}


def refused(content: bytes, words: str = ".", most: int = MOST, **options: int) -> str:
    with pytest.raises(DrawingError, match=words) as caught:
        unzip_digits(content, most, **options)
    assert isinstance(caught.value.args[0], Message)
    assert len(str(caught.value)) < 300
    return str(caught.value)


def read_or_refused(content: bytes, **options: int) -> list[OwnDigit]:
    """What is in a zip, nothing when it is refused; anything else that may happen is an error of the test."""
    try:
        return unzip_digits(content, MOST, **options)
    except DrawingError:
        return []


# --- there and back ---------------------------------------------------------------------------------------------------


def test_a_zip_is_a_csv_and_pngs_that_any_tool_reads() -> None:
    content = zip_digits([ONE, label_drawing(stroke(90), 8)])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["digits/0001.png", "digits/0002.png", "digits.csv"]
        lines = list(csv.DictReader(io.StringIO(archive.read("digits.csv").decode(), newline="")))
        assert lines == [{"file": "digits/0001.png", "label": "1"}, {"file": "digits/0002.png", "label": "8"}]
        with archive.open("digits/0002.png") as file, Image.open(file) as image:
            assert np.array_equal(np.asarray(image), stroke(90))


def test_the_same_drawings_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = zip_digits([ONE] * 3)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert zip_digits([ONE] * 3) == before


pictures = st.one_of(
    arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))),
    arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
)


@given(st.lists(st.tuples(pictures, st.integers(0, 9)), min_size=1, max_size=6))
def test_whatever_was_drawn_comes_back_bit_for_bit(drawn: list[tuple[np.ndarray, int]]) -> None:
    own = [label_drawing(picture, label) for picture, label in drawn]
    assert unzip_digits(zip_digits(own), len(own)) == own


def test_what_lies_in_a_file_besides_the_drawing_is_not_kept() -> None:
    padded = ONE.png + bytes(100_000)
    assert unzip_digits(zipped({**listing("a.png,1"), "a.png": padded}), MOST) == [ONE]


def test_as_many_as_may_be_come_back_and_one_more_is_refused_whole() -> None:
    own = [OwnDigit(ONE.png, number % 10) for number in range(MOST + 1)]
    assert unzip_digits(zip_digits(own[:MOST]), MOST) == own[:MOST]
    refused(zip_digits(own), f"more than {MOST} drawings")


# --- what people and their tools make of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listed",
    [
        "file,label\na.png,1\nb.png,2\n",
        "\ufefffile,label\r\na.png,1\r\nb.png,2",
        "file;label\r\na.png;1\r\nb.png;2\r\n",
        "file\tlabel\ra.png\t1\rb.png\t2\r",
        '"file","label"\n"a.png","1"\n"b.png","2"\n',
        "Label, File ,remark\n1, a.png ,fine\n\n2,b.png,\n,,\n",
    ],
)
@pytest.mark.parametrize("folder", ["", "class 4b/"])
def test_a_csv_as_spreadsheets_save_it_is_read(listed: str, folder: str) -> None:
    entries = {"digits.csv": listed.encode(), "a.png": ONE.png, "b.png": ONE.png, "notes.txt": b"not named"}
    content = zipped({folder + name: inside for name, inside in entries.items()} | {"__MACOSX/._digits.csv": b"?"})
    assert unzip_digits(content, MOST) == [OwnDigit(ONE.png, 1), OwnDigit(ONE.png, 2)]


def test_a_zip_made_by_hand_on_windows_is_read() -> None:
    content = zipped({"c/digits.csv": "file,label\ndigits\\ä.png,4\n", "c\\digits\\ä.png": ONE.png})
    assert unzip_digits(content, MOST) == [OwnDigit(ONE.png, 4)]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16", "LA"])
def test_dark_on_light_pictures_of_other_tools_become_ink(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray((255 - stroke()).astype(np.uint16) * 257)
    else:
        image = Image.fromarray(255 - stroke()).convert(mode)
    (own,) = unzip_digits(zipped({**listing("x.png,1"), "x.png": packed(image)}), MOST)
    assert own.label == 1
    assert np.array_equal(own.picture, stroke())


def test_black_on_nothing_becomes_ink() -> None:
    nothing = np.zeros((60, 60, 4), np.uint8)
    nothing[..., 3] = stroke()
    (own,) = unzip_digits(zipped({**listing("x.png,1"), "x.png": packed(nothing)}), MOST)
    assert np.array_equal(own.picture, stroke())


def test_other_pictures_are_read_as_predict_reads_them(mnist_test) -> None:
    entries = {f"{number}.png": packed(mnist_test.images[number, 0].numpy()) for number in range(10)}
    content = zipped({**listing(*(f"{name},{number}" for number, name in enumerate(entries))), **entries})
    for number, own in enumerate(unzip_digits(content, MOST)):
        assert np.array_equal(own.picture, read_picture(entries[f"{number}.png"]))


def test_a_scribble_over_the_border_is_not_turned_inside_out() -> None:
    own = [label_drawing(255 - stroke(), 0)]
    assert unzip_digits(zip_digits(own), 1) == own


# --- what is wrong with a file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({}, "must hold one CSV .* it holds 0"),
        ({"a.png": ONE.png}, "must hold one CSV .* such as digits.csv; it holds 0"),
        ({"a.csv": "file,label\n", "b.csv": "file,label\n"}, "it holds 2"),
        (listing(), "lists no drawing"),
        ({"digits.csv": ""}, "first line of the CSV must name the columns: file,label"),
        ({"digits.csv": "a.png,1\n"}, "first line"),
        ({"digits.csv": "file,file,label\n"}, "first line"),
        ({"digits.csv": "file,label\na.png,1\n".encode("utf-16")}, "not in UTF-8. Save it anew as CSV UTF-8"),
        ({"digits.csv": 'file,label\n"a.png"x,1\n'}, "cannot be read"),
        ({"digits.csv": 'file,label\n"a.png,1\n'}, "cannot be read"),
        (listing("a.png"), "Line 2 of the CSV must have a file and a label"),
        (listing("a.png,1", "b.png,10"), "Line 3 of the CSV has the label 10. A label is a digit from 0 to 9"),
        (listing("a.png,-1"), "label -1"),
        (listing("a.png,"), "Line 2 .* label"),
        (listing("a.png,²"), "Line 2 .* label ²"),
        (listing("a.png,1.0"), "label 1.0"),
        (listing("a.png,1", "", "a.png,1"), "Line 4 of the CSV names a.png a second time"),
        (listing("b.png,1"), "Line 2 of the CSV names b.png, which is not in the zip"),
        (listing("A.png,1"), "names A.png, which is not"),
        ({**listing("c.png,1"), "c.png": b"GIF89a"}, "c.png: This is no PNG of a drawing"),
        ({**listing("c.png,1"), "c.png": packed(stroke(), "JPEG")}, "c.png: This is no PNG"),
        ({**listing("c.png,1"), "c.png": packed(np.zeros((561, 5), np.uint8))}, "at most 560 pixels a side"),
        ({**listing("c.png,1"), "c.png": bytes(LARGEST_PNG + 1)}, "c.png has more than 300,000 bytes"),
        ({"digits.csv": "file,label\n" + 20_000 * "\n"}, "digits.csv has more than 11,000 bytes"),
        ({"digits.csv": "file,label\n" + 10_000 * "x" + ".png,1\n"}, "x{37}..., which is not in the zip"),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_what_to_do(entries: Entries, words: str) -> None:
    refused(zipped({"a.png": ONE.png, **entries} if entries else {}), words)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("digits.csv", "a.png", "a.png"):
            archive.writestr(name, "file,label\na.png,1\n" if name == "digits.csv" else ONE.png)
    refused(content.getvalue(), "two files of the name a.png")


def test_an_entry_without_a_name_is_passed_over() -> None:
    content = zipped({**listing("a.png,1"), "a.png": ONE.png, "nul": b"nameless"}).replace(b"nul", b"\0ul")
    assert "" in zipfile.ZipFile(io.BytesIO(content)).namelist()  # a name ends at a zero
    assert unzip_digits(content, MOST) == [ONE]


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), packed(stroke()), b"\x1f\x8b" + bytes(99)])
def test_what_is_no_zip_is_refused(content: bytes) -> None:
    refused(content)


@pytest.mark.parametrize(
    "name", ["../../x.png", "/etc/x.png", "C:\\x.png", "x" * 10_000 + ".png", "a/../b.png", "\x1b[31m"]
)
def test_names_are_never_paths(name: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = "file,label\n" + name + ",3\n"
    content = zipped({"digits.csv": listed, name: ONE.png})
    assert unzip_digits(content, MOST + 20) == [OwnDigit(ONE.png, 3)]
    refused(zipped({"digits.csv": listed}), "which is not in the zip", most=MOST + 20)
    assert list(tmp_path.iterdir()) == []


def test_what_a_page_could_take_for_its_own_is_not_shown() -> None:
    assert shown("<b>![x](http://y)") == "?b???x??http?//y?"
    assert shown("digits/ä 1-b_c.png") == "digits/ä 1-b_c.png"
    assert len(shown("x" * 1000)) == 40


# --- hostile files ----------------------------------------------------------------------------------------------------


def zeros(count: int) -> bytes:
    return bytes(count)


def test_a_bomb_is_not_unpacked() -> None:
    for name in ("digits.csv", "a.png"):
        content = zipped({**listing("a.png,1"), "a.png": ONE.png, name: zeros(50_000_000)})
        assert len(content) < 100_000
        refused(content, f"{name} has more than")


def with_sizes(content: bytes, name: str, claimed: int) -> bytes:
    """The zip with another size claimed for one entry, both before the entry and in the list of contents."""
    changed = bytearray(content)
    for signature, at_size, at_name in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = -1
        while (at := content.find(signature, at + 1)) >= 0:
            if content[at + at_name :].startswith(name.encode()):
                changed[at + at_size : at + at_size + 4] = struct.pack("<I", claimed)
    assert changed != content
    return bytes(changed)


@pytest.mark.parametrize("claimed", [1, 100, 200_000])
def test_a_bomb_that_lies_about_its_size_is_not_unpacked(claimed: int) -> None:
    content = zipped({**listing("a.png,1"), "a.png": zeros(50_000_000)})
    refused(with_sizes(content, "a.png", claimed), "a.png is damaged|a.png: This is no PNG")


@pytest.mark.parametrize("claimed", [len(ONE.png) - 1, len(ONE.png) + 1, 0])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_wrong_size_is_refused(claimed: int, method: int) -> None:
    content = zipped({**listing("a.png,1"), "a.png": ONE.png}, method)
    refused(with_sizes(content, "a.png", claimed), "a.png is damaged")


def quoted_overlap(count: int, kernel: bytes) -> bytes:
    """A zip after Fifield, "A better zip bomb" (2019): each entry quotes the next one, header and data, as its own."""
    deflated = zlib.compressobj(wbits=-15)
    data, plain = deflated.compress(kernel) + deflated.flush(), kernel
    headers: list[bytes] = []  # of each entry, the last one first: what stands in both places, then the name
    listed = b"file,label\n" + b"".join(b"%d.png,1\n" % number for number in range(count))
    for number in reversed(range(count)):
        name = b"%d.png" % number
        header = struct.pack("<5H3I2H", 20, 0, 8, 0, 33, zlib.crc32(plain), len(data), len(plain), len(name), 0) + name
        headers.insert(0, header)
        local = b"PK\x03\x04" + header
        if number:
            data = b"\0" + struct.pack("<HH", len(local), len(local) ^ 0xFFFF) + local + data  # a stored block
            plain = local + plain
        else:
            data = local + data
    csv_header = struct.pack("<5H3I2H", 20, 0, 0, 0, 33, zlib.crc32(listed), len(listed), len(listed), 10, 0)
    at, contents = 0, b""
    for header in headers:
        contents += b"PK\x01\x02" + struct.pack("<H", 20) + header[:26] + struct.pack("<3H2I", 0, 0, 0, 0, at)
        contents += header[26:]
        at += 4 + len(header) + 5
    contents += b"PK\x01\x02" + struct.pack("<H", 20) + csv_header + struct.pack("<3H2I", 0, 0, 0, 0, len(data))
    contents += b"digits.csv"
    data += b"PK\x03\x04" + csv_header + b"digits.csv" + listed
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count + 1, count + 1, len(contents), len(data), 0)
    return data + contents + end


def test_a_bomb_of_entries_that_overlap_is_not_unpacked() -> None:
    bomb = quoted_overlap(MOST, zeros(290_000))
    with zipfile.ZipFile(io.BytesIO(bomb)) as archive:  # it is what it should be: 6 MB out of 3 kB
        assert len(archive.namelist()) == MOST + 1
        assert sum(entry.file_size for entry in archive.infolist()) > 1000 * len(bomb)
        assert archive.read("19.png") == zeros(290_000)
    refused(bomb, "would unpack to more than 2,000,000 bytes", largest=1_000_000)
    refused(bomb, "0.png: This is no PNG|0.png is damaged")


def test_a_list_of_contents_longer_than_allowed_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zipped({**listing("a.png,1"), "a.png": ONE.png, **{f"{number}.txt": b"" for number in range(200)}})
    assert unzip_digits(content, 60) == [OwnDigit(ONE.png, 1)]
    monkeypatch.setattr(zipfile, "ZipFile", None)
    refused(content, "too many files; at most 50 drawings", most=50)


def test_a_file_larger_than_allowed_is_refused() -> None:
    content = zip_digits([ONE])
    assert unzip_digits(content, 1, largest=len(content)) == [ONE]
    refused(content, f"has {len(content)} bytes; at most {len(content) - 1} are read", largest=len(content) - 1)


def test_a_zip_with_a_password_is_refused_with_that_reason() -> None:
    content = bytearray(zipped({**listing("a.png,1"), "a.png": ONE.png}))
    for signature, at_flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + at_flags] |= 1
    refused(bytes(content), "locked with a password")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_may_need_much_memory_is_not_unpacked(method: int) -> None:
    refused(zipped({**listing("a.png,1"), "a.png": ONE.png}, method), "digits.csv is packed in a way that is not read")


@pytest.mark.parametrize("cut", range(0, 2000, 37))
def test_a_truncated_zip_is_refused(cut: int) -> None:
    content = zip_digits([ONE, ONE])
    refused(content[: cut % (len(content) - 1)])


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(content: bytes) -> None:
    refused(content)
    refused(b"PK\x03\x04" + content)


@pytest.mark.parametrize("pack", [zip_digits, lambda own: zipped({**listing("a.png,1"), "a.png": own[0].png})])
@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_zip_gives_what_was_in_it_or_an_error(
    pack: Callable[[list[OwnDigit]], bytes], data: st.DataObject
) -> None:
    content = bytearray(pack([ONE, ONE]))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[at] = data.draw(st.integers(0, 255))
    own = read_or_refused(bytes(content), largest=100_000)
    assert all(one.label in range(10) and one.png == ONE.png for one in own)


@given(st.text(max_size=200), st.sampled_from(["", "file,label\n", "file;label\n"]))
def test_any_csv_is_read_or_refused(text: str, header: str) -> None:
    own = read_or_refused(zipped({"digits.csv": header + text, "a": ONE.png}))
    assert [one.png for one in own] in ([], [ONE.png])
