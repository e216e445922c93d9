"""What torch.save wrote, taken apart and checked piece by piece, and only then given to torch to read.

torch's weights-only reader executes nothing, but it does what it is told: thirty bytes have it fill eight gigabytes
with zeros, three hundred build a key that takes a century to hash, and its reader of zip files may find another table
of contents than the one that was checked. So the pickle may use only what a state dict needs, and torch is given an
archive that was packed anew, here, of what was found in the visitor's.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mnist_core.errors import WeightsError
from mnist_core.messages import say

MOST_ENTRIES = 1000  # of the archive; the largest model here has fifty
LARGEST_PICKLE = 100_000  # bytes of names, shapes and notes; a weight takes about a hundred
TABLE_ENTRY = b"PK\x01\x02"  # how each entry begins in the table of contents

# What torch writes of a flat dict of tensors by name, and the notes that nn.Module leaves with it.
OPCODES = frozenset((
    "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "BINPUT", "LONG_BINPUT", "BINGET",
    "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "EMPTY_DICT",
    "EMPTY_TUPLE", "EMPTY_LIST", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS",
))  # fmt: skip
STORAGES = (
    "Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool", "ComplexFloat",
    "ComplexDouble",
)  # fmt: skip
NAMES = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        *(f"torch {kind}Storage" for kind in STORAGES),
    }
)
SHARED = ("GLOBAL", "BINUNICODE")  # what may be used more than once: it holds nothing else


def no_state_dict() -> WeightsError:
    """The error for a file that torch wrote, but of something else."""
    return WeightsError(say("The file holds something else than a state dict: weights by name, as model.state_dict()."))


def read_pth(content: bytes) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
    """The tensors by name in what torch.save wrote, and the notes beside them; neither has been looked at yet.

    Raises:
        WeightsError: the archive is packed, lies about its sizes, or holds something else than tensors by name.
        Exception: whatever a parser raises at a damaged one.
    """
    state = torch.load(io.BytesIO(packed_anew(content)), map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise no_state_dict()
    tensors, notes = plain(state), plain(getattr(state, "__dict__", {}).get("_metadata"))
    if not all(isinstance(name, str) and is_plain_tensor(tensor) for name, tensor in tensors.items()):
        raise no_state_dict()
    if sum(tensor.nbytes for tensor in tensors.values()) > len(content):
        raise WeightsError(say("The file claims more numbers than it holds."))  # by counting some of them repeatedly
    return tensors, notes


def plain(found: object) -> dict[Any, Any]:
    """A dict of what is in another one, whose own methods a file can have replaced; empty if it is none."""
    return dict(dict.items(found)) if isinstance(found, dict) else {}


def packed_anew(content: bytes) -> bytes:
    """An archive of the pickle and the numbers in another one, whose sizes are checked before anything is unpacked."""
    if content.count(TABLE_ENTRY) > MOST_ENTRIES:
        raise WeightsError(say("The file has more parts than weights can have."))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise WeightsError(
                say("The file is compressed; torch.save writes weights uncompressed, so this is something else.")
            )
        if sum(entry.file_size for entry in entries) > len(content):
            raise WeightsError(
                say("The file would unpack to more than the {count:,} bytes it has.", count=len(content))
            )
        parts = {entry.filename.partition("/")[2]: entry for entry in entries}
        if "constants.pkl" in parts or "data.pkl" not in parts:  # TorchScript, or an exported program
            raise no_state_dict()
        if parts["data.pkl"].file_size > LARGEST_PICKLE:
            raise no_state_dict()
        check_pickle(archive.read(parts["data.pkl"]))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as anew:
            for name, entry in parts.items():
                if name in ("data.pkl", "byteorder", "version") or name.startswith("data/"):
                    anew.writestr(f"weights/{name}", archive.read(entry))
    return packed.getvalue()


def check_pickle(pickle: bytes) -> None:
    """Raise a WeightsError unless a pickle does only what one of tensors by name has to do; nothing of it is done.

    Containers may not be used twice: of those that hold one another twice each, a few bytes make more than can be
    looked through.
    """
    before = ""
    shared: set[object] = set()
    for opcode, argument, _place in pickletools.genops(pickle):
        name = opcode.name
        if name not in OPCODES or (name == "GLOBAL" and argument not in NAMES) or (name == "PROTO" and argument != 2):
            raise no_state_dict()
        if name in ("BINPUT", "LONG_BINPUT"):
            (shared.add if before in SHARED else shared.discard)(argument)
        elif name in ("BINGET", "LONG_BINGET") and argument not in shared:
            raise no_state_dict()
        before = name


def is_plain_tensor(value: object) -> bool:
    """Whether `value` is a tensor that holds its numbers one by one: neither sparse nor on the meta device."""
    if type(value) not in (Tensor, nn.Parameter):
        return False
    assert isinstance(value, Tensor)
    return value.layout is torch.strided and value.device.type == "cpu"
