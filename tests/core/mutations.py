"""Valid files made hostile: bits flipped, ends cut off, parts exchanged, lengths that lie; by chance, from a seed."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
NUMBERS = (0, 1, 2**7, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
WORDS = (
    "", " ", "0", "-1", "1e999", "nan", "inf", "1_000", "9" * 400, "none", "\0", "é", "\u202e", "🎉", "😀" * 40,
    "<b>", "`", "{x}", "%s", "../..", "'; --", "a" * 3000, "1-2-3", "-" * 500, "1," * 300, "True", "null", "\n", "١٢",
)  # fmt: skip


def mutate(content: bytes, chance: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """The content after one to six changes, each at a place by chance; parts may come from the others."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 6))):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(9):
            case 0 if changed:
                changed[place % len(changed)] ^= 1 << chance.randrange(8)
            case 1 if changed:
                changed[place % len(changed)] = chance.choice(BYTES)
            case 2:
                size, order = chance.choice((1, 2, 4, 8)), chance.choice(("little", "big"))
                number = chance.choice((*NUMBERS, len(content), len(content) + 1)) % 2 ** (8 * size)
                changed[place : place + size] = number.to_bytes(size, order)
            case 3:
                del changed[place:]
            case 4:
                del changed[place : place + chance.randint(1, 64)]
            case 5:
                start = chance.randrange(len(changed) + 1)
                changed[place:place] = changed[start : start + chance.randint(1, 200)]
            case 6:
                changed[place:place] = chance.randbytes(chance.randint(1, 40))
            case 7 if others:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                changed[place : place + chance.randint(0, 200)] = other[start : start + chance.randint(1, 2000)]
            case _:
                changed[place:place] = chance.choice(WORDS).encode()
    return bytes(changed)


def mutated_zip(content: bytes, chance: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """A zip in order, of entries that are not: one may be changed, some are renamed, doubled, packed or left out."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    at = chance.randrange(len(entries))
    entries[at] = entries[at][0], entries[at][1] if chance.random() < 0.1 else mutate(entries[at][1], chance, others)
    packed = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if chance.random() < 0.2 else zipfile.ZIP_STORED
    with zipfile.ZipFile(packed, "w", how) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name comes twice is meant
        for name, entry in entries:
            match chance.randrange(20):
                case 0:
                    continue
                case 1:
                    archive.writestr(f"{chance.choice(WORDS)[:50]}{name}".replace("\0", ""), entry)
                case 2:
                    archive.writestr(name + "2", entry)
            archive.writestr(name, entry)
    return packed.getvalue()


def mutated_png(content: bytes, chance: random.Random) -> bytes:
    """A PNG with a changed chunk, whose checksum is right again, so that the decoder goes on to look at it."""
    chunks, place = [], 8
    while place + 12 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    at = chance.randrange(len(chunks))
    name, data = chunks[at]
    if name == b"IDAT" and chance.random() < 0.5:
        data = zlib.compress(mutate(zlib.decompress(data), chance))
    elif name == b"IHDR" and chance.random() < 0.5:
        sides = [chance.choice((0, 1, 28, 279, 280, 281, 560, 5000, 25_000, 2**31 - 1, 2**32 - 1)) for _ in range(2)]
        data = struct.pack(">II", *sides) + data[8:]
    else:
        data = mutate(data, chance)
    chunks[at] = name, data
    if chance.random() < 0.2:
        chunks.insert(chance.randrange(len(chunks) + 1), chance.choice(chunks))
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def mutated_safetensors(content: bytes, chance: random.Random) -> bytes:
    """A safetensors file whose header is changed as text or as data, its length right again."""
    size = int.from_bytes(content[:8], "little")
    header, numbers = content[8 : 8 + size], content[8 + size :]
    changed = (
        json.dumps(strange(json.loads(header), chance)).encode() if chance.random() < 0.5 else mutate(header, chance)
    )
    return struct.pack("<Q", len(changed)) + changed + numbers


def strange(value: Any, chance: random.Random) -> Any:
    """Plain data with something in it exchanged for what does not belong there."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        changed = {**value, key: strange(value[key], chance)}
        return changed if chance.random() < 0.9 else {name: one for name, one in changed.items() if name != key}
    if isinstance(value, (list, tuple)) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        return [*value[:at], strange(value[at], chance), *value[at + 1 :]]
    return strange_value(chance)


def strange_value(chance: random.Random) -> Any:
    """Something that nobody asked for."""
    match chance.randrange(8):
        case 0:
            return chance.choice((None, True, False, [], {}, [[]], {"": None}))
        case 1:
            return chance.choice((*NUMBERS, -1, -(2**63), 10**300))
        case 2:
            return chance.choice((float("nan"), float("inf"), -float("inf"), -0.0, 1e-320, 0.5, 1e300))
        case 3:
            return chance.choice(WORDS)
        case 4:
            nest: Any = 0
            for _ in range(chance.choice((5, 50, 500))):
                nest = [nest]
            return nest
        case 5:
            return [chance.choice(NUMBERS)] * chance.choice((1, 5, 3000))
        case 6:
            return {chance.choice(WORDS): chance.choice(NUMBERS)}
        case _:
            return chance.randint(-100, 5000)
