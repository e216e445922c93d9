"""What a visitor holds is bounded: one who does the most that a public server allows stays under a stated size."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from safetensors.torch import save

from mnist_core import TrainConfig, TrainingRun
from mnist_core.limits import check_limits
from mnist_core.models import count_model_parameters
from mnist_core.runs import DONE, MOST_BATCHES
from mnist_core.server_settings import server_settings
from mnist_core.snapshots import Snapshot
from mnist_core.training import BatchDone, EpochDone, build_seeded_model
from mnist_ui.drawing import Drawing
from mnist_ui.lessons.bench import ANSWERING, Bench, find_bench
from mnist_ui.visitor import MINE, Visitor

MIB = 2**20
MOST_HELD = 40 * MIB
USUALLY_HELD = 4 * MIB
LARGEST = TrainConfig(model="mlp", model_options={"hidden_sizes": (512, 128)}, epochs=10, batch_size=10)
NOT_THEIRS = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, torch.dtype, torch.device)


def bytes_held(holder: object) -> int:
    """The size of an object and of all that it refers to, each counted once; arrays and tensors with their numbers."""
    seen: set[int] = set()
    storages: dict[int, int] = {}
    total, left = 0, [holder]
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, NOT_THEIRS):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, torch.Tensor):
            storages[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
            left.append(one.grad if one.is_leaf else None)
        left += gc.get_referents(one)
    return total + sum(storages.values())


def test_the_measure_counts_what_python_and_torch_hold() -> None:
    assert bytes_held([bytes(MIB)]) - MIB in range(200)
    assert bytes_held({"a": np.zeros(MIB, np.uint8)}) - MIB in range(1000)
    weights = torch.zeros(MIB // 4, requires_grad=True)
    weights.sum().backward()
    assert bytes_held((weights, weights[:10])) - 2 * MIB in range(10_000)  # the slice shares its storage


def noise(number: int) -> np.ndarray:
    """A colour photograph of nothing: what can be packed least."""
    return np.random.default_rng(number).integers(0, 256, (280, 280, 3), np.uint8)


def scrawl(count: int) -> tuple[dict[str, object], ...]:
    """So many strokes of sixty points, as the canvas describes them."""
    pen = np.random.default_rng(count)
    return tuple(
        {"type": "Path", "path": [["Q", *corner] for corner in pen.random((60, 4)).round(3).tolist()]}
        for _ in range(count)
    )


def finished_run(config: TrainConfig, batches: int, snapshots: int) -> TrainingRun:
    """A run that has told of so many batches and published its weights so often; nothing of it is shared."""
    run = TrainingRun(config, largest_weights=server_settings().kept_weights)
    each = -(-batches // config.epochs)
    for epoch in range(1, config.epochs + 1):
        run._take_in(
            BatchDone(epoch, batch, each, batch / 7, batch / 3, 0.5, batch * 10 + 300, 1e-3 * batch, batch / 11)
            for batch in range(1, each + 1)
        )
        run._take_in([EpochDone(epoch, config.epochs, epoch * each, 0.1, 0.9, 0.2, 0.8, 1e-3, 1.0, 1.0, 1.0, False)])
    state = build_seeded_model(config).state_dict()
    for at in range(snapshots):
        run._keep(Snapshot(at * batches // snapshots, save(state), at if at <= config.epochs else None))
    run.state = DONE
    return run


def do_all(visitor: Visitor, config: TrainConfig, batches: int, snapshots: int, runs: int) -> None:
    """Train, ask every network of the run, and step through a batch in the lesson about the step."""
    for _ in range(runs):
        visitor.run = finished_run(config, batches, snapshots)
        visitor.recent_runs.add(visitor.run)
    visitor.answered_by = MINE
    visitor.answering_model()
    for snapshot in visitor.run.snapshots:
        visitor.answers_to(b"a drawing")[snapshot.step] = np.zeros(10, np.float32)
    bench = find_bench(visitor, ANSWERING, "adamw", 0.001)
    assert isinstance(bench, Bench)
    while not bench.stepper.is_over:
        bench.stepper.run_next()


def test_who_does_the_most_that_a_public_server_allows_holds_a_bounded_amount(set_server: Callable[..., None]) -> None:
    set_server(public="yes")
    check_limits(LARGEST, server_settings())
    assert count_model_parameters(LARGEST.model, **LARGEST.model_options) > 0.9 * server_settings().parameters
    visitor = Visitor()
    for number in range(40):
        visitor.put(Drawing(noise(number), scrawl(150)))
    do_all(visitor, LARGEST, 2 * MOST_BATCHES, snapshots=50, runs=server_settings().kept_runs + 2)
    assert bytes_held(visitor) < MOST_HELD


def test_who_draws_and_trains_as_most_do_holds_little() -> None:
    visitor = Visitor()
    picture = np.zeros((280, 280), np.uint8)
    picture[100:180, 120:140] = 255
    for count in range(1, 31):
        visitor.draw(Drawing(picture, scrawl(count % 3 + 1), b"%d" % count))
    do_all(visitor, replace(TrainConfig(), epochs=1), 469, snapshots=12, runs=2)
    assert bytes_held(visitor) < USUALLY_HELD
