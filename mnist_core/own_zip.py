"""Labelled drawings as a zip of PNGs with a CSV that says which digit each one is: to take along and to bring back."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from typing import IO

from mnist_core.errors import DrawingError
from mnist_core.messages import say
from mnist_core.own_digits import LARGEST_PNG, OwnDigit, label_drawing, read_png
from mnist_core.pictures import read_picture

CSV_NAME = "digits.csv"
HEADER = ("file", "label")
LARGEST_ZIP = 10_000_000  # bytes
LONGEST_LINE = 500  # bytes of the CSV for each drawing
ENTRY = b"PK\x01\x02"  # how each entry of a zip's list of contents begins
LABELS = "0123456789"
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MIDNIGHT = (1980, 1, 1, 0, 0, 0)  # the first that a zip knows; the same drawings give the same bytes on any day


def zip_digits(digits: Iterable[OwnDigit]) -> bytes:
    """Labelled drawings as the content of a zip: digits/0001.png and so on, digits.csv with a header and their labels.

    The PNGs are in it bit for bit. The same drawings give the same bytes.
    """
    content = io.BytesIO()
    write_zip(content, digits)
    return content.getvalue()


def write_zip(file: IO[bytes], digits: Iterable[OwnDigit]) -> int:
    """Write labelled drawings into an open file as `zip_digits` does, one after the other; how many there were."""
    listed = io.StringIO()
    lines = csv.writer(listed)
    lines.writerow(HEADER)
    count = 0
    with zipfile.ZipFile(file, "w") as archive:
        for one in digits:
            count += 1
            name = f"digits/{count:04}.png"
            archive.writestr(entry_of(name), one.png)
            lines.writerow((name, one.label))
        archive.writestr(entry_of(CSV_NAME), listed.getvalue())
    return count


def entry_of(name: str) -> zipfile.ZipInfo:
    """An entry that is stored as it is, with nothing in it that depends on the day or the machine."""
    entry = zipfile.ZipInfo(name, MIDNIGHT)
    entry.create_system = 3  # Unix, also where it is written on Windows
    entry.external_attr = 0o644 << 16
    return entry


def unzip_digits(content: bytes, most: int, largest: int = LARGEST_ZIP) -> list[OwnDigit]:
    """The labelled drawings in the content of a zip, in the order of its CSV; all of them or an error.

    Nothing is believed and nothing is written: names are compared with those in the CSV, and sizes are checked before
    unpacking and again while unpacking. PNGs that were drawn here come back bit for bit. Any other picture is read as
    photographs are, dark on light or light on dark, and packed as ink. What the CSV does not name is passed over.

    Args:
        content: of the file. most: drawings. largest: bytes of the file; unpacked it may have twice as many.

    Raises:
        DrawingError: says what is wrong with the file and what to do.
    """
    if len(content) > largest:
        raise DrawingError(
            say(
                "The zip has {count:,} bytes; at most {most:,} are read. Divide it into several.",
                count=len(content),
                most=largest,
            )
        )
    # Each entry takes memory as soon as the list is read, so they are counted before: twice, for what Macs add.
    if content.count(ENTRY) > 2 * most + 100:
        raise DrawingError(
            say("The zip holds too many files; at most {most:,} drawings are read. Divide it.", most=most)
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except Exception as error:  # a hostile file can make a parser raise anything
        raise DrawingError(
            say("This is no zip, or it is damaged. Choose a zip with PNGs and the file {csv}.", csv=CSV_NAME)
        ) from error
    with archive:
        entries = entries_by_name(archive)
        folder, listed = find_list(entries)
        labels = read_list(unpack_entry(archive, listed, LONGEST_LINE * (most + 2)), most)
        chosen = [(find_picture(folder + name, line, entries), label) for line, (name, label) in labels.items()]
        if sum(min(entry.file_size, LARGEST_PNG) for entry, _ in chosen) > 2 * largest:
            raise DrawingError(say("The zip would unpack to more than {most:,} bytes. Divide it.", most=2 * largest))
        return [read_entry(archive, entry, label) for entry, label in chosen]


def entries_by_name(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by their names, with / between folders."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")
        # In __MACOSX Macs put what they know of a file. An entry may have no name at all, which is_dir cannot bear.
        if not name or entry.is_dir() or name.startswith("__MACOSX/"):
            continue
        if name in entries:
            raise DrawingError(
                say("The zip holds two files of the name {name}. Rename or remove one.", name=shown(name))
            )
        entries[name] = entry
    return entries


def find_list(entries: dict[str, zipfile.ZipInfo]) -> tuple[str, zipfile.ZipInfo]:
    """The only CSV of a zip, and the folder in which it lies: "" or "class/"; the names in it begin there."""
    found = [name for name in entries if name.lower().endswith(".csv")]
    if len(found) != 1:
        raise DrawingError(
            say(
                "The zip must hold one CSV with a line for each drawing, such as {csv}; it holds {count}.",
                csv=CSV_NAME,
                count=len(found),
            )
        )
    folder, slash, _ = found[0].rpartition("/")
    return folder + slash, entries[found[0]]


def read_list(content: bytes, most: int) -> dict[int, tuple[str, int]]:
    """The lines of the CSV by number: the name of a file, and its label.

    Commas, semicolons (as Excel saves them where numbers have a comma) or tabs part the columns, of which the two that
    are called file and label are read.
    """
    try:
        text = content.decode("utf-8-sig")
        first = text.partition("\n")[0]
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
        titles = [title.strip().lower() for title in next(lines, [])]
        if titles.count("file") != 1 or titles.count("label") != 1:
            raise DrawingError(say("The first line of the CSV must name the columns: {header}.", header="file,label"))
        at_file, at_label = titles.index("file"), titles.index("label")
        listed: dict[int, tuple[str, int]] = {}
        names: set[str] = set()
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if len(listed) == most:
                raise DrawingError(
                    say("The CSV lists more than {most:,} drawings. Divide it into several zips.", most=most)
                )
            name, label = read_line(cells, at_file, at_label, lines.line_num)
            if name in names:
                raise DrawingError(
                    say(
                        "Line {line} of the CSV names {name} a second time. Remove one of the two.",
                        line=lines.line_num,
                        name=shown(name),
                    )
                )
            names.add(name)
            listed[lines.line_num] = name, label
    except UnicodeDecodeError as error:
        raise DrawingError(say("The CSV is not in UTF-8. Save it anew as CSV UTF-8.")) from error
    except csv.Error as error:
        raise DrawingError(
            say("The CSV cannot be read ({error}). Save it anew as CSV UTF-8.", error=str(error))
        ) from error
    if not listed:
        raise DrawingError(say("The CSV lists no drawing. Give it a line with file and label for each one."))
    return listed


def read_line(cells: list[str], at_file: int, at_label: int, line: int) -> tuple[str, int]:
    """The name of a file, with / between folders, and its label, out of one line of the CSV."""
    if len(cells) <= max(at_file, at_label):
        raise DrawingError(say("Line {line} of the CSV must have a file and a label.", line=line))
    name, label = cells[at_file].strip().replace("\\", "/"), cells[at_label].strip()
    if len(label) != 1 or label not in LABELS:
        raise DrawingError(
            say(
                "Line {line} of the CSV has the label {label}. A label is a digit from 0 to 9.",
                line=line,
                label=shown(label),
            )
        )
    return name, int(label)


def find_picture(name: str, line: int, entries: dict[str, zipfile.ZipInfo]) -> zipfile.ZipInfo:
    """The entry that a line of the CSV names."""
    if name not in entries:
        raise DrawingError(
            say("Line {line} of the CSV names {name}, which is not in the zip.", line=line, name=shown(name))
        )
    return entries[name]


def unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """The content of one file, of which never more than `most` bytes are unpacked, whatever the zip claims."""
    name = shown(entry.filename)
    if entry.flag_bits & 1:
        raise DrawingError(say("The zip is locked with a password. Save it without one."))
    if entry.compress_type not in READABLE:
        raise DrawingError(
            say("{name} is packed in a way that is not read. Zip the files in the usual way.", name=name)
        )
    too_large = say("{name} has more than {most:,} bytes. Make it smaller.", name=name, most=most)
    if entry.file_size > most:
        raise DrawingError(too_large)
    damaged = say("{name} is damaged in the zip. Zip the files anew.", name=name)
    try:
        with archive.open(entry) as file:
            content = file.read(most + 1)
    except Exception as error:  # a hostile file can make a parser raise anything
        raise DrawingError(damaged) from error
    if len(content) > most:
        raise DrawingError(too_large)
    if len(content) != entry.file_size:
        raise DrawingError(damaged)
    return content


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, label: int) -> OwnDigit:
    """One labelled drawing, packed anew: as it is when it was drawn here, otherwise its ink."""
    png = unpack_entry(archive, entry, LARGEST_PNG)
    try:
        picture, is_drawn_here = read_png(png)
        return label_drawing(picture if is_drawn_here else read_picture(png), label)
    except DrawingError as error:
        raise DrawingError(say("{name}: {why}", name=shown(entry.filename), why=error.message)) from error


def shown(text: str) -> str:
    """A text out of a file as it may be shown: short, and without the signs that a page could take for its own."""
    cut = text if len(text) <= 40 else text[:37] + "..."
    return "".join(sign if sign.isalnum() or sign in "._-/ " else "?" for sign in cut)
