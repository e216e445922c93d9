"""Weights to and from files, as state dicts; nothing of a file is used before all of it has been checked."""

from __future__ import annotations

import io
import json
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from mnist_core.errors import ConfigError, WeightsError
from mnist_core.messages import say
from mnist_core.models import MODELS, build_model, model_options
from mnist_core.torch_files import read_pth

LARGEST_FILE = 128 * 2**20  # bytes
LARGEST_HEADER = 100_000  # bytes of a safetensors file's names and shapes; a weight takes about a hundred
LARGEST_ARCHITECTURE = 2000  # characters of what a file says of its model
FORMATS = (".pth", ".safetensors")
FORMAT_NAMES = say("{one} or {other}", one=FORMATS[0], other=FORMATS[1])
ARCHITECTURE = "architecture"  # the key under which a file remembers model and options
SHIPPED_NAME = "digits.safetensors"

State = Mapping[str, Tensor]
Architecture = Mapping[str, Any]  # {"model": name, "options": {...}}


def state_bytes(state: State, file_format: str, architecture: Architecture | None = None) -> bytes:
    """A state dict as the content of a file; the names of the weights stay the model's own.

    Args:
        file_format: ".pth", as torch.save writes it, or ".safetensors".
        architecture: {"model": name, "options": {...}}, remembered beside the weights.

    Raises:
        WeightsError: for another format.
    """
    if file_format not in FORMATS:
        raise WeightsError(
            say(
                "Weights are saved as {formats}, not as {found}.",
                formats=FORMAT_NAMES,
                found=file_format or say("a nameless format"),
            )
        )
    on_cpu = OrderedDict((name, tensor.detach().cpu().contiguous()) for name, tensor in state.items())
    notes = {ARCHITECTURE: json.dumps(architecture)} if architecture else {}
    if file_format == ".safetensors":
        return save_safetensors(on_cpu, notes or None)
    # In this attribute torch keeps notes of the modules; it is saved with the dict, and load_state_dict ignores ours.
    on_cpu._metadata = {**getattr(state, "_metadata", {}), **notes}  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    torch.save(on_cpu, buffer)
    return buffer.getvalue()


def weights_bytes(model: nn.Module, file_format: str) -> bytes:
    """The weights of a model, and what it is, as the content of a file; see `state_bytes`."""
    return state_bytes(model.state_dict(), file_format, getattr(model, ARCHITECTURE, None))


def save_weights(model: nn.Module, path: Path | str) -> None:
    """Write the weights to `path`, whose ending decides the format; a file that is there is replaced at once or not.

    Raises:
        WeightsError: for an ending other than .pth and .safetensors, or when the file cannot be written.
    """
    path = Path(path)
    content = weights_bytes(model, path.suffix)
    unfinished = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            unfinished = Path(file.name)
            file.write(content)
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except OSError as error:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)
        raise WeightsError(
            say("The weights could not be written to {path} ({error}).", path=str(path), error=error.strerror)
        ) from error


def load_weights(path_or_bytes: Path | str | bytes, model: nn.Module) -> None:
    """Put weights from a file, or its content, into `model`, whose names, shapes and dtypes they must fit exactly.

    Raises:
        WeightsError: says what is wrong with the file; the model is left as it was.
    """
    state, _ = read_state(path_or_bytes)
    check_state(state, model)
    model.load_state_dict(state)


def load_model(path: Path | str | bytes | None = None) -> nn.Module:
    """The model whose weights a file holds, in eval mode on the CPU: the shipped one by default.

    A file that does not remember its model is taken for that of MODELS which it fits with default options.

    Raises:
        WeightsError: says what is wrong with the file.
    """
    state, architecture = read_state(shipped_path() if path is None else path)
    model = model_for(state, architecture)
    check_state(state, model)
    model.load_state_dict(state, assign=True)
    # As the networks lay out their images; else the weights would be copied for each of them.
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def shipped_path() -> Path:
    """Where the shipped weights lie: in the installed package, or in models/ beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "shipped" / SHIPPED_NAME
    return installed if installed.exists() else package.parent / "models" / SHIPPED_NAME


def model_for(state: State, architecture: object) -> nn.Module:
    """An empty model (on the meta device: shapes without numbers) of the kind that the state belongs to."""
    with torch.device("meta"):
        if architecture is not None:
            if not isinstance(architecture, dict) or not isinstance(architecture.get("options"), dict):
                raise WeightsError(say("The file describes its model in a way that this program does not know."))
            try:
                return build_model(architecture.get("model"), **architecture["options"])  # type: ignore[arg-type]
            except (ConfigError, TypeError) as error:
                why = error.message if isinstance(error, ConfigError) else str(error)
                raise WeightsError(
                    say("The file is for a model that this program does not know: {why}", why=why)
                ) from error
        shapes = {name: tensor.shape for name, tensor in state.items()}
        for name in MODELS:
            model = build_model(name, **model_options(name))
            if shapes == {key: tensor.shape for key, tensor in model.state_dict().items()}:
                return model
    raise WeightsError(say("These weights fit none of the models; load them into the model that they were saved from."))


def check_state(state: State, model: nn.Module) -> None:
    """Raise a WeightsError unless `state` has exactly the model's names, shapes and dtypes, and only finite numbers."""
    expected = model.state_dict()
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing and unknown:
        raise WeightsError(
            say(
                "The weights are for another model: the file lacks {missing} and has unknown {unknown}.",
                missing=shorten(missing),
                unknown=shorten(unknown),
            )
        )
    if missing:
        raise WeightsError(
            say("The weights are for another model: the file lacks {missing}.", missing=shorten(missing))
        )
    if unknown:
        raise WeightsError(
            say("The weights are for another model: the file has unknown {unknown}.", unknown=shorten(unknown))
        )
    for name, tensor in state.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape:
            raise WeightsError(
                say(
                    "{name} has the shape {shape}; this model needs {needed}.",
                    name=name,
                    shape=tuple(tensor.shape),
                    needed=tuple(wanted.shape),
                )
            )
        if tensor.dtype != wanted.dtype:
            found, needed = str(tensor.dtype), str(wanted.dtype)
            raise WeightsError(
                say("{name} holds {found}; this model needs {needed}.", name=name, found=found, needed=needed)
            )
        if not tensor.isfinite().all():
            raise WeightsError(
                say("{name} holds numbers that are infinite or not numbers; the training had failed.", name=name)
            )


def shorten(names: list[str]) -> str:
    """A few of the names, each cut to a length that can be shown."""
    shown = ", ".join(name[:40] for name in names[:3])
    return say("{names} and {count} more", names=shown, count=len(names) - 3) if len(names) > 3 else shown


def read_state(path_or_bytes: Path | str | bytes) -> tuple[State, object]:
    """The tensors of a .pth or .safetensors file by name, and the model it remembers (or None), both unchecked.

    The format is told by the content. Nothing in the file is executed: torch's weights-only reader is the only one.

    Raises:
        WeightsError: the file is missing, too large, damaged, or holds something else than tensors by name.
    """
    content = path_or_bytes if isinstance(path_or_bytes, bytes) else read_file(Path(path_or_bytes))
    if len(content) > LARGEST_FILE:
        raise WeightsError(
            say("The file has {count:,} bytes; at most {most:,} are read.", count=len(content), most=LARGEST_FILE)
        )
    try:
        if content.startswith(b"PK\x03\x04"):
            state, notes = read_pth(content)
        else:
            state, notes = read_safetensors(content)
        return state, read_architecture(notes.get(ARCHITECTURE))
    except WeightsError:
        raise
    except Exception as error:  # a hostile file can make a parser raise anything
        raise WeightsError(
            say(
                "This is not a file of weights, or it is damaged ({error}). "
                "Use a {formats} file that holds a state dict.",
                error=type(error).__name__,
                formats=FORMAT_NAMES,
            )
        ) from error


def read_file(path: Path) -> bytes:
    """The content of a file of weights, at most one byte more than may be read."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise WeightsError(
            say("The weights {path} cannot be read ({error}).", path=str(path), error=error.strerror)
        ) from error


def read_safetensors(content: bytes) -> tuple[State, Mapping[str, Any]]:
    """What safetensors wrote: a JSON header with its length before it, then raw numbers; the library checks both."""
    header_length = int.from_bytes(content[:8], "little")
    if header_length > LARGEST_HEADER:
        raise WeightsError(
            say(
                "This is not a file of weights: its header would have {count:,} bytes, and at most {most:,} are read.",
                count=header_length,
                most=LARGEST_HEADER,
            )
        )
    state = load_safetensors(content)
    return state, json.loads(content[8 : 8 + header_length]).get("__metadata__", {})


def read_architecture(described: object) -> object:
    """The model that a file's note describes, as plain data of a bounded size, unchecked; None without a note."""
    if described is None:
        return None
    if not isinstance(described, str) or len(described) > LARGEST_ARCHITECTURE:
        raise WeightsError(say("The file describes its model in a way that this program does not know."))
    return json.loads(described)
