"""Curves and sentences against hand calculations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mnist_core import BatchDone, EpochDone
from mnist_core.curves import (
    MOST_POINTS,
    batch_accuracies,
    batch_curve,
    observe,
    spread,
    trailing_mean,
    training_seconds,
)


def batch(epoch: int, number: int, images: int, running_accuracy: float, loss: float = 1.0, batches: int = 3):
    return BatchDone(
        epoch=epoch, batch=number, batches=batches, loss=loss, running_loss=loss, running_accuracy=running_accuracy,
        images=images, learning_rate=0.1, seconds=1.0,
    )  # fmt: skip


def epoch(
    number: int, train_loss: float, train_accuracy: float, test_loss: float | None, test_accuracy: float | None,
    stalled: bool = False,
):  # fmt: skip
    return EpochDone(
        epoch=number, epochs=9, step=3 * number, train_loss=train_loss, train_accuracy=train_accuracy,
        test_loss=test_loss, test_accuracy=test_accuracy, learning_rate=0.1, seconds=1.0, test_seconds=1.0,
        images_per_second=100.0, stalled=stalled,
    )  # fmt: skip


def test_the_accuracy_of_a_batch_is_what_it_adds_to_the_count() -> None:
    # Of 10, 10 and 5 images 4, 9 and 5 were right: 4 of 10, 13 of 20, 18 of 25 since the epoch began; then a new one.
    batches = [batch(1, 1, 10, 0.4), batch(1, 2, 20, 0.65), batch(1, 3, 25, 0.72), batch(2, 1, 10, 0.9)]
    assert batch_accuracies(batches) == pytest.approx([0.4, 0.9, 1.0, 0.9])


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (1000, 30)])
def test_spread_places_hold_first_and_last(count: int, most: int) -> None:
    places = spread(count, most)
    assert len(places) == min(count, most)
    if count:
        assert (places[0], places[-1]) == (0, count - 1)
    assert (np.diff(places) > 0).all()


def test_no_batches_have_no_accuracies() -> None:
    assert len(batch_accuracies([])) == 0


def test_of_thinned_batches_the_accuracy_is_that_of_all_since_the_one_before() -> None:
    # Every second of 10 images each: 4, then 13 and 9 more of 20, then a new epoch, of which the first is missing.
    batches = [batch(1, 1, 10, 0.4), batch(1, 3, 30, 13 / 30), batch(2, 2, 20, 0.9)]
    assert batch_accuracies(batches) == pytest.approx([0.4, 9 / 20, 0.9])


def test_seconds_go_on_from_epoch_to_epoch() -> None:
    timed = [(1, 1, 1.0), (1, 2, 2.5), (2, 1, 0.5), (2, 3, 2.0), (3, 1, 1.0)]
    batches = [dataclasses.replace(batch(number, at, at, 1.0), seconds=seconds) for number, at, seconds in timed]
    assert training_seconds(batches).tolist() == [1.0, 2.5, 3.0, 4.5, 5.5]
    assert len(training_seconds([])) == 0


def test_a_trailing_mean_looks_back_only() -> None:
    values = np.array([1.0, 2.0, 6.0, 4.0])
    assert trailing_mean(values, 1) == pytest.approx([1, 2, 6, 4])
    assert trailing_mean(values, 2) == pytest.approx([1, 1.5, 4, 5])
    assert trailing_mean(values, 10) == pytest.approx([1, 1.5, 3, 3.25])


def test_a_short_history_is_drawn_whole() -> None:
    history = [batch(1, 1, 10, 0.5, loss=2.0), batch(1, 2, 20, 0.75, loss=1.0), epoch(1, 1.5, 0.75, 1.0, 0.8)]
    curve = batch_curve(history)
    assert curve.steps.tolist() == [1, 2]
    assert curve.loss.tolist() == curve.smoothed.tolist() == [2, 1]
    assert curve.accuracy == pytest.approx([0.5, 1.0])


def test_an_empty_history_is_an_empty_curve() -> None:
    assert len(batch_curve([]).steps) == 0


@pytest.mark.parametrize("count", [MOST_POINTS - 1, MOST_POINTS, MOST_POINTS + 1, 5 * MOST_POINTS + 7])
def test_a_curve_has_few_points_and_keeps_first_and_last(count) -> None:
    history = [batch(1, number, number, 1.0, loss=float(number), batches=count) for number in range(1, count + 1)]
    curve = batch_curve(history)
    assert len(curve.steps) == min(count, MOST_POINTS)
    assert (curve.steps[0], curve.steps[-1]) == (1, count)
    assert (np.diff(curve.steps) > 0).all()
    assert curve.loss.tolist() == curve.steps.tolist()
    width = count // 40  # the last point: the mean of the last `width` of 1, 2, ..., count
    assert curve.smoothed[-1] == pytest.approx(count - (width - 1) / 2)


GOOD = epoch(1, 0.30, 0.92, 0.20, 0.940)


@pytest.mark.parametrize(
    ("epochs", "sentence"),
    [
        ([epoch(1, 2.30, 0.11, 2.30, 0.11)], "Nothing learnt yet: it still guesses."),
        ([epoch(1, 1.50, 0.60, 0.90, 0.80)], "It has begun to learn, slowly."),
        ([GOOD], "Loss falls fast: the network has begun to learn."),
        ([GOOD, epoch(2, 0.29, 0.93, 0.2, 0.94, stalled=True)], "Test accuracy stands still: you may stop here."),
        ([GOOD, epoch(2, 0.32, 0.91, 0.22, 0.93)], "Loss rises: the learning rate may be too high."),
        ([GOOD, epoch(2, 0.20, 0.95, None, None)], "Loss still falls."),
        ([GOOD, epoch(2, 0.30, 0.92, None, None)], "Loss stands still."),
        ([GOOD, epoch(2, 0.20, 0.95, 0.15, 0.960)], "Test accuracy still climbs."),
        ([GOOD, epoch(2, 0.20, 0.95, 0.25, 0.930)], "Test accuracy fell: steps this long overshoot now and then."),
        (
            [GOOD, epoch(2, 0.10, 0.97, 0.22, 0.9405)],
            "It begins to learn the training images by heart: test loss rises.",
        ),
        ([GOOD, epoch(2, 0.28, 0.94, 0.19, 0.9405)], "Small changes now: most of what can be learnt has been."),
        ([GOOD, epoch(2, 0.28, 0.94, 0.19, 0.942)], "Small gains now."),
    ],
)  # fmt: skip
def test_each_sentence_has_its_case(epochs, sentence) -> None:
    assert observe(epochs) == sentence
