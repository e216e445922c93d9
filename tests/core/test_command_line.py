"""python -m mnist_core, as a person at a terminal meets it."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mnist_core import RECIPES, TrainConfig, build_model, evaluate, load_mnist, load_model, make_loader, train
from mnist_core.__main__ import build_parser, chosen_config, main
from mnist_core.training import build_seeded_model
from mnist_core.weights import save_weights

REPOSITORY = Path(__file__).parents[2]
SMALL = ["--model", "mlp", "--train-images", "1000", "--batch-size", "10", "--device", "cpu", "--precision", "float32"]
WITHIN = 60  # seconds that any of these commands may take


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two cores are shared with other tests; equal threads also mean equal sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "mnist_core", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


@contextmanager
def started(*arguments: object, **options: object) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own, which is gone afterwards whatever happens."""
    with subprocess.Popen(command(*arguments), env=environment(), **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def config_of(*arguments: str) -> TrainConfig:
    return chosen_config(build_parser().parse_args(["train", *arguments]))


def states_equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_alone_is_that_recipe(recipe: str) -> None:
    assert config_of("--recipe", recipe) == RECIPES[recipe]


def test_the_recipe_is_fast_by_default() -> None:
    assert config_of() == RECIPES["fast"]


def test_every_field_can_be_replaced() -> None:
    arguments = (
        "--epochs 7 --learning-rate 0.5 --batch-size 9 --model mlp --optimizer sgd --loss mse --schedule step --seed 3 "
        "--device cpu --precision float32 --train-images 11 --augment --colour --stop-when-stalled --weight-decay 0.1 "
        "--made-digits 5 --label-smoothing 0.2 --patience 2 --option hidden_sizes=256,128 --option dropout=0.2 "
        "--option activation=gelu"
    )
    expected = TrainConfig(
        epochs=7, learning_rate=0.5, batch_size=9, model="mlp", optimizer="sgd", loss="mse", schedule="step", seed=3,
        device="cpu", precision="float32", train_images=11, augment=True, colour=True, stop_when_stalled=True,
        weight_decay=0.1,
        label_smoothing=0.2, patience=2, made_digits=5,
        model_options={"hidden_sizes": (256, 128), "dropout": 0.2, "activation": "gelu"},
    )  # fmt: skip
    assert config_of(*arguments.split()) == expected
    plain, replaced = TrainConfig().as_dict(), expected.as_dict()
    assert [name for name, value in plain.items() if replaced[name] == value] == [
        "non_digits"
    ]  # an MLP refuses nothing


def test_a_model_that_cannot_refuse_is_given_no_drawings_to_refuse() -> None:
    assert RECIPES["best"].non_digits
    assert config_of("--recipe", "best", "--model", "mlp").non_digits == 0
    assert config_of("--recipe", "best", "--option", "refuses=false").non_digits == 0
    config = config_of("--model", "deep_cnn", "--option", "refuses=true", "--non-digits", "5")
    assert (config.model_options["refuses"], config.non_digits) == (True, 5)


def test_switches_can_be_turned_off() -> None:
    assert RECIPES["best"].augment
    assert config_of("--recipe", "best", "--no-augment") == replace(RECIPES["best"], augment=False)


def test_an_option_is_added_to_those_of_the_recipe_unless_the_model_changes() -> None:
    assert config_of("--recipe", "best", "--option", "channels=8,8,8").model_options["dropout"] == 0.2
    assert config_of("--recipe", "best", "--model", "mlp").model_options["dropout"] == 0.0


@pytest.mark.parametrize(("text", "sizes"), [("", ()), ("64", (64,)), ("64,32,16", (64, 32, 16))])
def test_sizes_may_be_none_one_or_several(text: str, sizes: tuple[int, ...]) -> None:
    assert config_of("--model", "mlp", "--option", f"hidden_sizes={text}").model_options["hidden_sizes"] == sizes


# --- train ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_train_saves_the_weights_that_train_makes_and_tells_how_it_went(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new folder" / f"weights{ending}"
    assert main(["train", *SMALL, "--epochs", "2", "--seed", "5", "--out", str(out)]) == 0
    printed, errors = capsys.readouterr()

    config = config_of(*SMALL, "--epochs", "2", "--seed", "5")
    oracle = build_seeded_model(config)
    events = list(train(oracle, load_mnist("train"), config, test=load_mnist("test")))
    assert states_equal(load_model(out), oracle)

    accuracy = f"{100 * events[-1].test_accuracy:.2f} %"
    assert errors == ""  # not a terminal, so no bar
    assert "mlp, 101,770 parameters" in printed
    assert re.search(r"Device: cpu .*, precision float32", printed)
    assert len(re.findall(r"(?m)^epoch \d, batch 100 of 100: loss .*, accuracy .* %, [\d,]+ images/s$", printed)) == 2
    assert len(re.findall(r"(?m)^Epoch \d of 2: training loss .*; test loss .*, accuracy .* %; ", printed)) == 2
    assert printed.splitlines()[-1].startswith(f"Test accuracy {accuracy} after ")
    assert printed.rstrip().endswith(f"The weights are saved in {out}.")


def test_train_says_when_one_may_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hopeless = ["--learning-rate", "1e-8", "--optimizer", "sgd", "--epochs", "3", "--patience", "1"]
    assert main(["train", *SMALL, *hopeless, "--out", str(tmp_path / "a.pth")]) == 0
    assert "you may stop here" in capsys.readouterr().out
    assert main(["train", *SMALL, *hopeless, "--stop-when-stalled", "--out", str(tmp_path / "a.pth")]) == 0
    assert "Epoch 3" not in capsys.readouterr().out


def test_lines_come_at_once_through_a_pipe(tmp_path: Path) -> None:
    """Lines must not wait in a buffer until the end: whoever pipes them into a file follows along."""
    with started(
        "train", *SMALL, "--epochs", 1000, "--out", tmp_path / "a.pth", stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith("epoch 1, batch 100") for line in process.stdout)
        assert process.poll() is None


@pytest.mark.skipif(os.name != "posix", reason="Ctrl+C is sent as a signal")
def test_ctrl_c_saves_what_has_been_learnt(tmp_path: Path) -> None:
    out = tmp_path / "weights.pth"
    with started(
        "train", *SMALL, "--epochs", 1000, "--out", out,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert any(line.startswith("Epoch 2 ") for line in process.stdout)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=WITHIN)
    assert process.returncode == 130
    assert errors == ""
    steps = int(re.search(r"Stopped after ([\d,]+) steps", printed)[1].replace(",", ""))
    assert steps >= 200
    assert f"saved in {out}" in printed
    model = load_model(out)
    assert evaluate(model, make_loader(load_mnist("test"), 1000), "cpu").accuracy > 0.6


@pytest.mark.skipif(os.name != "posix", reason="Ctrl+C is sent as a signal")
def test_ctrl_c_before_the_first_step_leaves_an_older_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "weights.pth"
    out.write_bytes(b"older")
    monkeypatch.setattr("mnist_core.__main__.find_device", lambda name: os.kill(os.getpid(), signal.SIGINT))
    assert main(["train", *SMALL, "--out", str(out)]) == 130
    assert out.read_bytes() == b"older"
    assert capsys.readouterr().err == "Stopped.\n"


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_terminal_there_is_a_bar_with_the_time_left_and_the_lines_are_whole(tmp_path: Path) -> None:
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
    shown = b""
    with started(
        "train", *SMALL, "--epochs", 12, "--out", tmp_path / "a.pth", stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not piece:
                break
            shown += piece
        assert process.wait(WITHIN) == 0
    os.close(ours)
    text = shown.decode()
    assert re.search(r"\d+%\|.*\| +\d+/1200 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+batch/s\]", text)
    drawn = [re.split("\r", line.rstrip("\r"))[-1] for line in text.split("\n")]  # what each line shows in the end
    assert len([line for line in drawn if re.fullmatch(r"epoch \d+, batch 100 of 100: .* images/s", line)]) == 12
    assert len([line for line in drawn if re.fullmatch(r"Epoch \d+ of 12: .* s", line)]) == 12
    assert "1200/1200" in text


# Plain SGD at a rate of 1000, one step an epoch: the weights grow until the loss overflows, some epochs on.
RUNAWAY = [
    *("--model", "mlp_sequential", "--option", "hidden_sizes=64,64,64", "--optimizer", "sgd", "--schedule", "constant"),
    *("--learning-rate", "1000", "--train-images", "100", "--device", "cpu", "--precision", "float32"),
    *("--epochs", "50"),
]


def test_a_run_that_fails_saves_the_weights_of_its_last_whole_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "weights.safetensors"
    assert main(["train", *RUNAWAY, "--batch-size", "100", "--out", str(out)]) == 1
    printed, errors = capsys.readouterr()
    epochs = int(re.search(r"as they were after epoch (\d+) are saved", printed)[1])
    assert epochs == len(re.findall(r"(?m)^Epoch ", printed))
    assert re.fullmatch(r"Error: The loss or a weight is no longer a finite number .*\n", errors)

    config = replace(config_of(*RUNAWAY, "--batch-size", "100"), epochs=epochs)
    oracle = build_seeded_model(config)
    list(train(oracle, load_mnist("train"), config))
    assert states_equal(load_model(out), oracle)


def test_a_run_that_fails_in_its_first_epoch_leaves_an_older_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "weights.pth"
    out.write_bytes(b"older")
    assert main(["train", *RUNAWAY, "--batch-size", "5", "--out", str(out)]) == 1
    assert "no weights were saved" in capsys.readouterr().out
    assert out.read_bytes() == b"older"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "weights.txt"], ["--out", "weights.txt", ".pth or .safetensors"]),
        (["--out", "weights"], ["--out", ".pth or .safetensors"]),
        (["--out", "file/weights.pth"], ["Nothing can be written to", "file", "--out"]),
        (["--out", "folder.pth"], ["folder"]),
        (["--epochs", "0"], ["epochs", "0", "1 to 1,000"]),
        (["--learning-rate", "nan"], ["learning_rate", "nan"]),
        (["--option", "colour=red"], ["colour", "channels"]),
        (["--option", "channels=a,b"], ["channels", "a,b"]),
        (["--option", "dropout=much"], ["dropout", "much"]),
        (["--option", "input_channels=3"], ["3 x 28 x 28", "1 x 28 x 28"]),
        (["--device", "mps" if torch.cuda.is_available() else "cuda"], ["device", "cpu"]),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_training(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder.pth").mkdir()
    assert main(["train", *arguments]) == 1
    printed, errors = capsys.readouterr()
    assert re.fullmatch(r"Error: .*\n", errors)
    assert [word for word in words if word not in errors] == []
    assert "batch" not in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.pth"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["learn"], ["train", "--recipe", "slow"], ["train", "--epochs", "two"], ["train", "--option", "dropout"],
     ["evaluate"], ["predict"], ["export"]],
)  # fmt: skip
def test_words_that_are_not_understood_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m mnist_core" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "export"])
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert "SUPPRESS" not in capsys.readouterr().out


# --- evaluate and predict ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that reads most digits, trained on a few thousand in two seconds."""
    config = replace(RECIPES["fast"], train_images=4000, epochs=3, batch_size=64, device="cpu", precision="float32")
    model = build_seeded_model(config)
    list(train(model, load_mnist("train"), config))
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(model, path)
    return path


def test_evaluate_counts_as_a_loop_over_all_images_does(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(weights), "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    test, model = load_mnist("test"), load_model(weights)
    with torch.no_grad():
        logits = torch.cat([model(images) for images, _ in make_loader(test, 500)])
    answers = logits.argmax(dim=1)
    loss = torch.nn.functional.cross_entropy(logits, test.labels)
    right = (answers == test.labels).float().mean()
    assert float(re.match(r"Loss ([\d.]+), ", lines[0])[1]) == pytest.approx(float(loss), rel=1e-3)
    assert lines[0].endswith(f", accuracy {100 * right:.2f} % of 10,000 images")
    for digit, line in enumerate(lines[-10:]):
        label, *counts, accuracy, _ = line.split()
        assert int(label) == digit
        expected = [int(((test.labels == digit) & (answers == answer)).sum()) for answer in range(10)]
        assert [int(count) for count in counts] == expected
        assert accuracy == f"{100 * expected[digit] / sum(expected):.2f}"


def test_a_network_for_colours_is_trained_tested_and_reads_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, picture = tmp_path / "colour.pth", tmp_path / "seven.png"
    assert main(["train", *SMALL, "--colour", "--epochs", "1", "--out", str(out)]) == 0
    trained = capsys.readouterr().out
    assert "Data: mnist in random colours, 1,000 training images and 10,000 test images" in trained
    assert load_model(out).input_shape == (3, 32, 32)
    assert main(["evaluate", str(out), "--device", "cpu"]) == 0
    accuracy = re.search(r"Test accuracy ([\d.]+ %)", trained)[1]
    assert f"accuracy {accuracy} of 10,000 images" in capsys.readouterr().out
    Image.fromarray(load_mnist("test").images[0, 0].numpy()).save(picture)
    assert main(["predict", str(picture), "--weights", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{picture}: ")


def test_evaluate_refuses_what_is_no_file_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words.pth").write_text("words")
    for name in ("words.pth", "missing.pth"):
        assert main(["evaluate", str(tmp_path / name)]) == 1
        assert re.fullmatch(r"Error: .*\n", capsys.readouterr().err)


def test_evaluate_refuses_a_network_for_other_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_weights(build_model("mlp", input_channels=3), tmp_path / "colour.pth")
    assert main(["evaluate", str(tmp_path / "colour.pth")]) == 1
    assert "3 x 28 x 28" in capsys.readouterr().err


def test_predict_reads_digits_light_on_dark_and_dark_on_light(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = load_mnist("test")
    names, labels = [], []
    for index in range(20):
        ink = test.images[index, 0].numpy()
        for name, picture in (("light", ink), ("dark", 255 - ink)):
            path = tmp_path / f"{name} {index}.png"
            Image.fromarray(picture).save(path)
            names.append(str(path))
            labels.append(int(test.labels[index]))
    assert main(["predict", *names, "--weights", str(weights)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(names)
    right = 0
    for name, label, line in zip(names, labels, lines, strict=True):
        assert line.startswith(f"{name}: ")
        shares = [float(share) for share in re.findall(r"\d: (\d\.\d{3})", line.removeprefix(name))]
        assert len(shares) == 10
        assert sum(shares) == pytest.approx(1, abs=0.006)
        confidence = float(re.search(r", (\d+\.\d\d) %  \(", line)[1])
        assert confidence / 100 == pytest.approx(max(shares), abs=0.0006)
        right += shares.index(max(shares)) == label
    assert right >= 36
    assert [line.partition(": ")[2] for line in lines[::2]] == [line.partition(": ")[2] for line in lines[1::2]]


def test_predict_reads_a_number_digit_by_digit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = load_mnist("test")
    digits = [test.images[index, 0].numpy() for index in (0, 1, 2)]
    path = tmp_path / "number.png"
    Image.fromarray(np.hstack(digits)).resize((336, 112)).save(path)
    assert main(["predict", str(path)]) == 0
    said = capsys.readouterr().out.removeprefix(f"{path}: ")
    assert re.fullmatch(r"the number 721  \(a 7: [\d.]+ %, a 2: [\d.]+ %, a 1: [\d.]+ %\)\n", said)


def test_predict_reads_the_rest_when_one_picture_cannot_be_read(weights: Path, tmp_path: Path) -> None:
    Image.fromarray(load_mnist("test").images[0, 0].numpy()).save(tmp_path / "seven.png")
    Image.new("L", (40, 40), 200).save(tmp_path / "blank.png")
    (tmp_path / "words.png").write_text("words")
    name = (
        os.fsdecode(b"caf\xe9.png") if sys.platform == "linux" else "other.png"
    )  # not UTF-8, and printed all the same
    Image.new("L", (40, 40), 200).save(tmp_path / name)
    result = subprocess.run(
        command("predict", "words.png", "missing.png", "seven.png", "blank.png", name, "--weights", weights),
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=WITHIN,
    )  # fmt: skip
    assert result.returncode == 1
    lines, errors = result.stdout.splitlines(), result.stderr.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("seven.png: ")
    assert lines[1] == "blank.png: nothing drawn yet"
    assert len(errors) == 2
    assert errors[0].startswith("Error: The picture words.png ")
    assert errors[1].startswith("Error: The picture missing.png ")


@pytest.mark.skipif(os.name != "posix", reason="needs head")
def test_a_reader_who_leaves_early_causes_no_traceback(weights: Path, tmp_path: Path) -> None:
    Image.fromarray(load_mnist("test").images[0, 0].numpy()).save(tmp_path / "seven.png")
    with started(
        "predict", *["seven.png"] * 500, "--weights", weights,
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(WITHIN) == 1
