"""What a network answers to a whole set of digits: where it errs, how surely, and which digits it mixes up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_core.data import Digits
from mnist_core.training import evaluation_mode

BATCH_SIZE = 100  # images; a batch of the shipped network takes 50 ms, and then others have their turn
UNWATCHED_SECONDS = 20.0  # so long is read on when nobody asks how far it is

# All that is read in this process takes turns, a batch each: however many ask, the other cores stay free for strokes.
_turn = threading.Lock()


@dataclass(frozen=True)
class Answers:
    """A network's answers to a set of digits.

    Attributes:
        labels: (N,) int64, what was written.
        probabilities: (N, 10) float32, each row summing to 1.
        refused: (N,) bool, where a network that refuses sees no digit at all.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    refused: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def answers(self) -> NDArray[np.int64]:
        """(N,) int64, the most probable digit of each image, also of those that were refused."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def confidences(self) -> NDArray[np.float32]:
        """(N,) float32, the probability of the answer."""
        return np.asarray(self.probabilities.max(axis=1), dtype=np.float32)

    @property
    def right(self) -> int:
        """How many images have their label as answer."""
        return int((self.answers == self.labels).sum())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(10, 10) int64 by [label, answer]: how many images have which answer; the diagonal is right."""
        return np.bincount(10 * self.labels + self.answers, minlength=100).reshape(10, 10)


def read_set(model: nn.Module, digits: Digits, batch_size: int = BATCH_SIZE) -> Iterator[Tensor]:
    """The model's logits (n, 10) for one batch of the set after the other, in eval mode and without gradients.

    Args:
        digits: of the shape that the model takes; see `colour.digits_for`.
    """
    for start in range(0, len(digits), batch_size):
        images = digits.__getitems__(list(range(start, min(start + batch_size, len(digits))))).images
        with _turn, evaluation_mode(model):
            logits: Tensor = model(images)  # (n, C, H, W) -> (n, 10)
        yield logits


def answers_from(logits: Tensor, labels: Tensor, refuses: bool = False) -> Answers:
    """Logits (N, 10) and labels (N,) as answers.

    Args:
        refuses: whether the model has learnt to see no digit, which it says by a logsumexp below 0.
    """
    refused = logits.logsumexp(dim=1) < 0 if refuses else torch.zeros(len(logits), dtype=torch.bool)  # (N, 10) -> (N,)
    return Answers(labels.numpy(), logits.softmax(dim=1).numpy(), refused.numpy())


def find_mistakes(answers: Answers, label: int | None = None, answer: int | None = None) -> NDArray[np.int64]:
    """Which images were misread, the most confident first; `label` and `answer` narrow it to those of one cell.

    With `label` equal to `answer`, those that were read rightly, the least confident first: where it nearly erred.

    Returns:
        Indices (M,) int64 into the set.
    """
    rightly = label is not None and label == answer
    chosen = (answers.answers == answers.labels) == rightly  # (N,) bool
    if label is not None:
        chosen &= answers.labels == label
    if answer is not None:
        chosen &= answers.answers == answer
    found = np.flatnonzero(chosen)
    order = answers.confidences[found] if rightly else -answers.confidences[found]
    return found[np.argsort(order, kind="stable")]


class SetReading:
    """A set being read in a thread, as long as somebody watches: `go_on` now and then, until there are `answers`."""

    def __init__(self, model: nn.Module, digits: Digits, batch_size: int = BATCH_SIZE) -> None:
        self.images = len(digits)
        self.images_read = 0
        self.answers: Answers | None = None
        self.error: BaseException | None = None
        self._labels = digits.labels
        self._refuses = bool(getattr(model, "refuses", False))
        self._batches: Iterator[Tensor] | None = read_set(model, digits, batch_size)
        self._logits: list[Tensor] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._watched_at = 0.0

    @property
    def share_read(self) -> float:
        """How much of the set has been read, 0..1."""
        return self.images_read / self.images

    def go_on(self, seconds: float = 0.0) -> None:
        """Read on from where it is, and wait for the end for at most so many seconds.

        Raises:
            Exception: what went wrong in the thread.
        """
        with self._lock:
            self._watched_at = monotonic()
            if self.answers is None and self.error is None and self._thread is None:
                self._thread = threading.Thread(target=self._read, name="reading digits", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread is not None and seconds:
            thread.join(seconds)
        if self.error is not None:
            raise self.error

    def _read(self) -> None:
        try:
            assert self._batches is not None
            for logits in self._batches:
                self._logits.append(logits)
                self.images_read += len(logits)
                with self._lock:
                    if monotonic() - self._watched_at > UNWATCHED_SECONDS:
                        self._thread = None
                        return
            self.answers = answers_from(torch.cat(self._logits), self._labels, self._refuses)
            self._batches, self._logits = None, []  # with them goes the model
        except Exception as error:
            self.error = error
