"""Training side by side with what people use today: seconds to 99 %, and one epoch of the course's loop.

    python benchmarks/training.py [--seeds 10] [--examples-runs 1] [--course-runs 5] [--threads N]

1. Time to 99 % on the test set: the recipe of the PyTorch examples' MNIST program, written anew from its description,
   against our recipe "fast". Counted is every second from the first training image to the last step; tests after an
   epoch are not, and how long loading the data took is printed beside it.
2. One epoch of a first lesson's loop (MLP 784-128-10, Adam 0.001, batch 64; an image at a time through torchvision's
   transforms) against `train_epoch`: the same model, batch size, optimizer and number of steps. A step is so short
   that a second thread may cost more than it brings: try `--threads 1`.
3. Where there is an NVIDIA GPU: seconds of training there to 99 % (recipe "fast") and to 99.5 % ("best"), and images
   per second with and without bfloat16, by the same `train`.

All in one process, taking turns; medians, spread and ratios are printed with the machine, versions and seeds, and what
an import and the loading of the data take. From a press of Train to the first point: first_press.py.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import Compose, Normalize, ToTensor

from mnist_core import (
    RECIPES,
    BatchDone,
    Digits,
    EpochDone,
    TrainConfig,
    build_model,
    evaluate,
    load_mnist,
    make_loader,
    train,
    train_epoch,
)
from mnist_core.data import FILES, MEAN, MNIST_FOLDER, STD
from mnist_core.devices import find_device
from mnist_core.processor import cpu_cores, cpu_name
from mnist_core.training import build_seeded_model

GOAL = 0.99


@dataclass(frozen=True)
class Timed:
    """One training: seconds of training alone, and the test accuracy 0..1 that it came to."""

    seconds: float
    accuracy: float


@contextmanager
def torchvision_folder() -> Iterator[str]:
    """The published files where torchvision.datasets.MNIST looks for them, unpacked in a folder that goes again."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "MNIST", "raw")
        raw.mkdir(parents=True)
        for name in (name for names in FILES.values() for name in names):
            (raw / name).with_suffix("").write_bytes(gzip.decompress((MNIST_FOLDER / name).read_bytes()))
        yield folder


class ExamplesNet(nn.Module):
    """The network of the PyTorch examples: two convolutions, pool, dropout, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        features = F.relu(self.conv2(F.relu(self.conv1(images))))  # (N, 1, 28, 28) -> (N, 64, 24, 24)
        features = self.dropout1(F.max_pool2d(features, 2)).flatten(1)  # -> (N, 9216)
        logits = self.fc2(self.dropout2(F.relu(self.fc1(features))))  # -> (N, 10)
        return F.log_softmax(logits, dim=1)


def time_examples_recipe(published: torchvision.datasets.MNIST, test: Digits, seed: int, device: torch.device) -> Timed:
    """Adadelta at 1.0, times 0.7 after each epoch, batches of 64, until an epoch ends at 99 % or better."""
    torch.manual_seed(seed)
    model = ExamplesNet().to(device)
    loader = DataLoader(published, batch_size=64, shuffle=True)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    seconds, accuracy = 0.0, 0.0
    for _ in range(14):
        started = perf_counter()
        model.train()
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            F.nll_loss(model(images), labels).backward()
            optimizer.step()
        schedule.step()
        seconds += perf_counter() - started
        accuracy = evaluate(model, make_loader(test, 1000), device).accuracy
        if accuracy >= GOAL:
            break
    return Timed(seconds, accuracy)


def time_fast_recipe(digits: Digits, test: Digits, seed: int) -> Timed:
    """Our recipe "fast", whole; its one test at the end is taken out of the time."""
    config = replace(RECIPES["fast"], seed=seed)
    model = build_seeded_model(config)
    started = perf_counter()
    last = None
    for event in train(model, digits, config):
        last = event
    seconds = perf_counter() - started
    assert last is not None
    return Timed(seconds, evaluate(model, make_loader(test, 1000), find_device(config.device)).accuracy)


def time_course_epoch(published: torchvision.datasets.MNIST, test: Digits, seed: int) -> Timed:
    """One epoch as a first lesson writes it."""
    torch.manual_seed(seed)
    model, loss_fn = build_model("mlp"), nn.CrossEntropyLoss()
    loader = DataLoader(published, batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    model.train()
    running_loss, correct, total = 0.0, 0, 0
    started = perf_counter()
    for images, labels in loader:
        optimizer.zero_grad()
        outputs = model(images)
        loss = loss_fn(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        correct += (outputs.argmax(1) == labels).sum().item()
        total += labels.size(0)
    seconds = perf_counter() - started
    return Timed(seconds, evaluate(model, make_loader(test, 1000), "cpu").accuracy)


def time_train_epoch(digits: Digits, test: Digits, seed: int) -> Timed:
    """The same epoch by `train_epoch`."""
    torch.manual_seed(seed)
    model, loss_fn = build_model("mlp"), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    started = perf_counter()
    steps = sum(
        isinstance(event, BatchDone)
        for event in train_epoch(model, make_loader(digits, 64, shuffle=True), loss_fn, optimizer, "cpu")
    )
    seconds = perf_counter() - started
    assert steps == 938
    return Timed(seconds, evaluate(model, make_loader(test, 1000), "cpu").accuracy)


def time_import() -> float:
    """Seconds that a fresh Python takes to import all public names of mnist_core, its own start taken out."""
    seconds = []
    for code in ("pass", "from mnist_core import *"):
        started = perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)
        seconds.append(perf_counter() - started)
    return seconds[1] - seconds[0]


def seconds_to(goal: float, digits: Digits, test: Digits, config: TrainConfig) -> float | None:
    """Seconds of training, without the tests, until an epoch ends at a test accuracy of `goal`; None if none does."""
    seconds = 0.0
    for event in train(build_seeded_model(config), digits, config, test=test):
        if isinstance(event, EpochDone):
            seconds += event.seconds
            if (event.test_accuracy or 0.0) >= goal:
                return seconds
    return None


def images_per_second(digits: Digits, config: TrainConfig) -> float:
    """The pace of the last epoch."""
    *_, last = train(build_seeded_model(config), digits, config)
    assert isinstance(last, EpochDone)
    return last.images_per_second


def report_gpu(digits: Digits, test: Digits) -> None:
    """Print what an NVIDIA GPU does: seconds to two accuracies, and the pace in both number formats."""
    print(f"3. on {torch.cuda.get_device_name()}")
    for recipe, goal in (("fast", 0.99), ("best", 0.995)):
        found = [
            seconds_to(goal, digits, test, replace(RECIPES[recipe], device="cuda", seed=seed)) for seed in (0, 1, 2)
        ]
        reached = [seconds for seconds in found if seconds is not None]
        median = f"median {statistics.median(reached):.2f} s" if reached else "-"
        print(
            f'  to {100 * goal:g} % by the recipe "{recipe}": {median}, reached by {len(reached)} of {len(found)} seeds'
        )
    for model in ("fast_cnn", "deep_cnn"):
        for precision in ("float32", "bfloat16"):
            config = TrainConfig(model=model, batch_size=1024, epochs=2, device="cuda", precision=precision)
            pace = statistics.median(images_per_second(digits, config) for _ in range(3))
            print(f"  {model}, batches of 1,024, {precision}: {pace:,.0f} images/s")


def report(name: str, runs: list[Timed]) -> float:
    """Print the median time and the accuracies of several runs; returns the median."""
    seconds, accuracies = [run.seconds for run in runs], [100 * run.accuracy for run in runs]
    spread = statistics.stdev(accuracies) if len(runs) > 1 else 0.0
    print(
        f"  {name}: median {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
        f"accuracy mean {statistics.mean(accuracies):.3f} %, spread {spread:.3f}, worst {min(accuracies):.2f} %, "
        f"{len(runs)} seeds"
    )
    return statistics.median(seconds)


def main() -> None:
    """Load the data, take turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--examples-runs", type=int, default=1, help="minutes each")
    parser.add_argument("--course-runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="for all of it (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = find_device("auto")
    print(f"{cpu_name()}, {cpu_cores()} cores, {torch.get_num_threads()} threads, training on {device.type}")
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    started = perf_counter()
    digits, test = load_mnist("train"), load_mnist("test")
    print(f"loading MNIST from the package: {perf_counter() - started:.2f} s")
    print(f"importing mnist_core: {statistics.median(time_import() for _ in range(3)):.2f} s")
    with torchvision_folder() as folder:
        transform = Compose([ToTensor(), Normalize((MEAN,), (STD,))])
        published = torchvision.datasets.MNIST(folder, train=True, transform=transform)
        time_train_epoch(digits.first(None), test, seed=0)  # imports and first allocations are nobody's to pay
        examples: list[Timed] = []
        fast: list[Timed] = []
        for seed in range(max(arguments.seeds, arguments.examples_runs)):
            if seed < arguments.examples_runs:
                examples.append(time_examples_recipe(published, test, seed, device))
            if seed < arguments.seeds:
                fast.append(time_fast_recipe(digits, test, seed))
        print("1. time to 99 % on the test set")
        if examples and fast:
            ratio = report("PyTorch examples' recipe", examples) / report('recipe "fast"', fast)
            print(f"  ratio of the medians: {ratio:.0f} times")
        course: list[Timed] = []
        ours: list[Timed] = []
        for seed in range(arguments.course_runs):
            course.append(time_course_epoch(published, test, seed))
            ours.append(time_train_epoch(digits, test, seed))
        print("2. one epoch of the course's recipe")
        if course:
            ratio = report("the course's loop", course) / report("train_epoch", ours)
            print(f"  ratio of the medians: {ratio:.1f} times")
    if torch.cuda.is_available():
        report_gpu(digits, test)


if __name__ == "__main__":
    main()
