"""A run as one plain PyTorch script that needs nothing of this project, told in the seven phases of the workflow.

The model, the loss, the optimizer, `train_step`, the Dataset and whatever makes or warps images are printed from the
project's own source. What a course writes shorter, the loops over batches and epochs, stands here.
"""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import asdict, dataclass
from typing import Any

from mnist_core.colour import coloured
from mnist_core.config import CHANGES, TrainConfig
from mnist_core.data import Digits, normalize, stacked
from mnist_core.devices import computes_bfloat16
from mnist_core.lessons.excerpts import Excerpts, import_text
from mnist_core.messages import Message, say
from mnist_core.models import ACTIVATIONS, MODELS, model_options
from mnist_core.nondigits import make_non_digits
from mnist_core.styles import make_digits
from mnist_core.training import ForwardInBfloat16, train_step

FILE_NAME, WEIGHTS_NAME = "train_digits.py", "model_weights.pth"
WIDTH = 120
GPU_IF_THERE = '"cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"'


@dataclass(frozen=True)
class Phase:
    """One part of the script: what it is called, what it is for in a sentence or two, and its text."""

    name: Message
    about: Message
    code: str


def export_script(config: TrainConfig, threads: int | None = None) -> str:
    """The whole script of a run: it trains as the run does, and finds the same losses on the same machine.

    Args:
        threads: how many threads torch computes with; None leaves that to torch. Sums that are shared out among
            threads are added in another order, and may differ in the last digits.
    """
    opening, *phases = script_phases(config, threads)
    parts = [opening.code]
    for number, phase in enumerate(phases, start=1):
        gap = "\n\n\n" if phase.code.startswith(("def ", "class ", "@")) else "\n\n"  # as ruff would have it
        parts.append(f"# {number}. {phase.name}\n{comment(phase.about)}{gap}{phase.code}")
    return "\n\n\n".join(parts) + "\n"


def script_phases(config: TrainConfig, threads: int | None = None) -> list[Phase]:
    """What stands at the top of the script, imports and settings, and then the seven phases."""
    excerpts = Excerpts(instead={"ACTIVATIONS": activation_text(config)})
    phases = [
        data_phase(config, excerpts),
        model_phase(config, excerpts),
        loss_phase(config, excerpts),
        optimizer_phase(config, excerpts),
        train_phase(config, excerpts),
        evaluation_phase(config),
        saving_phase(config),
    ]
    return [opening_phase(config, excerpts, "\n".join(phase.code for phase in phases), threads), *phases]


def opening_phase(config: TrainConfig, excerpts: Excerpts, code: str, threads: int | None) -> Phase:
    """The docstring, the imports, and of the settings those that the code uses."""
    for module in ("math", "sys", "torch"):
        excerpts.imports.add((module, "", module))
    excerpts.imports |= {("torchvision", "datasets", "datasets"), ("torch.utils.data", "DataLoader", "DataLoader")}
    brought = {module.split(".")[0] for module, _, _ in excerpts.imports} & {"numpy", "PIL"}
    needs = "torch and torchvision" + (", and NumPy and Pillow, which come with torchvision" if brought else "")
    settings = [
        f"{name.upper()} = {quoted(value)}"
        for name, value in asdict(config).items()
        if re.search(rf"\b{name.upper()}\b", code)
    ]
    settings.append('DATA_FOLDER = sys.argv[1] if len(sys.argv) > 1 else "data"  # where MNIST is kept')
    if threads is not None:
        settings.append(f"torch.set_num_threads({threads})  # with another number, sums may differ in the last digits")
    docstring = (
        f'"""{MODELS[config.model].__name__} learns to read handwritten digits.\n\n'
        f"Run it with: python {FILE_NAME}\n"
        f"It needs {needs}. MNIST is downloaded the first time.\n"
        '"""\n\nfrom __future__ import annotations'
    )
    return Phase(
        say("Settings"),
        say("What the script needs, and the numbers that decide how the run goes."),
        "\n\n".join([docstring, import_text(excerpts.imports), "\n".join(settings)]),
    )


def data_phase(config: TrainConfig, excerpts: Excerpts) -> Phase:
    """Where the images come from, and how they become batches."""
    methods = {
        "first": config.train_images,
        "joined": config.made_digits or config.non_digits,
        "transformed": any(getattr(config, name) for name in CHANGES),
    }
    code = [
        excerpts.take(normalize),
        excerpts.take(stacked),
        excerpts.take(Digits, without=[name for name, used in methods.items() if not used]),
    ]
    steps = [f"train_digits = load(train=True){'.first(TRAIN_IMAGES)' if config.train_images else ''}"]
    if config.made_digits:
        code.append(excerpts.take(make_digits))
        steps.append("train_digits = train_digits.joined(make_digits(MADE_DIGITS, SEED))")
    if config.non_digits:
        code.append(excerpts.take(make_non_digits))
        steps.append("train_digits = train_digits.joined(make_non_digits(NON_DIGITS, SEED))")
    changed = "images"
    for name, change in CHANGES.items():
        if getattr(config, name):
            code.append(excerpts.take(change))
            changed = f"{change.__name__}({changed}, chance)"
    if changed != "images":
        steps.append("chance = torch.Generator().manual_seed(SEED)")
        steps.append(f"train_digits = train_digits.transformed(lambda images: {changed})")
    if config.colour:
        code.append(excerpts.take(coloured))
    code.append(
        "def load(train: bool) -> Digits:\n"
        '    """MNIST as torchvision downloads it: 60,000 images to train on, or 10,000 to test with."""\n'
        "    mnist = datasets.MNIST(DATA_FOLDER, train=train, download=True)\n"
        "    return Digits(mnist.data[:, None], mnist.targets)  # (N, 28, 28) -> (N, 1, 28, 28)"
    )
    steps += [
        f"test_digits = {'coloured(load(train=False))' if config.colour else 'load(train=False)'}",
        "order = torch.Generator().manual_seed(SEED)  # equal seeds show the images in equal order",
        "train_loader = DataLoader(train_digits, BATCH_SIZE, shuffle=True, generator=order, collate_fn=stacked)",
        "# A generator of its own, for the common one is what dropout draws from.",
        "test_loader = DataLoader(test_digits, 1000, generator=torch.Generator(), collate_fn=stacked)",
    ]
    return Phase(
        say("Data"),
        say("A Dataset hands out images with their labels; a DataLoader shuffles them and makes batches."),
        "\n\n\n".join([*filter(None, code), "\n".join(steps)]),
    )


def model_phase(config: TrainConfig, excerpts: Excerpts) -> Phase:
    """The network, and where it computes and how precisely."""
    code = [excerpts.take(MODELS[config.model])]
    device = GPU_IF_THERE if config.device == "auto" else quoted(config.device)
    steps = [
        f"device = torch.device({device})",
        "torch.manual_seed(SEED)  # equal seeds give equal first weights",
        f"model = {model_text(config)}",
        "model.to(device)",
    ]
    if config.precision != "float32":
        code.append(excerpts.take(ForwardInBfloat16))
    if config.precision == "bfloat16":
        steps.append("network = ForwardInBfloat16(model)")
    elif config.precision == "auto":
        code.append(excerpts.take(computes_bfloat16))
        steps.append("network = ForwardInBfloat16(model) if computes_bfloat16(device) else model")
    steps.append('print(f"{sum(weights.numel() for weights in model.parameters()):,} parameters to learn on {device}")')
    return Phase(
        say("Model"),
        say("An nn.Module: what it consists of, and how an image becomes ten logits, one for each digit."),
        "\n\n\n".join([*filter(None, code), "\n".join(steps)]),
    )


def loss_phase(config: TrainConfig, excerpts: Excerpts) -> Phase:
    """How wrong an answer is, in one number."""
    code = chosen_code(excerpts, "loss_fn", "LOSSES", config.loss)
    return Phase(
        say("Loss"),
        say("One number that says how wrong the answers to a batch are; training makes it small."),
        "\n\n\n".join(code),
    )


def optimizer_phase(config: TrainConfig, excerpts: Excerpts) -> Phase:
    """The rule by which the weights are changed, and how far at which time."""
    code = chosen_code(excerpts, "optimizer", "OPTIMIZERS", config.optimizer)
    if config.schedule != "constant":
        code[-1] += "\n" + "\n".join(chosen_code(excerpts, "schedule", "SCHEDULES", config.schedule))
    return Phase(
        say("Optimizer"),
        say("The rule that turns gradients into changes of the weights; a schedule says how large they may be when."),
        "\n\n\n".join(code),
    )


def train_phase(config: TrainConfig, excerpts: Excerpts) -> Phase:
    """The five lines of a step, and the loop over the batches of an epoch."""
    step = excerpts.take(train_step)
    network = "model" if config.precision == "float32" else "network"
    schedule = "" if config.schedule == "constant" else "        schedule.step()\n"
    epoch = (
        "def train_epoch() -> tuple[float, float]:\n"
        '    """Show the model every training image once; the mean loss and the accuracy on the way."""\n'
        "    model.train()\n"
        "    loss_sum, correct = 0.0, 0\n"
        "    for images, labels in train_loader:\n"
        "        images, labels = images.to(device), labels.to(device)\n"
        f"        loss, logits = train_step({network}, images, labels, loss_fn, optimizer)\n"
        "        if not math.isfinite(loss.item()):\n"
        '            sys.exit("The loss is no longer a finite number: try a tenth of the learning rate.")\n'
        f"{schedule}"
        "        loss_sum += loss.item() * len(labels)\n"
        "        correct += int((logits.argmax(dim=1) == labels).sum())\n"
        "    return loss_sum / len(train_digits), correct / len(train_digits)"
    )
    return Phase(
        say("Train loop"),
        say("Batch by batch: forget the last gradients, answer, compare, find new gradients, change the weights."),
        f"{step}\n\n\n{epoch}",
    )


def evaluation_phase(config: TrainConfig) -> Phase:
    """How well it reads what it never learns from, after each epoch."""
    evaluate = (
        "@torch.no_grad()\n"
        "def evaluate() -> tuple[float, float]:\n"
        '    """The mean loss and the accuracy on the test images."""\n'
        "    model.eval()\n"
        "    loss_sum, correct = 0.0, 0\n"
        "    for images, labels in test_loader:\n"
        "        images, labels = images.to(device), labels.to(device)\n"
        f"        logits = model(images)  # {shape_text(config)} -> (N, 10)\n"
        "        loss_sum += loss_fn(logits, labels).item() * len(labels)\n"
        "        correct += int((logits.argmax(dim=1) == labels).sum())\n"
        "    return loss_sum / len(test_digits), correct / len(test_digits)"
    )
    lines = [
        "torch.manual_seed(SEED)  # where dropout begins to draw",
        "for epoch in range(1, EPOCHS + 1):",
        "    train_loss, train_accuracy = train_epoch()",
        "    test_loss, test_accuracy = evaluate()",
        "    print(",
        '        f"epoch {epoch}: train loss {train_loss:.4f}, train accuracy {100 * train_accuracy:.2f} %, "',
        '        f"test loss {test_loss:.4f}, test accuracy {100 * test_accuracy:.2f} %"',
        "    )",
    ]
    if config.stop_when_stalled:
        lines.insert(1, "best_accuracy, best_epoch = -1.0, 0")
        lines += [
            "    if test_accuracy > best_accuracy:",
            "        best_accuracy, best_epoch = test_accuracy, epoch",
            "    if epoch - best_epoch >= PATIENCE:",
            "        break  # the test accuracy stands still",
        ]
    return Phase(
        say("Evaluation"),
        say("After each epoch: how well does it read images that it never learns from? Nothing is changed by that."),
        f"{evaluate}\n\n\n" + "\n".join(lines),
    )


def saving_phase(config: TrainConfig) -> Phase:
    """The weights into a file, and out of it again."""
    lines = [
        f"torch.save(model.state_dict(), {quoted(WEIGHTS_NAME)})",
        "",
        "# Another day: build the same network, and put the weights into it.",
        f"saved = {model_text(config, 'saved')}",
        f'saved.load_state_dict(torch.load({quoted(WEIGHTS_NAME)}, map_location="cpu", weights_only=True))',
        "saved.eval()",
        "image, label = test_digits[0]",
        "with torch.no_grad():",
        f"    logits = saved(image[None])  # {shape_text(config).replace('N', '1')} -> (1, 10)",
        'print(f"The first test image is a {label}, and is read as a {logits.argmax().item()}.")',
    ]
    return Phase(
        say("Saving and loading"),
        say("What was learnt is in the weights alone: save them, and put them into a new network of the same kind."),
        "\n".join(lines),
    )


def chosen_code(excerpts: Excerpts, variable: str, table: str, name: str) -> list[str]:
    """What a named choice of config.py needs and makes, with settings in place of the configuration's fields."""
    needed, made = excerpts.take_entry("mnist_core.config", table, name)
    made = re.sub(r"\bconfig\.(\w+)", lambda found: found[1].upper(), made)
    made = re.sub(r"\bweights\b", "model.parameters()", made)
    made = re.sub(r"\bbatches\b", "len(train_loader)", made)
    return [*filter(None, [needed]), f"{variable} = {made}"]


def activation_text(config: TrainConfig) -> str:
    """The table of activations with the one that is used."""
    name = config.model_options["activation"]
    return f"ACTIVATIONS = {{{quoted(name)}: nn.{ACTIVATIONS[name].__name__}}}"


def model_text(config: TrainConfig, variable: str = "model") -> str:
    """The call that builds the network, with the options that are not its defaults."""
    name, usual = MODELS[config.model].__name__, model_options(config.model)
    options = [f"{option}={quoted(value)}" for option, value in config.model_options.items() if value != usual[option]]
    if len(line := f"{name}({', '.join(options)})") + len(f"{variable} = ") <= WIDTH:
        return line
    if len(line := f"    {', '.join(options)}") <= WIDTH:
        return f"{name}(\n{line}\n)"
    return f"{name}(\n    " + ",\n    ".join(options) + ",\n)"


def shape_text(config: TrainConfig) -> str:
    """The shape of a batch of images: "(N, 1, 28, 28)"."""
    options = config.model_options
    return f"(N, {options['input_channels']}, {options['input_size']}, {options['input_size']})"


def quoted(value: Any) -> str:
    """A checked value as it is written in Python, texts in double quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def comment(text: str) -> str:
    """Words as comment lines."""
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
