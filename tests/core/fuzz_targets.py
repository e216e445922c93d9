"""What strangers can send, and the functions that read it: each target makes an input by chance and feeds it in."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

import numpy as np
import torch
from mutations import NUMBERS, WORDS, mutate, mutated_png, mutated_safetensors, mutated_zip, strange, strange_value
from PIL import Image
from torch import nn

from mnist_core import MODELS, RECIPES, TrainConfig, build_model, load_mnist, load_model, prepare
from mnist_core.decoding import FORMATS
from mnist_core.errors import ConfigError, DigitPlaygroundError, DrawingError, WeightsError
from mnist_core.links import read_query, write_query
from mnist_core.opened import LONGEST_NAME, shown_name
from mnist_core.own_digits import label_drawing, unpack
from mnist_core.own_zip import unzip_digits, zip_digits
from mnist_core.pictures import read_picture
from mnist_core.queries import Query
from mnist_core.weights import FORMATS as WEIGHT_FORMATS
from mnist_core.weights import state_bytes, weights_bytes

Chance = random.Random
PAPER = "hsl(0, 0%, 0%)"


class NotTakenError(DigitPlaygroundError):
    """What the canvas is said to show is passed over without a word."""


@dataclass(frozen=True)
class Target:
    """A way in.

    Attributes:
        make: an input, by chance. feed: reads it, and asserts what must hold of whatever was read.
        refusals: the errors that are meant for the person who sent it; any other is a crash.
        needs_page: whether the reading module can be imported only where Streamlit has been running.
    """

    make: Callable[[Chance], Any]
    feed: Callable[[Any], None]
    refusals: type[DigitPlaygroundError] | tuple[()] = ()
    needs_page: bool = False

    def try_one(self, chance: Chance) -> bool:
        """Make an input and feed it in; whether it was taken rather than refused."""
        made = self.make(chance)
        try:
            self.feed(made)
        except self.refusals as error:
            refusal: str = error.message
        else:
            return True
        assert 10 < len(refusal) < 1000
        return False


# --- weights


@functools.cache
def small_models() -> tuple[nn.Module, ...]:
    """A small network of every kind."""
    small = {"mlp": {"hidden_sizes": [3]}, "mlp_sequential": {"hidden_sizes": []}, "cnn": {"channels": [2, 3]}}
    torch.manual_seed(0)
    return tuple(build_model(name, **small.get(name, {"channels": [2, 3, 4]})) for name in MODELS)


@functools.cache
def weight_files(file_format: str) -> tuple[bytes, ...]:
    """These networks as files."""
    return tuple(weights_bytes(model, file_format) for model in small_models())


def make_weights(file_format: str, chance: Chance) -> bytes:
    files = weight_files(file_format)
    content = chance.choice(files)
    if chance.random() < 0.2:
        model = chance.choice(small_models())
        described = json.loads(json.dumps(model.architecture))
        return state_bytes(model.state_dict(), file_format, strange(described, chance))
    if chance.random() < 0.4:
        return mutate(content, chance, files)
    return mutated_zip(content, chance, files) if file_format == ".pth" else mutated_safetensors(content, chance)


def feed_weights(content: bytes) -> None:
    model = load_model(content)
    assert not model.training
    weights = list(model.state_dict().values())
    assert all(weight.isfinite().all() for weight in weights)
    assert sum(weight.nbytes for weight in weights) <= len(content)


# --- pictures


@functools.cache
def picture_files() -> tuple[bytes, ...]:
    """A drawing in every format, in several modes."""
    ink = Image.fromarray(255 - load_mnist("test").images[0, 0].numpy()).resize((60, 50))
    files = []
    for file_format in FORMATS:
        for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"):
            content = io.BytesIO()
            try:
                ink.convert("L" if mode == "I;16" else mode).convert(mode).save(content, file_format)
            except (OSError, ValueError):  # the format has no such mode
                continue
            files.append(content.getvalue())
    progressive = io.BytesIO()
    ink.save(progressive, "JPEG", progressive=True)
    return (*files, progressive.getvalue())


@functools.cache
def large_pictures() -> tuple[bytes, ...]:
    """Pictures of one colour, whose files are far smaller than what they show."""
    files = []
    for mode, size, file_format in (
        ("L", (5000, 5000), "PNG"),
        ("RGB", (2900, 3000), "PNG"),
        ("RGBA", (2900, 3000), "PNG"),
        ("RGB", (5000, 5000), "JPEG"),
        ("RGB", (2400, 2400), "WEBP"),
        ("P", (5000, 5000), "GIF"),
        ("1", (30_000, 800), "PNG"),
        ("I;16", (4000, 4000), "PNG"),
        ("RGB", (1, 30_000), "PNG"),
    ):
        content = io.BytesIO()
        Image.new(mode, size).save(content, file_format, compress_level=1, quality=50, method=0)
        files.append(content.getvalue())
    return tuple(files)


def make_picture(chance: Chance) -> bytes:
    files, large = picture_files(), large_pictures()
    if chance.random() < 0.01:
        return chance.choice(large) if chance.random() < 0.5 else mutate(chance.choice(large), chance)
    content = chance.choice(files)
    if content.startswith(b"\x89PNG") and chance.random() < 0.6:
        return mutated_png(content, chance)
    return mutate(content, chance, files)


def feed_picture(content: bytes) -> None:
    ink = read_picture(content)
    assert ink.dtype == np.uint8
    assert min(ink.shape) >= 1
    assert max(ink.shape) <= 1024
    prepare(ink)


# --- drawings


@functools.cache
def drawing_files() -> tuple[bytes, ...]:
    """Canvases as the browser sends them, in grey and in colour."""
    ink = load_mnist("test").images[0, 0].numpy()
    picture = Image.fromarray(ink).resize((280, 280))
    coloured = Image.merge("RGB", [picture, picture, Image.new("L", (280, 280))])
    files = []
    for image in (picture, picture.convert("RGBA"), coloured, picture.convert("P")):
        content = io.BytesIO()
        image.save(content, "PNG")
        files.append(content.getvalue())
    return tuple(files)


def make_png(chance: Chance) -> bytes:
    content = chance.choice(drawing_files())
    return mutated_png(content, chance) if chance.random() < 0.7 else mutate(content, chance, drawing_files())


def feed_labelled(content: bytes) -> None:
    picture = unpack(content)
    assert picture.dtype == np.uint8
    assert max(picture.shape[:2]) <= 560
    prepare(picture)


def make_canvas(chance: Chance) -> str:
    picture = "data:image/png;base64," + base64.b64encode(make_png(chance)).decode()
    stroke = {"type": "Path", "path": [["M", 1, 2], ["Q", 1, 2, 3.5, 4.5]], "stroke": "#ffffff"}
    state = {"drawing": {"raw": {"objects": [stroke] * 3, "background": PAPER}, "data": picture}, "backgroundFit": None}
    changed = strange(state, chance) if chance.random() < 0.5 else state
    text = json.dumps(changed)
    return mutate(text.encode(), chance).decode("utf-8", "replace") if chance.random() < 0.3 else text


def feed_canvas(state: str) -> None:
    from streamlit_drawable_canvas import CanvasResult

    from mnist_ui.canvas import read_ink
    from mnist_ui.received import is_sound

    told = json.loads(state) if is_sound(state) else None
    drawing = told.get("drawing") if isinstance(told, dict) else None
    raw, data = (drawing.get("raw"), drawing.get("data")) if isinstance(drawing, dict) else (None, None)
    read = read_ink(CanvasResult(raw, data, return_image_data=True), PAPER)
    if read is None:
        raise NotTakenError("the canvas stays as it was")
    assert read.ink.shape == (280, 280)
    prepare(read.picture, in_colour=True)


@functools.cache
def zip_files() -> tuple[bytes, ...]:
    """Labelled drawings as zips."""
    images = load_mnist("test").images[:3, 0].numpy()
    return tuple(
        zip_digits([label_drawing(image, label) for label, image in enumerate(images[:count])]) for count in (1, 3)
    )


def make_zip(chance: Chance) -> bytes:
    content = chance.choice(zip_files())
    return (
        mutated_zip(content, chance, drawing_files()) if chance.random() < 0.6 else mutate(content, chance, zip_files())
    )


def feed_zip(content: bytes) -> None:
    for digit in unzip_digits(content, most=50):
        assert digit.label in range(10)
        assert max(digit.picture.shape[:2]) <= 1024


def make_array(chance: Chance) -> Any:
    random_numbers = np.random.default_rng(chance.getrandbits(32))
    sides = [chance.choice((0, 1, 2, 3, 7, 28, 64, 280, 400)) for _ in range(2)]
    if chance.random() < 0.3:
        sides = chance.choice(([], sides[:1], [*sides, 1], [*sides, 3], [*sides, 3], [*sides, 3], [*sides, 2, 2]))
    if chance.random() < 0.02:
        sides = [chance.choice((1, 1024, 8192, 8193)), chance.choice((1, 2))][:: chance.choice((1, -1))]
        return np.full(sides, chance.choice((0, 255)), np.uint8)
    kind = np.uint8 if chance.random() < 0.9 else chance.choice((np.float32, np.int64, np.bool_, np.uint16, object))
    if chance.random() < 0.03:
        return strange_value(chance)
    ink = random_numbers.integers(0, 256, sides)
    ink[random_numbers.random(sides) < chance.choice((0.0, 0.5, 0.99, 0.9999, 1.0))] = 0
    return ink.astype(kind)


def feed_array(ink: Any) -> None:
    prepared = prepare(ink, in_colour=True)
    assert prepared.image.shape == (28, 28)
    assert np.isfinite(prepared.image).all()
    assert prepared.colours is not None
    assert prepared.colours.shape == (3, 32, 32)
    assert prepared.image.min() >= 0
    assert prepared.image.max() <= 1


# --- settings


def make_config(chance: Chance) -> dict[str, Any]:
    plain = chance.choice(list(RECIPES.values())).as_dict()
    for _ in range(chance.choice((0, 1, 1, 2))):
        field = chance.choice(list(plain))
        plain[field] = strange(plain[field], chance)
    return plain


def feed_config(fields: dict[str, Any]) -> None:
    config = TrainConfig(**fields)
    assert TrainConfig(**config.as_dict()) == config
    json.dumps(config.as_dict(), allow_nan=False)


def make_query(chance: Chance) -> str:
    recipe = chance.choice(list(RECIPES))
    query = {"recipe": recipe, **write_query(recipe, dataclasses.replace(RECIPES[recipe], seed=7))}
    for _ in range(chance.randint(1, 5)):
        name = chance.choice((*query, "model", "epochs", "rate", "hidden", "channels", "images", "panel", *WORDS))
        query[name] = chance.choice((*WORDS, *map(str, NUMBERS), "deep_cnn", "mlp", "1e-5", "64-64"))
    text = urlencode(query)
    return mutate(text.encode(), chance).decode("utf-8", "replace") if chance.random() < 0.5 else text


def feed_query(text: str) -> None:
    query = Query(parse_qs(text, keep_blank_values=True))
    recipe, config = read_query(query)
    query.leave_out_rest()
    assert recipe in RECIPES
    assert isinstance(config, TrainConfig)
    again = Query({name: [value] for name, value in write_query(recipe, config).items()})
    assert read_query(again) == (recipe, config)
    assert again.mended == []


def make_text(chance: Chance) -> str:
    pieces = [chance.choice(WORDS), chr(chance.choice((0x41, 0x60, 0x200B, 0x202E, 0xFFFD, 0x1F600))), "a`b*c_d"]
    return "".join(chance.choice(pieces) for _ in range(chance.randint(0, 30)))


def feed_text(text: str) -> None:
    from mnist_ui.address import quoted

    for plain in (quoted(text, text), f"`{shown_name(text)}`"):
        assert plain[0] == plain[-1] == "`"
        assert not set("`<>[]()!*$:\\&\n") & set(plain[1:-1])
    assert len(shown_name(text)) <= LONGEST_NAME


TARGETS: dict[str, Target] = {
    **{
        f"weights {ending}": Target(functools.partial(make_weights, ending), feed_weights, WeightsError)
        for ending in WEIGHT_FORMATS
    },
    "pictures": Target(make_picture, feed_picture, DrawingError),
    "what the canvas sends": Target(make_canvas, feed_canvas, NotTakenError, needs_page=True),
    "labelled drawings": Target(make_png, feed_labelled, DrawingError),
    "zips of labelled drawings": Target(make_zip, feed_zip, DrawingError),
    "prepare": Target(make_array, feed_array, DrawingError),
    "configurations": Target(make_config, feed_config, ConfigError),
    "addresses": Target(make_query, feed_query),
    "texts": Target(make_text, feed_text, needs_page=True),
}
