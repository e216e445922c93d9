"""Exported scripts: run as programs of their own, they must find what the project's own training finds."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from mnist_core import MODELS, RECIPES, BatchDone, Digits, EpochDone, TrainConfig, train
from mnist_core.augmentation import augment
from mnist_core.config import LOSSES, OPTIMIZERS, PRECISIONS, SCHEDULES
from mnist_core.data import normalize
from mnist_core.lessons.excerpts import Excerpts, import_text, renamed
from mnist_core.lessons.export import WEIGHTS_NAME, export_script, script_phases
from mnist_core.models import ACTIVATIONS, check_model_options
from mnist_core.nondigits import NO_DIGIT
from mnist_core.pictures import read_picture
from mnist_core.training import build_seeded_model, train_step

REPOSITORY = Path(__file__).parents[2]
TRAIN_IMAGES, TEST_IMAGES = 300, 200
SMALL = TrainConfig(
    model="mlp", model_options={"hidden_sizes": [16]}, epochs=2, batch_size=64, device="cpu", precision="float32"
)
# Every model, optimizer, loss and schedule at least once, and every option that changes what is computed.
CONFIGS = {
    "plain": dataclasses.replace(SMALL, optimizer="sgd", schedule="constant", learning_rate=0.1),
    "sequential": dataclasses.replace(
        SMALL, model="mlp_sequential", model_options={"hidden_sizes": [16, 12], "dropout": 0.2, "activation": "tanh"},
        optimizer="momentum", schedule="step", seed=5,
    ),
    "squared": dataclasses.replace(
        SMALL, model="cnn", model_options={"channels": [4, 6], "activation": "gelu"}, loss="mse", optimizer="adam",
        weight_decay=0.01, train_images=170,
    ),
    "fast": dataclasses.replace(RECIPES["fast"], epochs=2, batch_size=50, precision="float32", device="cpu"),
    "best": dataclasses.replace(
        RECIPES["best"], model_options={"channels": [4, 8, 8], "refuses": True}, epochs=2, made_digits=40,
        non_digits=24, precision="float32", device="cpu", seed=2**40,
    ),
    "colour": dataclasses.replace(
        SMALL, model="cnn", model_options={"channels": [4, 6], "dropout": 0.3}, colour=True, augment=True
    ),
    "stalled": dataclasses.replace(
        SMALL, epochs=9, learning_rate=1e-8, patience=2, stop_when_stalled=True, schedule="constant"
    ),
    "bfloat16": dataclasses.replace(
        RECIPES["fast"], model_options={"dropout": 0.1}, precision="bfloat16", device="cpu"
    ),
}  # fmt: skip

# The scripts, one after the other in one process, so that torch is imported once. Losses are overheard.
OVERHEAR = """
import json, os, runpy, sys, torch
backward = torch.Tensor.backward
def overheard(loss, *rest, **named):
    losses.append(loss.item())
    backward(loss, *rest, **named)
torch.Tensor.backward = overheard
heard = {}
for name in sys.argv[1:]:
    losses = []
    os.makedirs(name)
    os.chdir(name)
    sys.argv = ["train_digits.py", "../data"]
    state = runpy.run_path(f"../{name}.py", run_name="__main__")
    heard[name] = [losses, *(state[value] for value in ("epoch", "train_loss", "test_loss", "test_accuracy"))]
    os.chdir("..")
with open("heard.json", "w") as file:
    json.dump(heard, file)
"""


def write_idx(path: Path, content: torch.Tensor) -> None:
    """An unpacked file of MNIST's format, as torchvision keeps them."""
    sizes = b"".join(size.to_bytes(4, "big") for size in content.shape)
    path.write_bytes(b"\0\0\x08" + bytes([content.ndim]) + sizes + content.to(torch.uint8).numpy().tobytes())


@pytest.fixture(scope="module")
def few(mnist_train: Digits, mnist_test: Digits) -> tuple[Digits, Digits]:
    return mnist_train.first(TRAIN_IMAGES), mnist_test.first(TEST_IMAGES)


@pytest.fixture(scope="module")
def folder(few: tuple[Digits, Digits], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts, MNIST's first images where torchvision looks for them, and what the scripts have left."""
    folder = tmp_path_factory.mktemp("exported")
    raw = folder / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, digits in zip(("train", "t10k"), few, strict=True):
        write_idx(raw / f"{split}-images-idx3-ubyte", digits.images[:, 0])
        write_idx(raw / f"{split}-labels-idx1-ubyte", digits.labels)
    for name, config in CONFIGS.items():
        (folder / f"{name}.py").write_text(export_script(config, threads=1))
    (folder / "overhear.py").write_text(OVERHEAR)
    # -I: nothing of this project can be imported.
    command = [sys.executable, "-I", "-W", "error", "overhear.py", *CONFIGS]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    return folder


@pytest.mark.parametrize("name", CONFIGS)
def test_a_script_finds_what_the_project_s_own_run_finds(name: str, folder: Path, few: tuple[Digits, Digits]) -> None:
    config = CONFIGS[name]
    model = build_seeded_model(config)
    events = list(train(model, few[0], config, test=few[1]))
    losses = [event.loss for event in events if isinstance(event, BatchDone)]
    last = events[-1]
    assert isinstance(last, EpochDone)
    expected = [losses, last.epoch, last.train_loss, last.test_loss, last.test_accuracy]

    heard = json.loads((folder / "heard.json").read_text())[name]
    if config.precision == "float32":
        assert heard == expected  # to the last digit
        saved = torch.load(folder / name / WEIGHTS_NAME, weights_only=True)
        assert saved.keys() == model.state_dict().keys()
        assert all(torch.equal(saved[key], value) for key, value in model.state_dict().items())
    else:
        assert heard[0] == pytest.approx(losses, rel=0.01)
        assert heard[1:] == pytest.approx(expected[1:], rel=0.01)


def test_a_stalled_script_stops_where_the_run_does(folder: Path) -> None:
    assert json.loads((folder / "heard.json").read_text())["stalled"][1] < CONFIGS["stalled"].epochs


def test_the_configurations_above_leave_nothing_out() -> None:
    for field, choices in [("model", MODELS), ("optimizer", OPTIMIZERS), ("loss", LOSSES), ("schedule", SCHEDULES)]:
        assert {getattr(config, field) for config in CONFIGS.values()} == set(choices)


def test_scripts_are_as_tidy_as_the_project(folder: Path) -> None:
    rules = ["--no-cache", "--config", REPOSITORY / "pyproject.toml", *(folder / f"{name}.py" for name in CONFIGS)]
    for order in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *order, *rules]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert finished.returncode == 0, finished.stdout


@some.composite
def configs(pick) -> TrainConfig:
    """Any configuration that can be trained on MNIST."""
    model = pick(some.sampled_from(list(MODELS)))
    known = check_model_options(model, {})
    options: dict = {"dropout": pick(some.floats(0, 0.9)), "activation": pick(some.sampled_from(list(ACTIVATIONS)))}
    if "hidden_sizes" in known:
        options["hidden_sizes"] = pick(some.lists(some.integers(1, 2048), max_size=4))
    else:
        options["channels"] = pick(some.lists(some.integers(1, 256), min_size=3, max_size=3))
    if "refuses" in known:
        options["refuses"] = pick(some.booleans())
    return TrainConfig(
        model=model, model_options=options,
        epochs=pick(some.integers(1, 1000)), batch_size=pick(some.integers(1, 60_000)),
        learning_rate=pick(some.floats(1e-8, 1000)), weight_decay=pick(some.floats(0, 1)),
        label_smoothing=pick(some.floats(0, 0.5)), optimizer=pick(some.sampled_from(list(OPTIMIZERS))),
        loss=pick(some.sampled_from(list(LOSSES))), schedule=pick(some.sampled_from(list(SCHEDULES))),
        augment=pick(some.booleans()), colour=pick(some.booleans()),
        train_images=pick(some.none() | some.integers(1, 60_000)),
        made_digits=pick(some.sampled_from([0, 10])), non_digits=10 if options.get("refuses") else 0,
        seed=pick(some.integers(0, 2**63 - 1)), precision=pick(some.sampled_from(PRECISIONS)),
        stop_when_stalled=pick(some.booleans()), patience=pick(some.integers(1, 1000)),
    )  # fmt: skip


@given(configs())
@settings(max_examples=40)
def test_every_configuration_has_a_script_that_compiles_and_holds_its_settings(config: TrainConfig) -> None:
    script = export_script(config)
    compile(script, "train_digits.py", "exec")
    assert max(len(line) for line in script.splitlines()) <= 120
    settings_found = {
        node.targets[0].id.lower(): ast.literal_eval(node.value)
        for node in ast.parse(script).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.lower() in config.as_dict()
        and node.targets[0].id.isupper()
    }
    assert {"epochs", "learning_rate", "batch_size", "seed"} <= settings_found.keys()
    for name, value in settings_found.items():
        assert getattr(config, name) == value


def test_a_script_imports_only_what_comes_with_torchvision() -> None:
    for config in (*CONFIGS.values(), *RECIPES.values()):
        modules = set()
        for node in ast.walk(ast.parse(export_script(config))):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module)
        foreign = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names)
        drawn = config.made_digits or config.non_digits
        assert foreign == {"torch", "torchvision"} | ({"numpy", "PIL"} if drawn else set())


def test_the_seven_phases_make_up_the_script_in_order() -> None:
    phases = script_phases(RECIPES["fast"])
    script = export_script(RECIPES["fast"])
    assert len(phases) == 1 + 7
    starts = [script.index(phase.code) for phase in phases]
    assert starts == sorted(starts)
    for number, phase in enumerate(phases[1:], start=1):
        assert f"\n# {number}. {phase.name}\n# {phase.about}\n" in script


# --- excerpts


def source_of(thing: object) -> str:
    text = Path(sys.modules[thing.__module__].__file__).read_text()  # type: ignore[attr-defined]
    node = next(node for node in ast.parse(text).body if getattr(node, "name", "") == thing.__name__)  # type: ignore[attr-defined]
    return ast.get_source_segment(text, node) or ""


@pytest.mark.parametrize("thing", [train_step, MODELS["cnn"], MODELS["fast_cnn"], augment])
def test_what_is_printed_is_the_source_itself(thing) -> None:
    assert Excerpts().take(thing).endswith(source_of(thing))


def test_what_a_function_needs_comes_before_it_and_only_once() -> None:
    excerpts = Excerpts()
    text = excerpts.take(normalize)
    assert "MEAN, STD = 0.1307" in text[: text.index("def normalize(")]
    assert excerpts.imports == {("torch", "", "torch"), ("torch", "Tensor", "Tensor")}
    assert excerpts.take(normalize) == ""


def test_checks_that_raise_errors_of_the_project_are_left_out_with_what_is_said_of_them() -> None:
    text = Excerpts().take(Digits, without=["joined"])
    assert "DataError" in source_of(Digits)
    assert "Raises:" in source_of(Digits)
    assert "DataError" not in text
    assert "Raises:" not in text
    assert "def joined" not in text
    assert "raise IndexError" in text  # Python's own protocol needs it


def test_of_two_definitions_of_one_name_one_is_renamed_wherever_it_is_used() -> None:
    text = Excerpts().take(read_picture)  # its module has a LEAST_CONTRAST, and so has photos.py
    assert text.count("\nLEAST_CONTRAST = ") == text.count("\nLEAST_CONTRAST_2 = ") == 1
    assert " < LEAST_CONTRAST_2" in text or " > LEAST_CONTRAST_2" in text
    both = renamed("def place(at):\n    return place(at) + 'é' + place", {"place": "put"})
    assert both == "def put(at):\n    return put(at) + 'é' + put"


def test_imports_are_written_as_people_write_them() -> None:
    imports = {("torch", "nn", "nn"), ("torch", "Tensor", "Tensor"), ("math", "", "math"), ("torch", "", "torch")}
    imports |= {("torch.nn.functional", "", "F"), ("pathlib", "Path", "Path")}
    assert import_text(imports) == (
        "import math\nfrom pathlib import Path\n\n"
        "import torch\nimport torch.nn.functional as F\nfrom torch import Tensor, nn"
    )


def test_made_and_non_digits_come_with_their_generators() -> None:
    script = export_script(RECIPES["best"])
    assert f"NO_DIGIT = {NO_DIGIT}" in script
    assert "def make_digits(" in script
    assert "def make_non_digits(" in script
