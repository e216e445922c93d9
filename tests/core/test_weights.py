"""Weights to and from files: nothing is lost, and nothing unsafe gets in."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mnist_core import MODELS, build_model, evaluate, load_model, load_weights, make_loader, save_weights, weights
from mnist_core.data import normalize
from mnist_core.errors import WeightsError
from mnist_core.models import count_parameters
from mnist_core.weights import FORMATS, shipped_path, state_bytes, weights_bytes


def same_state(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def saved(value: object, **options: object) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def small_model() -> nn.Module:
    return build_model("mlp", hidden_sizes=[5])


def trained(name: str, **options: object) -> nn.Module:
    """A network whose batch-norm statistics are no longer those of a new one."""
    model = build_model(name, **options)
    for _ in range(3):
        model(torch.rand(8, *model.input_shape))
    return model


# --- round trips


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("file_format", FORMATS)
def test_weights_come_back_from_a_file_to_the_last_bit(name, file_format, tmp_path) -> None:
    model, other = trained(name), build_model(name)
    save_weights(model, tmp_path / f"weights{file_format}")
    assert not same_state(model.state_dict(), other.state_dict())
    load_weights(tmp_path / f"weights{file_format}", other)
    assert same_state(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_path_a_string_and_bytes_are_read_alike(file_format, tmp_path) -> None:
    model, path = small_model(), tmp_path / f"weights{file_format}"
    save_weights(model, str(path))
    assert path.read_bytes() == weights_bytes(model, file_format)
    for source in (path, str(path), path.read_bytes()):
        other = small_model()
        load_weights(source, other)
        assert same_state(model.state_dict(), other.state_dict())
        assert same_state(model.state_dict(), load_model(source).state_dict())


@pytest.mark.parametrize("name", MODELS)
def test_plain_torch_reads_our_pth(name, tmp_path) -> None:
    model, plain = trained(name), MODELS[name]()
    save_weights(model, tmp_path / "weights.pth")
    plain.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True))
    assert same_state(model.state_dict(), plain.state_dict())


@pytest.mark.parametrize("name", MODELS)
def test_plain_safetensors_reads_our_safetensors(name, tmp_path) -> None:
    model, plain = trained(name), MODELS[name]()
    save_weights(model, tmp_path / "weights.safetensors")
    plain.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert same_state(model.state_dict(), plain.state_dict())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", ["torch.save", "safetensors"])
def test_a_state_dict_that_others_saved_is_recognised_by_its_names_and_shapes(name, how, tmp_path) -> None:
    model = MODELS[name]()
    if how == "torch.save":
        torch.save(model.state_dict(), tmp_path / "weights")
    else:
        save_file(model.state_dict(), tmp_path / "weights")
    loaded = load_model(tmp_path / "weights")
    assert type(loaded) is MODELS[name]
    assert same_state(model.state_dict(), loaded.state_dict())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"hidden_sizes": [40, 20], "dropout": 0.3, "activation": "tanh"}),
        ("mlp_sequential", {"hidden_sizes": [], "input_channels": 3, "input_size": 32}),
        ("cnn", {"channels": [3, 4, 5], "activation": "gelu"}),
        ("fast_cnn", {"channels": [3, 4, 5], "input_size": 32}),
        ("deep_cnn", {"channels": [3, 4, 5], "dropout": 0.0}),
    ],
)
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_remembers_its_model_with_all_options(name, options, file_format) -> None:
    model = trained(name, **options).eval()
    loaded = load_model(weights_bytes(model, file_format))
    assert str(loaded) == str(model)
    assert loaded.input_shape == model.input_shape
    assert loaded.architecture == model.architecture
    images = torch.rand(4, *model.input_shape)
    same_layout = model.to(memory_format=torch.channels_last)  # another adds up its floats in another order
    assert torch.equal(loaded(images), same_layout(images))


def test_a_loaded_model_is_frozen_and_in_eval_mode() -> None:
    model = load_model(weights_bytes(trained("deep_cnn"), ".pth"))
    assert not any(module.training for module in model.modules())
    assert not any(weight.requires_grad for weight in model.parameters())


def test_a_loaded_model_can_be_saved_and_loaded_again() -> None:
    model = load_model(weights_bytes(trained("fast_cnn"), ".safetensors"))
    for file_format in FORMATS:
        content = weights_bytes(model, file_format)
        assert len(content) < 4 * count_parameters(model) + 20_000
        assert same_state(load_model(content).state_dict(), model.state_dict())


def test_parameters_saved_as_such_are_weights_too() -> None:
    model, other = small_model(), small_model()
    load_weights(saved(OrderedDict(model.named_parameters())), other)
    assert same_state(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("notes", ["a text", 3, {"": 3}, {"": {"version": "new"}}])
def test_notes_that_make_no_sense_are_passed_over(notes) -> None:
    state = OrderedDict(build_model("mlp").state_dict())
    vars(state)["_metadata"] = notes
    loaded = load_model(saved(state))
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in state.items())


def test_loading_keeps_the_mode_and_the_trainability_of_the_model() -> None:
    model = small_model().train()
    load_weights(weights_bytes(small_model(), ".pth"), model)
    assert model.training
    assert all(weight.requires_grad for weight in model.parameters())


# --- files that are refused


class Marking:
    """A pickle that makes a file when it is unpickled carelessly."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


class Shouting:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f"touch '{self.marker}'",)


def changed(**changes: Tensor) -> dict[str, Tensor]:
    """The state dict of the small model with some weights replaced."""
    names = {"bias": "output.bias", "weight": "output.weight"}
    return {**small_model().state_dict(), **{names.get(key, key): value for key, value in changes.items()}}


def lying_safetensors(header: dict | bytes, length: int | None = None, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def compressed(content: bytes) -> bytes:
    """The same archive, packed."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return buffer.getvalue()


def zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(20 * 2**20))
    return buffer.getvalue()


def torchscript_like() -> bytes:
    """The entries that make torch take an archive for TorchScript."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/constants.pkl", pickle.dumps(()))
        archive.writestr("m/data.pkl", pickle.dumps({}))
        archive.writestr("m/version", "3\n")
    return buffer.getvalue()


def pth_of(pickled: bytes, numbers: bytes = b"") -> bytes:
    """An archive as torch.save lays it out, of this pickle and these numbers."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", numbers)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def with_own_methods(state: dict[str, Tensor]) -> bytes:
    """An archive of a dict that is asked for what it holds, and answers that it is nothing."""
    noted = OrderedDict(state)
    vars(noted).update(itemz=OrderedDict, valuez=OrderedDict, keyz=OrderedDict)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(noted))) as archive, zipfile.ZipFile(buffer, "w") as anew:
        for entry in archive.infolist():
            content = archive.read(entry)
            for method in (b"item", b"value", b"key"):
                content = content.replace(method + b"z", method + b"s")
            anew.writestr(entry.filename, content)
    return buffer.getvalue()


def with_two_tables(inner: bytes, outer: bytes) -> bytes:
    """An archive whose end points to the table of `inner`, while that of `outer` stands right before it."""
    start, end = inner.rindex(b"PK\5\6"), outer.rindex(b"PK\5\6")
    tail = bytearray(outer[end:])
    tail[16:20] = inner[start + 16 : start + 20]  # where the table begins
    return inner[:start] + outer[:end] + tail


def nested_key(levels: int) -> bytes:
    """A pickle of a dict whose key is a tuple of a tuple twice, and so on: its hash takes 2 ** levels steps."""
    return b"\x80\x02K\x01\x85q\x01" + levels * b"h\x01h\x01\x86q\x01" + b"}h\x01K\x01s."


def repeated_number(shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Weights of this shape that are one number, counted again and again."""
    return {"output.bias": torch.zeros(1).expand(shape)}


TENSOR = {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]}

BAD: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"these are not weights",
    "truncated pth": lambda: weights_bytes(small_model(), ".pth")[:-500],
    "half a pth": lambda: weights_bytes(small_model(), ".pth")[:9000],
    "only the start of a zip": lambda: b"PK\x03\x04",
    "truncated safetensors": lambda: weights_bytes(small_model(), ".safetensors")[:-1],
    "longer safetensors": lambda: weights_bytes(small_model(), ".safetensors") + b"\x00",
    "zip bomb": zip_bomb,
    "compressed pth": lambda: compressed(weights_bytes(small_model(), ".pth")),
    "packed anew behind another table": lambda: with_two_tables(
        compressed(weights_bytes(small_model(), ".pth")),
        state_bytes(changed(bias=torch.full((10,), float("nan"))), ".pth", small_model().architecture),
    ),
    "more parts than weights have": lambda: saved({str(number): torch.zeros(1) for number in range(1100)}),
    "parts of a gigabyte each": lambda: weights_bytes(small_model(), ".pth").replace(
        struct.pack("<LL", 3920 * 4, 3920 * 4), struct.pack("<LL", 2**30, 2**30)
    ),
    "eight gigabytes of zeros": lambda: pth_of(b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x02\x85R."),
    "a key without end": lambda: pth_of(nested_key(200)),
    "a long pickle": lambda: pth_of(b"\x80\x02" + 200_000 * b"]" + b"."),
    "another protocol": lambda: saved(small_model().state_dict(), pickle_protocol=4),
    "one number, counted again and again": lambda: saved(repeated_number((2**28,))),
    "legacy torch file": lambda: saved(small_model().state_dict(), _use_new_zipfile_serialization=False),
    "pickle": lambda: pickle.dumps({"output.bias": [0.0] * 10}),
    "whole model": lambda: saved(small_model()),
    "TorchScript": torchscript_like,
    "no dict": lambda: saved(torch.zeros(10)),
    "a list": lambda: saved(list(small_model().state_dict().values())),
    "empty dict": lambda: saved({}),
    "nested dict": lambda: saved({"state_dict": small_model().state_dict()}),
    "checkpoint": lambda: saved({"epoch": 3, "model": small_model().state_dict()}),
    "numbers instead of tensors": lambda: saved({"output.bias": 3.0}),
    "keys that are no names": lambda: saved({1: torch.zeros(10)}),
    "a weight is missing": lambda: saved({k: v for k, v in changed().items() if k != "output.bias"}),
    "a weight too many": lambda: saved(changed(extra=torch.zeros(1))),
    "another model": lambda: saved(build_model("cnn").state_dict()),
    "another size": lambda: saved(build_model("mlp", hidden_sizes=[6]).state_dict()),
    "another shape": lambda: saved(changed(bias=torch.zeros(10, 1))),
    "an empty weight": lambda: saved(changed(bias=torch.zeros(0))),
    "doubles": lambda: saved(changed(bias=torch.zeros(10, dtype=torch.float64))),
    "halves": lambda: saved(changed(bias=torch.zeros(10, dtype=torch.float16))),
    "integers": lambda: saved(changed(bias=torch.zeros(10, dtype=torch.int64))),
    "complex": lambda: saved(changed(bias=torch.zeros(10, dtype=torch.complex64))),
    "not a number": lambda: saved(changed(bias=torch.full((10,), float("nan")))),
    "not a number, in a dict with methods of its own": lambda: with_own_methods(
        changed(bias=torch.full((10,), float("nan")))
    ),
    "infinite": lambda: saved(changed(weight=torch.full((10, 5), float("-inf")))),
    "on the meta device": lambda: saved(changed(bias=torch.zeros(10, device="meta"))),
    "sparse": lambda: saved(changed(bias=torch.ones(10).to_sparse())),
    "safetensors not a number": lambda: state_bytes(changed(bias=torch.full((10,), float("nan"))), ".safetensors"),
    "safetensors another shape": lambda: state_bytes(changed(bias=torch.zeros(11)), ".safetensors"),
    "header length beyond the file": lambda: lying_safetensors({"output.bias": TENSOR}, 10_000, bytes(40)),
    "header of half a megabyte": lambda: lying_safetensors({"__metadata__": {"note": "x" * 500_000}}),
    "header claims 2 GB": lambda: lying_safetensors({}, 2**31),
    "header claims more than there is in the world": lambda: b"\xff" * 8 + b"{}",
    "tensor claims 2 GB": lambda: lying_safetensors(
        {"output.bias": {"dtype": "F32", "shape": [2**29], "data_offsets": [0, 2**31]}}, data=bytes(40)
    ),
    "tensors overlap": lambda: lying_safetensors({"a": TENSOR, "b": TENSOR}, data=bytes(40)),
    "header is no JSON": lambda: lying_safetensors(b"{" * 100),
    "header is nested without end": lambda: lying_safetensors(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "header is a list": lambda: lying_safetensors(b"[]"),
    "safetensors of nothing": lambda: lying_safetensors({}),
    "remembers an unknown model": lambda: state_bytes(changed(), ".safetensors", {"model": "resnet", "options": {}}),
    "remembers an unknown option": lambda: state_bytes(changed(), ".pth", {"model": "mlp", "options": {"name": "x"}}),
    "remembers a huge model": lambda: state_bytes(
        changed(), ".pth", {"model": "mlp", "options": {"hidden_sizes": [10**9]}}
    ),
    "remembers a nest": lambda: state_bytes(
        changed(), ".pth", {"model": "mlp", "options": {"hidden_sizes": json.loads(300 * "[" + 300 * "]")}}
    ),
    "remembers a whole book": lambda: state_bytes(changed(), ".pth", {"model": "mlp", "options": {"x": 9000 * "x"}}),
    "remembers an endless number": lambda: state_bytes(
        changed(), ".pth", {"model": "mlp", "options": {"hidden_sizes": [10**1500]}}
    ),
    "remembers no number": lambda: state_bytes(
        changed(), ".pth", {"model": "mlp", "options": {"hidden_sizes": [5], "dropout": float("nan")}}
    ),
    "remembers more layers than there may be": lambda: state_bytes(
        changed(), ".pth", {"model": "mlp", "options": {"hidden_sizes": [5] * 5}}
    ),
    "remembers nonsense": lambda: state_bytes(changed(), ".pth", {"model": ["mlp"], "options": 3}),
    "remembers a list": lambda: state_bytes(changed(), ".safetensors", ["mlp"]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_file_is_refused_in_plain_words_and_changes_nothing(bad, tmp_path) -> None:
    content = BAD[bad]()
    (tmp_path / "weights").write_bytes(content)
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for source in (content, tmp_path / "weights"):
        if not bad.startswith("remembers"):
            with pytest.raises(WeightsError) as caught:
                load_weights(source, model)
            assert 20 < len(str(caught.value)) < 400
        if bad not in ("another model", "another size"):
            with pytest.raises(WeightsError):
                load_model(source)
    assert same_state(model.state_dict(), before)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("zip bomb", "compressed"),
        ("packed anew behind another table", "not numbers"),
        ("more parts than weights have", "more parts"),
        ("parts of a gigabyte each", "would unpack to more"),
        ("eight gigabytes of zeros", "something else than a state dict"),
        ("a key without end", "something else than a state dict"),
        ("one number, counted again and again", "claims more numbers"),
        ("TorchScript", "something else than a state dict"),
        ("header claims 2 GB", "its header would have 2,147,483,648 bytes"),
        ("tensor claims 2 GB", "damaged"),
        ("remembers a huge model", "each 1 to 2048"),
        ("remembers a whole book", "a way that this program does not know"),
    ],
)
def test_a_file_that_would_take_memory_or_time_is_refused_before_it_takes_them(bad, why) -> None:
    with pytest.raises(WeightsError, match=why):
        load_model(BAD[bad]())


@pytest.mark.parametrize("trap", [Marking, Shouting])
@pytest.mark.parametrize("wrapping", ["pickle", "torch", "legacy torch", "among the weights"])
def test_nothing_in_a_file_is_executed(trap, wrapping, tmp_path) -> None:
    marker = tmp_path / "executed"
    bomb = trap(marker)
    content = {
        "pickle": lambda: pickle.dumps(bomb),
        "torch": lambda: saved(bomb),
        "legacy torch": lambda: saved(bomb, _use_new_zipfile_serialization=False),
        "among the weights": lambda: saved({**small_model().state_dict(), "output.bias": bomb}),
    }[wrapping]()
    for load in (load_model, lambda source: load_weights(source, small_model())):
        with pytest.raises(WeightsError):
            load(content)
    assert not marker.exists()


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"PK\x03\x04" + tail))
def test_random_bytes_are_refused(content) -> None:
    with pytest.raises(WeightsError):
        load_model(content)


@pytest.mark.parametrize("file_format", FORMATS)
@given(data=st.data())
def test_a_file_with_one_byte_changed_is_refused_or_still_holds_sound_weights(file_format, data) -> None:
    content = bytearray(weights_bytes(small_model(), file_format))
    place = data.draw(st.integers(0, 1500) | st.integers(len(content) - 1500, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    model = small_model()
    try:
        load_weights(bytes(content), model)
    except WeightsError:
        return
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_sizes_beyond_the_numbers_in_the_file_are_refused() -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(build_model("mlp", hidden_sizes=[77]).state_dict()))) as old,
        zipfile.ZipFile(buffer, "w") as new,
    ):
        for name in old.namelist():
            entry = old.read(name)
            larger = entry.replace(b"KM", b"K\xf0") if name.endswith("data.pkl") else entry  # 77 becomes 240
            assert name.endswith("data.pkl") == (larger != entry)
            new.writestr(name, larger)
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(buffer.getvalue(), build_model("mlp", hidden_sizes=[240]))


def test_too_large_a_file_is_not_even_read(tmp_path, monkeypatch) -> None:
    path = tmp_path / "weights.pth"
    save_weights(small_model(), path)
    monkeypatch.setattr(weights, "LARGEST_FILE", path.stat().st_size - 1)
    for source in (path, path.read_bytes()):
        with pytest.raises(WeightsError, match="bytes; at most"):
            load_model(source)
    monkeypatch.setattr(weights, "LARGEST_FILE", path.stat().st_size)
    load_model(path)


@pytest.mark.parametrize("what", ["missing", "folder", "in a missing folder", "below a file"])
def test_a_path_that_leads_to_no_file_is_named(what, tmp_path) -> None:
    (tmp_path / "file").touch()
    path = {
        "missing": tmp_path / "gone.pth",
        "folder": tmp_path,
        "in a missing folder": tmp_path / "gone" / "gone.pth",
        "below a file": tmp_path / "file" / "weights.pth",
    }[what]
    with pytest.raises(WeightsError) as caught:
        load_model(path)
    assert str(path) in str(caught.value)


def test_the_words_for_another_model_say_what_differs() -> None:
    with pytest.raises(WeightsError, match=r"lacks hidden.0.bias, hidden.0.weight and has unknown convolutions"):
        load_weights(saved(build_model("cnn").state_dict()), small_model())
    with pytest.raises(WeightsError, match=r"hidden.0.weight has the shape \(6, 784\); this model needs \(5, 784\)"):
        load_weights(saved(build_model("mlp", hidden_sizes=[6]).state_dict()), small_model())
    with pytest.raises(WeightsError, match=r"output.bias holds torch.float64; this model needs torch.float32"):
        load_weights(saved(changed(bias=torch.zeros(10, dtype=torch.float64))), small_model())
    with pytest.raises(WeightsError, match="infinite or not numbers"):
        load_weights(saved(changed(bias=torch.full((10,), float("nan")))), small_model())


# --- saving


@pytest.mark.parametrize("name", ["weights.pt", "weights", "weights.pth.txt", "weights.PTH", ".pth"])
def test_only_the_two_formats_are_written(name, tmp_path) -> None:
    with pytest.raises(WeightsError, match=r"\.pth or \.safetensors"):
        save_weights(small_model(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "weights.pth"
    with pytest.raises(WeightsError) as caught:
        save_weights(small_model(), path)
    assert str(path) in str(caught.value)


def test_missing_folders_are_made(tmp_path) -> None:
    save_weights(small_model(), tmp_path / "a" / "b" / "weights.pth")
    load_model(tmp_path / "a" / "b" / "weights.pth")


def test_saving_again_replaces_the_file_and_leaves_no_other(tmp_path) -> None:
    path, newer = tmp_path / "weights.pth", small_model()
    save_weights(small_model(), path)
    save_weights(newer, path)
    assert same_state(load_model(path).state_dict(), newer.state_dict())
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o444 == 0o444


def test_a_failing_replacement_leaves_what_was_there_and_nothing_else(tmp_path) -> None:
    folder = tmp_path / "weights.pth"
    folder.mkdir()
    (folder / "kept").touch()
    with pytest.raises(WeightsError):
        save_weights(small_model(), folder)
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "kept").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no limit on a file's size")
def test_the_old_file_survives_a_disk_that_is_full(tmp_path) -> None:
    import resource

    path = tmp_path / "weights.pth"
    save_weights(small_model(), path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(WeightsError, match="could not be written"):
            save_weights(small_model(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- the shipped weights


def test_the_shipped_model_is_ready_to_answer() -> None:
    model = load_model()
    assert not any(module.training for module in model.modules())
    assert not any(weight.requires_grad for weight in model.parameters())
    assert model.input_shape == (1, 28, 28)
    assert model(normalize(torch.zeros(1, 1, 28, 28, dtype=torch.uint8))).shape == (1, 10)


def test_the_shipped_model_is_small() -> None:
    assert shipped_path().stat().st_size < 2_000_000
    assert count_parameters(load_model()) < 500_000


def test_the_shipped_model_reads_nearly_all_of_mnists_test_digits(mnist_test) -> None:
    assert evaluate(load_model(), make_loader(mnist_test, 500), "cpu").accuracy >= 0.995


def test_each_call_gives_a_model_of_its_own() -> None:
    first, second = load_model(), load_model()
    next(first.parameters()).zero_()
    assert next(second.parameters()).abs().sum() > 0
