"""Confidence that keeps its word, held to sets whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mnist_core import Digits
from mnist_core.calibration import TURNED_AWAY, calibrate, calibration_error, find_temperature, predict_all


def test_the_calibration_error_by_hand() -> None:
    confidences = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    by_hand = (4 * abs(0.95 - 0.75) + 2 * abs(0.55 - 0.5)) / 6
    assert calibration_error(confidences, right) == pytest.approx(by_hand)


def test_who_claims_what_is_true_has_no_calibration_error() -> None:
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0
    assert calibration_error(np.array([1.0, 1.0]), np.array([False, False])) == 1


def drawn_from(logits: Tensor) -> Tensor:
    """Labels (N,) as often as these logits say."""
    return torch.multinomial(logits.softmax(dim=1), 1, generator=torch.Generator().manual_seed(1))[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_is_found_that_the_labels_were_drawn_with(temperature: float) -> None:
    logits = 3 * torch.randn(20_000, 10, generator=torch.Generator().manual_seed(0))
    assert find_temperature(logits * temperature, drawn_from(logits)) == pytest.approx(temperature, rel=0.05)


class Mean(nn.Module):
    """A model whose features are the first ten pixels."""

    def __init__(self, refuses: bool) -> None:
        super().__init__()
        self.refuses = refuses
        self.output = nn.Linear(10, 10)
        nn.init.eye_(self.output.weight)
        nn.init.constant_(self.output.bias, 0.5)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(images.flatten(1)[:, :10])


@pytest.fixture
def overconfident() -> Digits:
    """Digits whose labels were drawn from half the logits that `Mean` gives."""
    images = torch.randint(0, 256, (4000, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = drawn_from(predict_all(Mean(False), Digits(images, torch.zeros(4000, dtype=torch.int64))) / 2)
    return Digits(images, labels)


def test_calibrating_makes_confidence_honest_and_changes_no_answer(overconfident) -> None:
    model = Mean(refuses=False)
    before = predict_all(model, overconfident)
    temperature, constant = calibrate(model, [overconfident])
    after = predict_all(model, overconfident)
    assert temperature == pytest.approx(2, rel=0.1)
    assert constant == 0
    torch.testing.assert_close(after, before / temperature)
    confidences, answers = after.softmax(dim=1).max(dim=1)
    assert calibration_error(confidences.numpy(), (answers == overconfident.labels).numpy()) < 0.02


def test_a_model_that_refuses_turns_the_allowed_share_of_digits_away_and_no_more(overconfident) -> None:
    model = Mean(refuses=True)
    others = Digits(overconfident.images // 2, overconfident.labels)
    before = predict_all(model, overconfident).argmax(dim=1)
    calibrate(model, [overconfident, others])
    refused = [(predict_all(model, one).logsumexp(dim=1) < 0).float().mean() for one in (overconfident, others)]
    assert max(refused) == pytest.approx(TURNED_AWAY, abs=0.001)
    assert torch.equal(predict_all(model, overconfident).argmax(dim=1), before)
