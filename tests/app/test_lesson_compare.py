"""The lesson that compares runs, from the first press on Train to the eleventh run."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from streamlit.testing.v1 import AppTest

from mnist_core import BatchDone, EpochDone, TrainConfig, TrainingRun
from mnist_core.curves import MOST_POINTS
from mnist_core.recent_runs import MOST_RUNS
from mnist_core.runs import DONE, FAILED, RUNNING, WAITING
from mnist_core.snapshots import Snapshot
from mnist_core.training import build_seeded_model
from mnist_ui.lessons import compare, run_table
from mnist_ui.run_charts import COLOURS, SECONDS, STEPS, Line, accuracies_chart, losses_chart
from mnist_ui.visitor import SHIPPED, Drawing, Visitor

SMALL = TrainConfig(model="mlp", model_options={"hidden_sizes": [8]}, epochs=2)
INK = np.zeros((280, 280), np.uint8)
INK[40:240, 130:150] = 255


def add_run(visitor: Visitor, state: str = DONE, **changes: object) -> TrainingRun:
    """A run of two epochs as the visitor has it after its end, told by hand, with real weights."""
    run = TrainingRun(dataclasses.replace(SMALL, **changes))
    model = build_seeded_model(run.config)
    for epoch in (0, 1, 2):
        with torch.no_grad():
            model.output.bias[epoch] += 50  # so that the answer tells the epoch: 0, 1 or 2
        if epoch:
            for batch in range(1, 11):
                run._take_in([BatchDone(epoch, batch, 10, 1 / batch, 1.0, 0.5, 10 * batch, 0.1, 0.2 * batch)])
            run._take_in(
                [EpochDone(epoch, 2, 10 * epoch, 0.5, 0.5, 0.4, 0.9 + epoch / 100, 0.1, 2.0, 0.5, 100.0, False)]
            )
        run._keep(Snapshot(10 * epoch, save_safetensors(model.state_dict()), epoch))
        with torch.no_grad():
            model.output.bias[epoch] -= 50
    run.state = state
    visitor.run = run
    visitor.recent_runs.add(run)
    return run


@pytest.fixture
def visitor() -> Visitor:
    return Visitor(drawing=Drawing(INK))


def show(visitor: Visitor) -> AppTest:
    """The lesson alone."""

    def panel() -> None:
        import streamlit as st

        from mnist_ui.lessons import compare

        compare.show(st.session_state["visitor"])

    page = AppTest.from_function(panel, default_timeout=60)
    page.session_state["visitor"] = visitor
    page.run()
    assert not page.exception
    return page


def words(page: AppTest) -> str:
    return " ".join(element.value for element in (*page.text, *page.caption, *page.markdown, *page.info))


def test_without_a_run_the_lesson_says_what_to_do(visitor) -> None:
    page = show(visitor)
    assert "Press **Train**" in page.info[0].value
    assert not page.dataframe


def test_a_run_that_was_trained_on_the_page_is_there(page: AppTest, wait_until) -> None:
    page.session_state["setting_train_images"] = 500
    page.session_state["panel"] = "compare"
    page.run()
    page.button(key="train").click().run()
    visitor = page.session_state["visitor"]
    wait_until(lambda: visitor.run.is_over)
    page.run()
    assert not page.exception
    assert [one.run for one in visitor.recent_runs] == [visitor.run]
    table = page.dataframe[-1].value
    assert table["Run"].tolist() == ["━━ FastCNN, run 1"]
    assert table["State"].tolist() == ["done (the present run)"]
    best = 100 * visitor.run.epochs[-1].test_accuracy
    assert table["Best test accuracy in %"].tolist() == [f"{best:.2f}"]


def test_the_table_shows_what_differs_and_all_when_asked(visitor) -> None:
    add_run(visitor)
    add_run(visitor, learning_rate=0.5)
    page = show(visitor)
    table = page.dataframe[0].value
    assert table["Run"].tolist() == ["━━ MLP, run 2", "━━ MLP, run 1"]
    assert table["Learning rate"].tolist() == ["0.5", "0.03"]
    assert "Optimizer" not in table
    assert "Marked" in words(page)
    page.toggle(key="compare_all_settings").set_value(True).run()
    table = page.dataframe[0].value
    assert table["Optimizer"].tolist() == ["adamw", "adamw"]
    assert table["Training images"].tolist() == ["all", "all"]
    assert table["Augmentation"].tolist() == ["no", "no"]


def test_every_setting_has_a_name() -> None:
    every = {name for model in ("mlp", "mlp_sequential", "cnn", "fast_cnn", "deep_cnn") for name in _settings(model)}
    assert every == run_table.SETTING_NAMES.keys()


def _settings(model: str) -> list[str]:
    return list(run_table.settings_of(TrainConfig(model=model)))


def test_a_setting_that_a_model_lacks_is_a_dash(visitor) -> None:
    add_run(visitor)
    visitor.recent_runs.add(TrainingRun(TrainConfig(model="cnn")))
    table = show(visitor).dataframe[0].value
    assert table["Hidden layers"].tolist() == ["–", "8"]
    assert table["Channels"].tolist() == ["16, 32", "–"]


def test_each_reads_the_drawing(visitor) -> None:
    add_run(visitor)
    add_run(visitor)
    readings = show(visitor).dataframe[1].value
    assert readings["Answer"].tolist() == ["a 2", "a 2"]  # as after the last epoch
    assert readings["Confidence"].tolist() == ["> 99 %", "> 99 %"]


def test_of_a_run_without_weights_it_says_why_there_are_none(visitor) -> None:
    add_run(visitor)
    for state in (FAILED, WAITING):
        run = TrainingRun(SMALL)
        run.state = state
        visitor.recent_runs.add(run)
    while visitor.recent_runs.find(1).summary.snapshots:
        visitor.recent_runs.find(1).shrink()
    answers = show(visitor).dataframe[1].value["Answer"].tolist()
    assert answers == ["Starting ...", "No step was made.", "its weights were too large to keep"]


def test_without_a_drawing_it_says_so(visitor) -> None:
    add_run(visitor)
    visitor.drawing = Drawing(np.zeros_like(INK))
    page = show(visitor)
    assert len(page.dataframe) == 1
    assert "Draw a digit" in words(page)


def test_a_run_is_rewound_epoch_by_epoch(visitor) -> None:
    add_run(visitor)
    page = show(visitor)
    slider = page.select_slider[0]
    assert slider.options == ["epoch 0", "epoch 1", "epoch 2"]
    assert slider.value == 20
    assert "It's a 2" in page.html[-1].value
    assert "92.00 %" in words(page)
    slider.set_value(10).run()
    assert "It's a 1" in page.html[-1].value
    assert "91.00 %" in words(page)
    page.select_slider[0].set_value(0).run()
    assert "It's a 0" in page.html[-1].value
    assert "random" in words(page)
    page.run()
    assert page.select_slider[0].value == 0  # whoever has turned back stays there


def test_answers_are_remembered_until_the_drawing_changes(visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    add_run(visitor)
    asked = []
    classify = compare.classify
    monkeypatch.setattr(compare, "classify", lambda *given: asked.append(given) or classify(*given))
    page = show(visitor)
    page.run()
    assert len(asked) == 1
    visitor.drawing = Drawing(INK.T.copy())
    page.run()
    assert len(asked) == 2
    assert len(visitor.notes["compare"]["answers"]) == 1


def test_runs_are_renamed_and_removed(visitor) -> None:
    add_run(visitor)
    add_run(visitor)
    page = show(visitor)
    page.text_input[0].set_value("=<b>mine</b>").run()
    assert page.dataframe[0].value["Run"].tolist() == ["━━ =<b>mine</b>", "━━ MLP, run 1"]
    assert not any("<b>mine" in html.value for html in page.html)
    assert not any("<b>mine" in element.value for element in (*page.markdown, *page.caption))
    assert page.selectbox[0].options == ["=<b>mine</b>", "MLP, run 1"]
    page.selectbox[0].set_value(1).run()
    page.text_input[0].set_value("first").run()
    assert page.selectbox[0].value == 1  # a renamed run stays chosen
    page.selectbox[0].set_value(2).run()
    page.text_input[0].set_value("").run()
    assert page.text_input[0].value == "MLP, run 2"
    page.button(key="compare_remove").click().run()
    assert not page.exception
    assert [one.number for one in visitor.recent_runs] == [1]
    assert visitor.run is None  # it was the present one
    assert visitor.answered_by == SHIPPED
    page.button(key="compare_remove").click().run()
    assert "Press **Train**" in page.info[0].value


def test_two_runs_of_one_name_are_told_apart(visitor) -> None:
    add_run(visitor)
    add_run(visitor)
    for number in (1, 2):
        visitor.recent_runs.rename(number, "mine")
    assert show(visitor).dataframe[0].value["Run"].tolist() == ["━━ 2. mine", "━━ 1. mine"]


def test_a_run_that_is_going_on_cannot_be_removed(visitor) -> None:
    add_run(visitor, state=RUNNING)
    page = show(visitor)
    assert page.button(key="compare_remove").disabled
    assert "stopped first" in page.button(key="compare_remove").help


def test_the_run_before_keeps_little_when_the_next_one_starts(visitor) -> None:
    first = add_run(visitor)
    add_run(visitor)
    one = visitor.recent_runs.find(1)
    assert one.run is None
    assert visitor.run is not first
    assert "a 2" in show(visitor).dataframe[1].value["Answer"].tolist()


def test_different_losses_are_not_compared_by_height(visitor) -> None:
    add_run(visitor)
    assert "cannot be compared" not in words(show(visitor))
    add_run(visitor, loss="mse")
    assert "cannot be compared" in words(show(visitor))


@pytest.mark.parametrize("along", [STEPS, SECONDS])
def test_ten_runs_are_drawn_from_few_points_in_ten_looks(visitor, along) -> None:
    for _ in range(MOST_RUNS):
        add_run(visitor)
    lines = [Line(f"run {one.number}", one.colour, one.summary) for one in visitor.recent_runs]
    for chart in (accuracies_chart(lines, along), losses_chart(lines, along)):
        assert len(chart.points) <= MOST_POINTS
        assert set(chart.points["run"]) == {line.name for line in lines}
    scales = losses_chart(lines, along).specification["layer"][0]["encoding"]
    assert scales["color"]["scale"]["range"] == list(COLOURS)
    assert len(set(COLOURS)) == MOST_RUNS
    assert len({json.dumps(dash) for dash in scales["strokeDash"]["scale"]["range"]}) == 2


def test_curves_go_over_steps_or_seconds(visitor) -> None:
    add_run(visitor)
    lines = [Line("one", 0, one.summary) for one in visitor.recent_runs]
    assert accuracies_chart(lines, STEPS).points[["x", "y"]].values.tolist() == [[10, 91], [20, 92]]
    assert accuracies_chart(lines, SECONDS).points["x"].tolist() == [2, 4]
    assert losses_chart(lines, SECONDS).points["x"].iloc[-1] == pytest.approx(4)


def test_a_run_without_an_epoch_is_drawn(visitor) -> None:
    visitor.recent_runs.add(TrainingRun(SMALL))
    page = show(visitor)
    assert "The test accuracy comes" in words(page)


@pytest.mark.parametrize("names", [("x", "x", "2. x"), ("x", "x", "y"), ("1. x", "x", "x")])
def test_no_two_runs_are_called_the_same(visitor, names) -> None:
    for name in names:
        add_run(visitor)
        list(visitor.recent_runs)[-1].name = name
    labels = run_table.labels_of(list(visitor.recent_runs))
    assert list(labels) == [1, 2, 3]
    assert len(set(labels.values())) == 3
    assert all(label.endswith(name) for label, name in zip(labels.values(), names, strict=True))
