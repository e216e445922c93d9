"""What a run's events add up to: curves thin enough to draw, and a sentence about each epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_core.messages import Message, say
from mnist_core.training import BatchDone, EpochDone

Numbers = NDArray[np.float64]
MOST_POINTS = 300  # more cost the browser time and show nothing


@dataclass(frozen=True)
class BatchCurve:
    """How training went batch by batch, thinned; all arrays have the same length, at most MOST_POINTS.

    Attributes:
        steps: counted from the start of the run. loss: of one batch. smoothed: the mean of the batches around it.
        accuracy: 0..1, smoothed in the same way. seconds: spent on training until then.
    """

    steps: Numbers
    loss: Numbers
    smoothed: Numbers
    accuracy: Numbers
    seconds: Numbers


def batch_curve(history: Iterable[BatchDone | EpochDone]) -> BatchCurve:
    """The curve of a run, or of the part of it that has happened."""
    batches = [event for event in history if isinstance(event, BatchDone)]
    loss = np.array([event.loss for event in batches])
    accuracy = batch_accuracies(batches)
    width = max(1, len(batches) // 40)
    chosen = spread(len(batches), MOST_POINTS)
    steps = np.array([batches[at].step for at in chosen], float)
    smoothed, accuracy = trailing_mean(loss, width)[chosen], trailing_mean(accuracy, width)[chosen]
    return BatchCurve(steps, loss[chosen], smoothed, accuracy, training_seconds(batches)[chosen])


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the places 0..count - 1, evenly spread, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def batch_accuracies(batches: Sequence[BatchDone]) -> Numbers:
    """The accuracy of each batch, or of all since the one before it, told by how the counts of the epoch grow."""
    images = np.array([event.images for event in batches], float)
    correct = np.array([event.running_accuracy for event in batches]) * images
    first = begins_epoch(batches)
    before = np.concatenate([[0.0], images[:-1]])[: len(batches)], np.concatenate([[0.0], correct[:-1]])[: len(batches)]
    images_before, correct_before = (np.where(first, 0.0, values) for values in before)
    accuracy: Numbers = (correct - correct_before) / np.maximum(images - images_before, 1)
    return accuracy


def begins_epoch(batches: Sequence[BatchDone]) -> NDArray[np.bool_]:
    """Whether each batch is the first of its epoch among these: (N,)."""
    epochs = np.array([event.epoch for event in batches], int)
    return np.diff(epochs, prepend=0) > 0


def training_seconds(batches: Sequence[BatchDone]) -> Numbers:
    """How long the run had trained after each batch: the seconds of its epoch and of all before: (N,)."""
    seconds = np.array([event.seconds for event in batches], float)
    before = np.where(begins_epoch(batches), np.concatenate([[0.0], seconds])[: len(batches)], 0.0)
    total: Numbers = seconds + np.cumsum(before)
    return total


def trailing_mean(values: Numbers, width: int) -> Numbers:
    """The mean of each value and up to `width` - 1 before it: (N,) -> (N,)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    means: Numbers = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def observe(epochs: Sequence[EpochDone]) -> Message:
    """One sentence on the last of these epochs, for somebody who sees such numbers for the first time."""
    last = epochs[-1]
    if len(epochs) == 1:
        return observe_first(last)
    before = epochs[-2]
    if last.stalled:
        return say("Test accuracy stands still: you may stop here.")
    if last.train_loss > before.train_loss * 1.05:
        return say("Loss rises: the learning rate may be too high.")
    if last.test_accuracy is None or before.test_accuracy is None or last.test_loss is None or before.test_loss is None:
        return say("Loss still falls.") if last.train_loss < before.train_loss else say("Loss stands still.")
    gain = last.test_accuracy - before.test_accuracy
    by_heart = last.train_accuracy - last.test_accuracy
    if gain >= 0.005:
        return say("Test accuracy still climbs.")
    if gain <= -0.005:
        return say("Test accuracy fell: steps this long overshoot now and then.")
    if by_heart > 0.015 and last.test_loss > before.test_loss:
        return say("It begins to learn the training images by heart: test loss rises.")
    return say("Small changes now: most of what can be learnt has been.") if gain < 0.001 else say("Small gains now.")


def observe_first(epoch: EpochDone) -> Message:
    """One sentence on a run's first epoch."""
    guessing = math.log(10)  # the cross-entropy of ten equal guesses
    if epoch.train_accuracy < 0.2:
        return say("Nothing learnt yet: it still guesses.")
    if epoch.train_accuracy > 0.85 and epoch.train_loss < guessing / 3:
        return say("Loss falls fast: the network has begun to learn.")
    return say("It has begun to learn, slowly.")
