"""The lesson on layers, without a browser."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from time import monotonic

import numpy as np
import pytest
from opened_lesson import captions, open_lesson, seven
from streamlit.testing.v1 import AppTest
from torch import nn

from mnist_core import MODELS, TrainingRun, build_model, load_model
from mnist_core.config import TrainConfig
from mnist_core.models import count_parameters
from mnist_ui.heat import ABOVE, BELOW, heat, heat_over
from mnist_ui.lessons.subject import Finding, keep_up
from mnist_ui.network import Network
from mnist_ui.visitor import MINE, SHIPPED, Visitor

TRAINED = [TrainConfig(model=name) for name in MODELS] + [
    TrainConfig(model="mlp", model_options={"hidden_sizes": (20, 10)}),
    TrainConfig(model="deep_cnn", model_options={"refuses": True}),
    TrainConfig(model="fast_cnn", colour=True),
]


def flow(page: AppTest) -> list[list[str]]:
    """The cells of the overview, as text."""
    table = next(one.proto.body for one in page.main.get("html") if 'class="flow"' in one.proto.body)
    rows = re.findall("<tr>(.*?)</tr>", table.split("<tbody>")[1])
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall("<td.*?</td>", row)] for row in rows]


def pictures(page: AppTest) -> list[str]:
    """The words of all pictures of the lesson."""
    html = "".join(one.proto.body for one in page.main.get("html"))
    return [words for words in re.findall(r'alt="([^"]*)"', html) if not words.startswith("The drawing, stage")]


def test_before_anything_is_drawn_the_shapes_are_there_and_a_word_on_what_to_do(page) -> None:
    open_lesson(page, "layers", None)
    assert "Draw a digit, or press **Example**" in page.main.info[-1].value
    rows = flow(page)
    assert rows[0][2:4] == ["1 × 28 × 28", "64 × 1 × 28 × 28"]
    assert rows[-1][2:4] == ["10", "64 × 10"]
    assert not pictures(page)


def test_the_overview_tells_of_each_layer_what_it_makes_and_what_it_costs(page) -> None:
    open_lesson(page, "layers", seven())
    rows = flow(page)
    model = load_model()
    numbers = [[int(cell.replace(",", "") or 0) for cell in row[4:6]] for row in rows]
    assert sum(parameters for parameters, _ in numbers) == count_parameters(model)
    assert f"{sum(sums for _, sums in numbers):,} multiply-adds for one drawing." in captions(page)
    assert [row[6] for row in rows][-3:] == ["7"] * 3
    assert {row[1] for row in rows} >= {"input ", "features.0.0 Conv2d", "flatten Flatten", "output Linear"}
    assert all(row[7].endswith(" %") for row in rows)
    assert "What features.0.0 makes of the drawing" in pictures(page)


def test_from_the_overview_into_a_layer_and_into_a_channel(page) -> None:
    open_lesson(page, "layers", seven())
    layer = next(one for one in page.main.selectbox if one.label == "Look into a layer")
    assert layer.options[layer.value] == "features.0.0 Conv2d"
    assert "32 channels of 14 × 14" in captions(page)
    assert "Its filters, one for each channel: 32 of 5 × 5 weights." in captions(page)
    channel = next(one for one in page.main.number_input if one.key.startswith("layers_channel"))
    channel.set_value(31).run()
    assert "Channel 31: from " in captions(page)
    assert "Its filter: 25 weights from " in captions(page)
    layer = next(one for one in page.main.selectbox if one.label == "Look into a layer")
    for at in layer.options:
        next(one for one in page.main.selectbox if one.label == "Look into a layer").select(at).run()
        assert not page.exception
    assert "What it makes of your drawing: 10 numbers." in captions(page)
    assert "Output 0: " in captions(page)


def test_a_call_and_its_forward_are_counted_on_the_spot(page) -> None:
    open_lesson(page, "layers", seven())
    code = page.main.code[0].value
    leaves = sum(not any(module.children()) for module in load_model().modules())
    assert f"model(x)          # its hook ran: 1, hooks of its layers: {leaves}" in code
    assert f"model.forward(x)  # its hook ran: 0, hooks of its layers: {leaves}" in code
    assert "(largest difference: 0)" in captions(page)


@pytest.mark.parametrize("config", TRAINED, ids=lambda config: config.model)
def test_both_lessons_look_into_every_network_that_can_be_trained_here(page, config, wait_until) -> None:
    visitor = page.session_state["visitor"]
    visitor.run = TrainingRun(replace(config, train_images=100, device="cpu"))
    visitor.run.start()
    visitor.answered_by = MINE
    wait_until(lambda: visitor.run.is_over)
    open_lesson(page, "layers", seven())
    rows = flow(page)
    assert rows[0][3] == ("64 × 3 × 32 × 32" if config.colour else "64 × 1 × 28 × 28")
    assert rows[-1][3] == "64 × 10"
    total = sum(int(row[4].replace(",", "") or 0) for row in rows)
    assert total == count_parameters(build_model(config.model, **config.model_options))
    assert "My network after 1 step." in captions(page)
    assert "Both are of step 1." in captions(page)
    open_lesson(page, "why", seven())
    assert "My network after 1 step." in captions(page)
    assert any(re.match(r"\*\*Why \d\?\*\*", one.value) for one in page.main.markdown)


def test_of_several_digits_the_first_is_looked_at(page) -> None:
    both = np.zeros((280, 280), np.uint8)
    both[:, :140] = seven()[:, 70:210]
    both[40:240, 200:216] = 255
    for lesson in ("layers", "why"):
        open_lesson(page, lesson, both)
        assert "Of your digits this is the first." in captions(page)
        open_lesson(page, lesson, seven())
        assert "Of your digits this is the first." not in captions(page)


class TestKeepingUpWithARun:
    """How heavy work follows a run: it is renewed, but takes a twentieth of the time at most."""

    def keep_up(self, visitor: Visitor, model: nn.Module, step: int, subject: object = None) -> Finding:
        asked = Network(MINE, step, model)
        return keep_up(visitor, "lesson", subject, asked, lambda model: id(model), nullcontext())

    @pytest.fixture
    def visitor(self) -> Visitor:
        return Visitor(run=TrainingRun(TrainConfig()), answered_by=MINE)  # not over, so it is going on

    @pytest.fixture
    def models(self) -> list[nn.Module]:
        return [build_model("mlp"), build_model("mlp")]

    def test_newer_weights_wait_for_their_turn(self, visitor, models) -> None:
        first = self.keep_up(visitor, models[0], 1)
        now = monotonic()
        visitor.notes["lesson"] = Finding(first.subject, first.network, first.result, seconds=60, found_at=now)
        assert self.keep_up(visitor, models[1], 2).network.step == 1
        visitor.notes["lesson"] = Finding(first.subject, first.network, first.result, seconds=60, found_at=now - 1201)
        renewed = self.keep_up(visitor, models[1], 2)
        assert (renewed.network.step, renewed.result) == (2, id(models[1]))

    def test_another_subject_or_another_run_does_not_wait(self, visitor, models) -> None:
        first = self.keep_up(visitor, models[0], 1)
        visitor.notes["lesson"] = Finding(first.subject, first.network, 0, seconds=60, found_at=monotonic())
        assert self.keep_up(visitor, models[0], 1, "another").result == id(models[0])
        visitor.run = TrainingRun(TrainConfig())
        assert self.keep_up(visitor, models[1], 1, "another").result == id(models[1])

    def test_when_the_run_is_over_its_last_weights_are_taken(self, visitor, models) -> None:
        first = self.keep_up(visitor, models[0], 1)
        visitor.notes["lesson"] = Finding(first.subject, first.network, 0, seconds=60, found_at=monotonic())
        visitor.run.stop()
        assert self.keep_up(visitor, models[1], 2).network.step == 2

    def test_what_is_known_is_not_asked_again(self, visitor, models) -> None:
        assert self.keep_up(visitor, models[0], 1) is self.keep_up(visitor, models[0], 1)


def test_numbers_as_colours() -> None:
    colours = heat(np.array([[0, 2, -2, 1.3, np.nan]], np.float32), 2.0)[0].tolist()
    assert colours == [
        [0, 0, 0, 255], [*ABOVE[-1], 255], [*BELOW[-1], 255], [*ABOVE[1], 255], [0, 0, 0, 0]
    ]  # fmt: skip
    over = heat_over(np.array([[1, 1, 0]], np.float32), np.array([[0, 2, 0]], np.float32), 2.0)[0]
    assert over[0, :3].tolist() == [76, 76, 76]
    assert over[1, :3].tolist() == list(ABOVE[-1])
    assert over[2, :3].tolist() == [0, 0, 0]


def test_a_network_says_which_it_is() -> None:
    assert Network(SHIPPED, 0, nn.Identity()).says() == "The shipped network."
    assert Network(MINE, 1204, nn.Identity()).says() == "My network after 1,204 steps."
