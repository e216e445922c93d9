"""Settings in the query of an address: any query gives a valid configuration, and every configuration comes back."""

from __future__ import annotations

from dataclasses import fields, replace
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_core import MODELS, RECIPES, TrainConfig
from mnist_core.config import LOSSES, OPTIMIZERS, PRECISIONS, SCHEDULES
from mnist_core.links import (
    FIELDS,
    LEARNING_RATES,
    OFFERED,
    OFFERED_NUMBERS,
    OPTIONS,
    read_query,
    write_query,
)
from mnist_core.models import ACTIVATIONS, CHANNELS, HIDDEN_LAYERS, HIDDEN_SIZE, STAGES, model_options
from mnist_core.queries import Mended, Query

NAMES = [
    *("recipe", "model", *(named.name for named in FIELDS.values())),
    *("hidden", "channels", "dropout", "activation", "refuses"),
]
NONSENSE = [
    *("", " ", "nan", "inf", "-inf", "1e400", "-1e400", "10^400", "9" * 5000, "-" + "9" * 5000, "٥", "５", "1_000"),
    *("½", "%", "%ff", "\x00", "null", "None", "[]", "{}", "-1", "0", "1.5", "1e-400", "a-b-c", "1-2-3-4-5-6"),
    *("none", "\ud800", "true", "x" * 9999, "mlp", "deep_cnn", "best", "1-", ",", "-,-", "0x10", "+5", ".5", "5."),
]  # fmt: skip

texts = st.one_of(st.sampled_from(NONSENSE), st.text(max_size=30), st.integers().map(str), st.floats().map(str))
queries = st.dictionaries(
    st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), st.lists(texts, min_size=1, max_size=3), max_size=10
)


@st.composite
def configurations(draw: st.DrawFn) -> TrainConfig:
    """What the page's widgets can add up to."""
    model = draw(st.sampled_from(list(MODELS)))
    options = dict(TrainConfig(model=model).model_options)
    if "hidden_sizes" in options:
        size = st.integers(*HIDDEN_SIZE)
        options["hidden_sizes"] = tuple(draw(st.lists(size, min_size=HIDDEN_LAYERS[0], max_size=HIDDEN_LAYERS[1])))
    if "channels" in options:
        fewest, most = STAGES[model]
        options["channels"] = tuple(draw(st.lists(st.integers(*CHANNELS), min_size=fewest, max_size=most)))
    if "refuses" in options:
        options["refuses"] = draw(st.booleans())
    options["dropout"] = draw(st.integers(0, 18)) / 20
    options["activation"] = draw(st.sampled_from(list(ACTIVATIONS)))
    whole = {field: draw(st.integers(*bounds)) for field, bounds in OFFERED.items()}
    if not options.get("refuses"):
        whole["non_digits"] = 0
    return TrainConfig(
        model=model, model_options=options, learning_rate=draw(st.sampled_from(LEARNING_RATES)),
        optimizer=draw(st.sampled_from(list(OPTIMIZERS))), loss=draw(st.sampled_from(list(LOSSES))),
        label_smoothing=draw(st.integers(0, 50)) / 100, weight_decay=draw(st.integers(0, 10_000)) / 10_000,
        schedule=draw(st.sampled_from(list(SCHEDULES))), augment=draw(st.booleans()),
        colour=draw(st.booleans()),
        stop_when_stalled=draw(st.booleans()), precision=draw(st.sampled_from(PRECISIONS)),
        **whole | {"train_images": None if whole["train_images"] == 60_000 else whole["train_images"]},
    )  # fmt: skip


def read(address: str) -> tuple[str, TrainConfig, list[Mended]]:
    """What is read from an address like "epochs=5&rate=0.001"."""
    query = Query(parse_qs(address, keep_blank_values=True))
    recipe, config = read_query(query)
    query.leave_out_rest()
    return recipe, config, query.mended


@settings(deadline=None, max_examples=400)
@given(queries)
def test_any_query_gives_a_valid_configuration_within_what_is_offered_and_its_own_address(values) -> None:
    query = Query(values)
    recipe, config = read_query(query)
    query.leave_out_rest()
    assert recipe in RECIPES
    assert config == TrainConfig(**config.as_dict())
    for field, (least, most) in OFFERED.items():
        assert least <= (getattr(config, field) or (60_000 if field == "train_images" else 0)) <= most
    for field, (low, high) in OFFERED_NUMBERS.items():
        assert low <= getattr(config, field) <= high
    assert config.learning_rate in LEARNING_RATES

    written = write_query(recipe, config)
    again = Query({name: [text] for name, text in written.items()})
    assert read_query(again) == (recipe, config)
    again.leave_out_rest()
    assert not again.mended
    assert write_query(recipe, config) == written


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(list(RECIPES)), configurations())
def test_whatever_is_set_on_the_page_comes_back_from_its_address(recipe, config) -> None:
    address = urlencode(write_query(recipe, config))
    assert read(address) == (recipe, config, [])
    assert "%" not in address


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_untouched_recipe_is_said_in_a_word(recipe) -> None:
    written = write_query(recipe, RECIPES[recipe])
    assert written == ({} if recipe == "fast" else {"recipe": recipe})
    assert read(urlencode(written)) == (recipe, RECIPES[recipe], [])


def test_an_address_says_only_what_differs_from_its_recipe() -> None:
    config = replace(RECIPES["course"], epochs=5, model_options={"hidden_sizes": (64, 32)})
    assert urlencode(write_query("course", config)) == "recipe=course&hidden=64-32&epochs=5"


def test_another_model_starts_with_its_own_options_as_on_the_page() -> None:
    best = RECIPES["best"]
    _, config, mended = read("recipe=best&model=mlp")
    assert config.model_options == TrainConfig(model="mlp").model_options
    assert (config.epochs, config.made_digits, config.non_digits) == (best.epochs, best.made_digits, 0)
    assert not mended


@pytest.mark.parametrize(
    ("address", "changes", "mended"),
    [
        ("epochs=5", {"epochs": 5}, []),
        ("epochs=%2B5&rate=2e-3&loss=MSE", {"epochs": 5, "learning_rate": 0.002, "loss": "mse"}, []),
        ("augment=TRUE&stop=on", {"augment": True, "stop_when_stalled": True}, []),
        ("epochs=5000", {"epochs": 1000}, [Mended("epochs", "5000", "1000")]),
        ("epochs=-7", {"epochs": 1}, [Mended("epochs", "-7", "1")]),
        ("epochs=2.6", {"epochs": 3}, [Mended("epochs", "2.6", "3")]),
        ("epochs=1e400", {"epochs": 1000}, [Mended("epochs", "1e400", "1000")]),
        ("epochs=" + "9" * 400, {"epochs": 1000}, [Mended("epochs", "9" * 100, "1000")]),
        ("epochs=" + "1" * 100_000 + "x", {}, [Mended("epochs", "1" * 100, "1")]),
        ("epochs=nan", {}, [Mended("epochs", "nan", "1")]),
        ("epochs=٥", {}, [Mended("epochs", "٥", "1")]),
        ("epochs=", {}, [Mended("epochs", "", "1")]),
        ("epochs=%ff%00", {}, [Mended("epochs", "\ufffd\x00", "1")]),
        ("epochs=5&epochs=5", {"epochs": 5}, []),
        ("epochs=5&epochs=7", {"epochs": 7}, [Mended("epochs", "5,7", "7")]),
        ("rate=0.0011", {"learning_rate": 0.001}, [Mended("rate", "0.0011", "0.001")]),
        ("rate=0", {"learning_rate": 1e-5}, [Mended("rate", "0", "1e-05")]),
        ("decay=-0", {}, []),
        ("smoothing=0.12345678", {"label_smoothing": 0.123457}, [Mended("smoothing", "0.12345678", "0.123457")]),
        ("smoothing=7", {"label_smoothing": 0.5}, [Mended("smoothing", "7", "0.5")]),
        ("images=60000", {"train_images": None}, []),
        ("images=1", {"train_images": 100}, [Mended("images", "1", "100")]),
        ("batch=60000", {"batch_size": 10_000}, [Mended("batch", "60000", "10000")]),
        ("optimizer=lion", {}, [Mended("optimizer", "lion", "adamw")]),
        ("device=cuda", {}, [Mended("device", "cuda", "auto")]),
        ("augment=maybe", {}, [Mended("augment", "maybe", "no")]),
        ("nondigits=500", {}, [Mended("nondigits", "500", None)]),
        ("hidden=64", {}, [Mended("hidden", "64", None)]),
        ("colour=blue", {}, [Mended("colour", "blue", "no")]),
        ("flavour=blue&epochs=5", {"epochs": 5}, [Mended("flavour", "blue", None)]),
    ],
)  # fmt: skip
def test_what_there_is_not_becomes_the_nearest_that_there_is(address, changes, mended) -> None:
    query = Query(parse_qs(address, keep_blank_values=True))
    assert read_query(query, devices=["cpu"]) == ("fast", replace(RECIPES["fast"], **changes))
    query.leave_out_rest()
    assert query.mended == mended


@pytest.mark.parametrize(
    ("address", "options", "mended"),
    [
        ("model=mlp&hidden=none", {"hidden_sizes": ()}, 0),
        ("model=mlp&hidden=5,6", {"hidden_sizes": (5, 6)}, 0),
        ("model=mlp&hidden=1-2-3-4-5-6", {"hidden_sizes": (1, 2, 3, 4)}, 1),
        ("model=mlp&hidden=0-9999", {"hidden_sizes": (1, 2048)}, 1),
        ("model=mlp&hidden=64-", {"hidden_sizes": (128,)}, 1),
        ("model=fast_cnn&channels=8", {"channels": (8, 32, 64)}, 1),
        ("model=cnn&channels=8", {"channels": (8,)}, 0),
        ("model=cnn&channels=none", {"channels": (16,)}, 1),
        ("model=deep_cnn&refuses=yes&dropout=2", {"refuses": True, "dropout": 0.9}, 1),
        ("model=deep_cnn&activation=step", {"activation": "relu"}, 1),
    ],
)
def test_the_options_of_a_model(address, options, mended) -> None:
    _, config, all_mended = read(address)
    assert config.model_options == TrainConfig(model=config.model).model_options | options
    assert len(all_mended) == mended


def test_non_digits_belong_to_a_network_that_refuses() -> None:
    assert read("recipe=best")[1].non_digits == RECIPES["best"].non_digits > 0
    assert read("recipe=best&refuses=no")[1].non_digits == 0
    assert read("recipe=best&model=deep_cnn&refuses=no&nondigits=5")[2] == [Mended("nondigits", "5", None)]
    assert read("model=deep_cnn&refuses=yes&nondigits=500")[1].non_digits == 500


@pytest.mark.parametrize("model", MODELS)
def test_every_option_of_a_model_that_the_page_offers_has_a_name(model) -> None:
    offered = set(model_options(model)) - {"input_channels", "input_size"}
    assert offered <= set(OPTIONS)


def test_every_field_of_a_configuration_that_the_page_offers_has_a_name() -> None:
    assert {field.name for field in fields(TrainConfig)} - {"model", "model_options", "patience"} == set(FIELDS)


def test_no_name_stands_for_two_things() -> None:
    assert len(set(NAMES)) == len(NAMES)
