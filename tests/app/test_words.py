"""The answer in words and bars."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mnist_core import classify
from mnist_ui.answer import answered_by, bars_html, percent, verdict_html
from mnist_ui.film import film_html
from mnist_ui.visitor import MINE, SHIPPED

LINE = np.zeros((280, 280), np.uint8)
LINE[40:240, 130:150] = 255
DOT = np.zeros((280, 280), np.uint8)
DOT[130:150, 130:150] = 255
BLANK = np.zeros((280, 280), np.uint8)


class Says(nn.Module):
    """A network that always answers with these probabilities."""

    def __init__(self, **probabilities: float) -> None:
        super().__init__()
        logits = torch.full((10,), -30.0)
        for name, probability in probabilities.items():
            logits[int(name.removeprefix("digit_"))] = np.log(probability)
        self.logits = nn.Parameter(logits, requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), 10)


SURE = Says(digit_7=0.97, digit_1=0.03)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0 %"),
        (0.004, "0 %"),
        (0.006, "1 %"),
        (0.97, "97 %"),
        (0.9949, "99 %"),
        (0.9996, "> 99 %"),
        (1.0, "> 99 %"),
    ],
)
def test_percent_never_claims_a_certainty_that_is_none(share, words) -> None:
    assert percent(share) == words


@pytest.mark.parametrize(
    ("model", "ink", "words"),
    [
        (SURE, LINE, "It's a 7<small>97 %</small>"),
        (Says(digit_8=1.0), LINE, "It's an 8<small>> 99 %</small>"),
        (Says(digit_1=0.6, digit_7=0.4), LINE, "Not sure: 1 or 7<small>60 %</small>"),
        (Says(digit_4=0.5, digit_9=0.3, digit_7=0.2), LINE, "Not sure: 4, 9 or 7<small>50 %</small>"),
        (SURE, DOT, "Only a dot so far"),
        (SURE, BLANK, "Waiting for your digit"),
    ],
)
def test_the_verdict_in_words(model, ink, words) -> None:
    assert verdict_html(classify(model, ink)) == f'<div class="verdict" role="status">{words}</div>'


def test_each_digit_has_its_bar_and_the_answer_stands_out() -> None:
    html = bars_html(classify(SURE, LINE))
    assert html.count('class="bar"') == 10
    assert html.count('class="row top"') == 1
    assert '<div class="row top"><span class="digit">7</span>' in html
    assert 'style="width:97.0%"' in html
    assert '<span class="percent">97 %</span>' in html


@pytest.mark.parametrize("ink", [BLANK, DOT])
def test_without_a_digit_the_bars_are_empty(ink) -> None:
    html = bars_html(classify(SURE, ink))
    assert html.count('style="width:0.0%"') == 10
    assert "%</span>" not in html


def test_who_answered_in_words() -> None:
    assert answered_by(SHIPPED, 0) == "Answered by the shipped network."
    assert answered_by(MINE, 1234) == "Answered by my network after 1,234 steps."


def test_the_film_shows_every_stage_with_its_name() -> None:
    html = film_html(classify(SURE, LINE).prepared)
    assert html.count('src="data:image/png;base64,') == 4
    assert 'alt="The drawing, stage 4: 28 x 28"' in html


def test_the_film_of_an_empty_canvas_has_the_same_frames_without_pictures() -> None:
    empty, drawn = (film_html(classify(SURE, ink).prepared) for ink in (np.zeros_like(LINE), LINE))
    for part in ("<figure>", "<figcaption>20 x 20</figcaption>", '<div class="frame">'):
        assert empty.count(part) == drawn.count(part) > 0
    assert "<img" not in empty
