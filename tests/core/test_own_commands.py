"""python -m mnist_core export, and train and evaluate with --own."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist_core import Digits, build_model, classify, evaluate, load_mnist, load_model, make_loader, train
from mnist_core.__main__ import build_parser, chosen_config, main
from mnist_core.own_digits import OwnDigit, as_digits, label_drawing
from mnist_core.own_store import open_store
from mnist_core.own_zip import unzip_digits, zip_digits
from mnist_core.training import build_seeded_model
from mnist_core.weights import save_weights

SMALL = ["--model", "mlp", "--train-images", "200", "--batch-size", "10", "--device", "cpu", "--precision", "float32"]


@pytest.fixture(scope="module")
def own() -> list[OwnDigit]:
    """Thirty drawings, test digits four times as large."""
    test = load_mnist("test")
    large = test.images[:30, 0].numpy().repeat(4, axis=1).repeat(4, axis=2)  # -> (30, 112, 112)
    return [label_drawing(ink, int(label)) for ink, label in zip(large, test.labels, strict=False)]


@pytest.fixture
def files(own: list[OwnDigit], tmp_path: Path) -> dict[str, Path]:
    """The same drawings as a zip and as a store."""
    files = {"zip": tmp_path / "class.zip", "store": tmp_path / "class.sqlite"}
    files["zip"].write_bytes(zip_digits(own))
    with open_store(files["store"]) as store:
        for one in own:
            store.add(one)
    return files


def fails(*arguments: object, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    printed, errors = capsys.readouterr()
    assert "batch" not in printed
    assert re.fullmatch(r"Error: .*\n", errors)
    return errors


# --- export -----------------------------------------------------------------------------------------------------------


def test_export_packs_what_the_store_holds(
    own: list[OwnDigit], files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = files["store"].parent / "new folder" / "out.zip"
    assert main(["export", str(files["store"]), "--out", str(out)]) == 0
    assert capsys.readouterr() == (f"30 labelled drawings are in {out}.\n", "")
    assert out.read_bytes() == files["zip"].read_bytes()
    assert unzip_digits(out.read_bytes(), 30) == own
    assert [file.name for file in out.parent.iterdir()] == ["out.zip"]


def test_export_goes_on_while_a_server_collects(files: dict[str, Path], own: list[OwnDigit]) -> None:
    out = files["store"].parent / "out.zip"
    with open_store(files["store"]) as store:
        store.add(OwnDigit(own[0].png, 0))
        assert main(["export", str(files["store"]), "--out", str(out)]) == 0
        store.add(own[1])
    assert len(unzip_digits(out.read_bytes(), 31)) == 31


def test_an_export_that_fails_leaves_an_older_file_alone(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, empty = tmp_path / "old.zip", tmp_path / "empty.sqlite"
    out.write_bytes(b"older")
    open_store(empty).close()
    before = sorted(tmp_path.iterdir())
    assert "empty.sqlite holds no drawing" in fails("export", empty, "--out", out, capsys=capsys)
    assert "There is no file" in fails("export", tmp_path / "missing.sqlite", "--out", out, capsys=capsys)
    assert "is no SQLite database" in fails("export", files["zip"], "--out", out, capsys=capsys)
    assert "must end in .zip" in fails("export", files["store"], "--out", tmp_path / "a.sqlite", capsys=capsys)
    assert "Change --out" in fails("export", files["store"], "--out", out / "a.zip", capsys=capsys)
    assert out.read_bytes() == b"older"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_an_export_onto_a_full_disk_leaves_nothing_half_done(files: dict[str, Path], run_python) -> None:
    with open_store(files["store"]) as store:
        store.add(label_drawing(np.random.default_rng(0).integers(0, 256, (250, 250), np.uint8), 8))
    out = files["zip"]
    before, folder = out.read_bytes(), sorted(out.parent.iterdir())
    finished: subprocess.CompletedProcess[str] = run_python(
        "import resource, sys\n"
        "from mnist_core.__main__ import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        f"sys.exit(main(['export', {str(files['store'])!r}, '--out', {str(out)!r}]))"
    )
    assert re.fullmatch(r"Error: Nothing can be written to .*class.zip \(.*\)\. Change --out\.\n", finished.stderr)
    assert finished.returncode == 1
    assert out.read_bytes() == before
    assert sorted(out.parent.iterdir()) == folder


# --- train and evaluate -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", "store"])
def test_train_learns_from_the_drawings_besides_the_data_set(
    kind: str, own: list[OwnDigit], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, blank = tmp_path / "a.pth", tmp_path / "blank.zip"
    blank.write_bytes(zip_digits([own[3], label_drawing(0 * own[0].picture, 5)]))
    assert main(["train", *SMALL, "--own", str(files[kind]), "--own", str(blank), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"{files[kind]}: 30 labelled drawings\n" in printed
    assert f"{blank}: 1 labelled drawings, 1 blank ones left out\n" in printed
    assert "Data: mnist and own drawings, 231 training images and 10,000 test images" in printed

    config = chosen_config(build_parser().parse_args(["train", *SMALL]))
    mnist, drawn = load_mnist("train").first(200), as_digits([*own, own[3]])
    both = Digits(torch.cat([mnist.images, drawn.images]), torch.cat([mnist.labels, drawn.labels]))
    oracle = build_seeded_model(config)
    list(train(oracle, both, chosen_config(build_parser().parse_args(["train", *SMALL, "--train-images", "231"]))))
    trained = load_model(out).state_dict()
    assert all(torch.equal(tensor, trained[name]) for name, tensor in oracle.state_dict().items())


def test_train_in_colour_gives_the_drawings_random_colours_too(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.pth"
    assert main(["train", *SMALL, "--colour", "--own", str(files["zip"]), "--out", str(out)]) == 0
    assert "in random colours, 230 training images" in capsys.readouterr().out
    assert load_model(out).input_shape == (3, 32, 32)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("kind", ["zip", "store"])
def test_evaluate_says_how_the_network_reads_the_drawings(
    kind: str, colour: bool, own: list[OwnDigit], files: dict[str, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    model = build_model("mlp", **({"input_channels": 3, "input_size": 32} if colour else {}))
    save_weights(model, tmp_path / "a.pth")
    assert main(["evaluate", str(tmp_path / "a.pth"), "--own", str(files[kind]), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    right = [classify(model, one.picture).candidates[0] == one.label for one in own]
    assert f", accuracy {100 * sum(right) / 30:.2f} % of 30 images" in printed
    expected = evaluate(model, make_loader(as_digits(own, colour), 100), "cpu")
    assert f"Loss {expected.loss:#.4g}, " in printed


def test_what_cannot_be_read_is_named(
    files: dict[str, Path], own: list[OwnDigit], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "a.pth"
    save_weights(build_model("mlp"), weights)
    blank, damaged, words = tmp_path / "blank.zip", tmp_path / "damaged.zip", tmp_path / "words.sqlite"
    blank.write_bytes(zip_digits([label_drawing(0 * own[0].picture, 5)]))
    damaged.write_bytes(files["zip"].read_bytes()[:-1000])
    words.write_text("words")
    other = tmp_path / "other.sqlite"
    with open_store(other) as store:
        store.add(OwnDigit(b"no PNG", 3))
    for path, why in (
        (blank, "blank.zip holds no drawing in which anything can be read"),
        (damaged, "damaged.zip: This is no zip, or it is damaged"),
        (words, "words.sqlite: This is no zip, or it is damaged"),
        (other, "other.sqlite: This is no PNG of a drawing"),
        (tmp_path / "missing.zip", "missing.zip cannot be read"),
        (tmp_path, "cannot be read"),
    ):
        for command in (["evaluate", weights], ["train", *SMALL, "--out", tmp_path / "b.pth"]):
            assert why in fails(*command, "--own", path, capsys=capsys)
    assert not (tmp_path / "b.pth").exists()
