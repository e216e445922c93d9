"""Learn my hand: a network that has learnt already learns to read one hand more, and forgets next to nothing."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
import torch
from torch import nn

from mnist_core import RECIPES, Digits, TrainConfig, TrainingRun, evaluate, load_model, make_loader, train
from mnist_core.fine_tuning import MNIST_IMAGES, begin_from, copies_of, mixed, plan_fine_tuning
from mnist_core.messages import say
from mnist_core.recent_runs import RecentRuns
from mnist_core.strokes import Hand, as_digits, draw, sketch
from mnist_core.styles import STYLES
from mnist_core.summaries import runs_json
from mnist_core.training import build_seeded_model
from mnist_core.worker import training_threads

PATIENCE = 120  # seconds for what takes some; only a test that fails waits so long
FAST = dataclasses.replace(RECIPES["fast"], train_images=20_000)
CHILD = Hand(slant=(0.0, 0.06), turn=0.04, wide=(0.75, 1.0), waves=0.012, tremors=(0,), pens=(6.0, 10.0))


def mirrored(count: int, seed: int) -> Digits:
    """Digits of a child who writes them the wrong way round, always in the same styles."""
    chance = np.random.default_rng(seed)
    inks = []
    for number in range(count):
        lines = sketch(STYLES[number % 10][0], chance)
        inks.append(draw([line * (-1, 1) for line in lines], chance, CHILD))
    return as_digits(inks, [number % 10 for number in range(count)])


def accuracy(model: nn.Module, digits: Digits) -> float:
    return evaluate(model, make_loader(digits, 500), "cpu").accuracy


@pytest.fixture(scope="module")
def fast(mnist_train: Digits) -> nn.Module:
    """A network that has learnt from MNIST."""
    model = build_seeded_model(FAST)
    for _ in train(model, mnist_train, FAST):
        pass
    return model.eval()


@pytest.fixture(scope="module")
def run(fast: nn.Module) -> TrainingRun:
    """A run from that network with twenty drawings, at its end."""
    learnt = mirrored(20, seed=1)
    run = TrainingRun(
        plan_fine_tuning(fast, FAST, len(learnt)), beginning=begin_from(say("the fast network"), fast, learnt)
    )
    run.start()
    deadline = time.monotonic() + PATIENCE
    while not run.is_over:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (run.state, run.error) == ("done", None)
    return run


def test_a_hand_is_read_far_better_and_next_to_nothing_is_forgotten(fast, run, mnist_test) -> None:
    held_out = mirrored(200, seed=2)
    before, after = accuracy(fast, held_out), accuracy(run.latest_model, held_out)
    assert before < 0.6
    assert after > before + 0.3
    assert run.epochs[-1].test_accuracy > accuracy(fast, mnist_test) - 0.005


def test_the_run_begins_with_the_weights_that_it_goes_on_from(fast, run) -> None:
    first = run.snapshots[0]
    assert first.step == 0
    state = run.model_at(first).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in fast.state_dict().items())


def test_the_run_is_the_training_loop_on_the_mixed_digits(fast, run, mnist_train) -> None:
    model = build_seeded_model(run.config)
    model.load_state_dict(fast.state_dict())
    threads = torch.get_num_threads()
    torch.set_num_threads(training_threads())
    try:
        events = list(train(model, mixed(run.beginning, mnist_train, run.config.train_images), run.config))
    finally:
        torch.set_num_threads(threads)
    told = [event.loss for event in run.history if hasattr(event, "loss")]
    assert told == [event.loss for event in events if hasattr(event, "loss")]
    assert len(told) == -(-(20 * copies_of(20) + MNIST_IMAGES) // run.config.batch_size)


def test_the_run_says_what_it_began_from(run) -> None:
    runs = RecentRuns()
    one = runs.add(run)
    assert one.name == "Learn my hand, run 1"
    assert one.summary.began_from == "the fast network"
    runs.rename(1, "mine")
    runs.rename(1, "")
    assert one.name == "Learn my hand, run 1"
    assert '"began_from": "the fast network"' in runs_json([("mine", one.summary)])
    assert runs.add(TrainingRun(FAST)).name == "FastCNN, run 2"


def test_drawings_come_first_and_are_repeated_and_mnist_fills_up(fast, mnist_train) -> None:
    learnt = mirrored(20, seed=1)
    beginning = begin_from(say("it"), fast, learnt)
    mix = mixed(beginning, mnist_train, 600)
    assert len(mix) == 600
    assert torch.equal(mix.images[:500], learnt.images.repeat(25, 1, 1, 1))
    assert torch.equal(mix.labels[480:500], learnt.labels)
    assert torch.equal(mix.images[500:], mnist_train.images[:100])
    assert torch.equal(mix.labels[500:], mnist_train.labels[:100])
    assert torch.equal(mixed(beginning, mnist_train, 30).labels, learnt.labels.repeat(2)[:30])
    assert len(mixed(beginning, mnist_train, None)) == 500 + len(mnist_train)


@pytest.mark.parametrize(("count", "copies"), [(1, 40), (10, 40), (20, 25), (400, 1), (1000, 1)])
def test_few_drawings_are_shown_often_but_not_endlessly(count, copies) -> None:
    assert copies_of(count) == copies


def test_what_a_network_had_learnt_decides_what_it_sees_again(fast) -> None:
    config = plan_fine_tuning(fast, FAST, 20)
    assert (config.model, config.made_digits, config.non_digits, config.epochs) == ("fast_cnn", 0, 0, 1)
    assert config.train_images == 500 + MNIST_IMAGES
    shipped = plan_fine_tuning(load_model(), None, 20)
    assert shipped.model_options == {**load_model().architecture["options"], "channels": (32, 48, 96)}
    assert (shipped.made_digits, shipped.non_digits) == (500, 1000)
    refuses = TrainConfig(model="deep_cnn", model_options={"refuses": True}, non_digits=200)
    assert plan_fine_tuning(build_seeded_model(refuses), refuses, 5).non_digits == 200


def test_digits_in_colour_stay_in_colour() -> None:
    colourful = TrainConfig(model="fast_cnn", colour=True)
    config = plan_fine_tuning(build_seeded_model(colourful), colourful, 5)
    assert config.colour
    assert config.model_options == colourful.model_options


def test_a_network_of_which_nobody_knows_how_it_was_trained_is_judged_by_what_it_takes() -> None:
    colourful = TrainConfig(model="fast_cnn", colour=True)
    assert plan_fine_tuning(build_seeded_model(colourful), None, 5).colour
    assert not plan_fine_tuning(build_seeded_model(TrainConfig(model="mlp")), None, 5).colour
