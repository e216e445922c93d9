"""The lesson in which loops are broken."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_core.lessons.comparisons import BROKEN, RIGHT, Measured
from mnist_core.lessons.experiments import EXPERIMENTS, SILENT_MISTAKES
from mnist_core.lessons.loud_mistakes import LOUD_MISTAKES, meet
from mnist_core.runs import DONE, FAILED, STOPPED
from mnist_ui.lessons.break_charts import MOST_POINTS, RUNAWAY, curve_points, curves_chart, diff_html, highest, lowest
from mnist_ui.visitor import Drawing


@pytest.fixture
def lesson(page: AppTest) -> AppTest:
    page.session_state["panel"] = "break"
    page.run()
    assert not page.exception
    return page


def choose(page: AppTest, name: str) -> None:
    page.selectbox(key="en_break_experiment").select(name).run()
    assert not page.exception


def guess(page: AppTest, name: str, outcome: str) -> None:
    page.radio(key=f"break_guess_{name}").set_value(outcome).run()
    page.button(key="break_try").click().run()
    assert not page.exception


def run_to_its_end(page: AppTest, wait_until: Callable[[Callable[[], object]], None]) -> None:
    wait_until(lambda: page.session_state["visitor"].experiment.is_over)
    page.run()
    assert not page.exception


def texts(page: AppTest) -> str:
    return "\n".join(one.value for one in (*page.markdown, *page.success, *page.info, *page.error, *page.caption))


def test_every_mistake_can_be_chosen_and_shows_its_diff_and_its_question(lesson) -> None:
    assert lesson.selectbox(key="en_break_experiment").options[0] == "In the step: step before backward"
    assert len(lesson.selectbox(key="en_break_experiment").options) == len(EXPERIMENTS)
    for name, experiment in EXPERIMENTS.items():
        choose(lesson, name)
        assert str(experiment.mistake) in texts(lesson)
        assert len(lesson.radio(key=f"break_guess_{name}").options) in (3, 4)
        assert lesson.button(key="break_try").disabled


def test_a_guess_starts_both_runs_and_the_end_says_what_was_measured(lesson, wait_until) -> None:
    guess(lesson, "stepped_before_backward", "worse")
    visitor = lesson.session_state["visitor"]
    assert visitor.experiment.name == "stepped_before_backward"
    run_to_its_end(lesson, wait_until)
    assert visitor.experiment.state == DONE
    assert lesson.info[-1].value == "You guessed: It learns, but worse.\n\nWhat happened: It learns nothing."
    found = visitor.experiment.findings
    assert f"{100 * found['right_accuracy']:.1f} % of the test images read" in texts(lesson)
    assert f"{found['broken_loss']:.2f} at the end" in texts(lesson)
    assert "{" not in texts(lesson)
    assert not visitor.is_experimenting


def test_it_can_be_run_again_with_another_seed_and_the_guess_stands(lesson, wait_until) -> None:
    guess(lesson, "stepped_before_backward", "nothing")
    run_to_its_end(lesson, wait_until)
    assert lesson.success[-1].value == "You guessed right: It learns nothing."
    first = lesson.session_state["visitor"].experiment
    lesson.button(key="break_again").click().run()
    second = lesson.session_state["visitor"].experiment
    assert (first.seed, second.seed) == (0, 1)
    run_to_its_end(lesson, wait_until)
    assert second.findings["right_first_loss"] != first.findings["right_first_loss"]
    assert lesson.success[-1].value == "You guessed right: It learns nothing."


def test_while_it_runs_it_can_be_stopped_and_then_claims_nothing(lesson, wait_until) -> None:
    choose(lesson, "evaluated_on_training_images")
    guess(lesson, "evaluated_on_training_images", "too good")
    lesson.button(key="break_stop").click().run()
    run = lesson.session_state["visitor"].experiment
    wait_until(lambda: run.is_over)
    run.state = STOPPED  # the machine may have been faster than the hand
    lesson.run()
    assert "nothing is claimed" in texts(lesson)
    assert not lesson.success


def test_why_a_run_failed_is_said(lesson, wait_until) -> None:
    guess(lesson, "stepped_before_backward", "nothing")
    run = lesson.session_state["visitor"].experiment
    run.stop()
    run.state, run.error = FAILED, "There is not enough memory."
    lesson.run()
    assert lesson.error[-1].value == "There is not enough memory."


def test_choosing_another_mistake_ends_the_run(lesson) -> None:
    guess(lesson, "stepped_before_backward", "nothing")
    run = lesson.session_state["visitor"].experiment
    choose(lesson, "forgot_backward")
    assert run.is_over
    assert lesson.session_state["visitor"].experiment is None
    assert lesson.radio(key="break_guess_forgot_backward").value is None


def test_after_another_lesson_the_same_mistake_is_shown_with_its_end(lesson, wait_until) -> None:
    choose(lesson, "forgot_no_grad")
    guess(lesson, "forgot_no_grad", "grows")
    lesson.session_state["panel"] = None
    lesson.run()
    lesson.session_state["panel"] = "break"
    run_to_its_end(lesson, wait_until)
    assert lesson.selectbox(key="en_break_experiment").value == "forgot_no_grad"
    assert lesson.success[-1].value == "You guessed right: It grows with every batch."


def test_a_mistake_that_is_none_gives_way_to_the_first(page) -> None:
    page.session_state["panel"] = "break"
    page.session_state["break_experiment"] = "no such mistake"
    page.run()
    assert not page.exception
    assert page.selectbox(key="en_break_experiment").value == next(iter(EXPERIMENTS))


def test_what_is_read_is_the_visitor_s_drawing_or_a_test_digit(lesson, draw_ink) -> None:
    visitor = lesson.session_state["visitor"]
    name = "forgot_eval_with_dropout"
    choose(lesson, name)
    guess(lesson, name, "jitters")
    of_mnist = visitor.experiment.picture
    choose(lesson, "forgot_backward")
    visitor.draw(Drawing(draw_ink, ({"type": "path"},), b"a line"))
    choose(lesson, name)
    guess(lesson, name, "jitters")
    assert visitor.experiment.picture.shape == of_mnist.shape == (28, 28)
    assert visitor.experiment.picture.max() <= 1
    assert not np.array_equal(visitor.experiment.picture, of_mnist)


@pytest.fixture
def draw_ink() -> np.ndarray:
    """A vertical line."""
    ink = np.zeros((280, 280), np.uint8)
    ink[40:240, 130:150] = 255
    return ink


@pytest.mark.parametrize("name", LOUD_MISTAKES)
def test_a_loud_mistake_shows_the_real_error_and_what_it_says(name, lesson) -> None:
    choose(lesson, name)
    guess(lesson, name, "TypeError")
    error = meet(LOUD_MISTAKES[name].broken)
    assert lesson.code[-1].value == f"{type(error).__name__}: {error}"
    assert lesson.info[-1].value == f"You guessed: TypeError\n\nWhat happened: {type(error).__name__}"
    assert str(LOUD_MISTAKES[name].explanation) in texts(lesson)
    assert "has just run through" in texts(lesson)


# --- diff and curves


def test_the_diff_marks_lines_with_more_than_a_colour_and_escapes_them() -> None:
    experiment = SILENT_MISTAKES["forgot_zero_grad"]
    html = diff_html(experiment.right, experiment.broken)
    assert '<span class="line removed">−     optimizer.zero_grad()</span>' in html
    assert '<span class="line added">+ def forgot_zero_grad(</span>' in html
    assert ") -&gt; tuple[Tensor, Tensor]:" in html
    assert html.count('class="line ') == 3


def points(*values: float, side: str = RIGHT) -> list[Measured]:
    return [Measured(side, step, len(values), value) for step, value in enumerate(values, start=1)]


def test_a_runaway_curve_leaves_the_chart_at_the_top() -> None:
    curves = {RIGHT: points(2.0, 1.0), BROKEN: points(2.0, 3.0, math.inf, side=BROKEN)}
    assert highest(curves) == pytest.approx(3.3)
    curves[BROKEN] = points(2.0, 1e9, math.nan, side=BROKEN)
    assert highest(curves) == pytest.approx(1.1 * RUNAWAY * 2)
    table = curve_points(curves[BROKEN], "broken", False, False, 5.5)
    assert table["height"].tolist() == [2.0, 5.5, 5.5]
    assert table["value"].tolist() == ["2", "1e+09", "nan"]


def test_without_anything_from_the_right_side_the_broken_one_is_shown_whole() -> None:
    assert highest({RIGHT: points(0.0, 0.0), BROKEN: points(1.0, 54.0)}) == 60  # 59.4 rounded up
    assert highest({RIGHT: [], BROKEN: []}) == 1


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    table = curve_points(points(*range(1, 1001)), "right", False, False, 2000)
    assert len(table) == MOST_POINTS
    assert (table["step"].iloc[0], table["step"].iloc[-1]) == (1, 1000)


def test_shares_are_drawn_in_percent_from_the_tenth_below_the_lowest() -> None:
    assert lowest({RIGHT: points(0.91), BROKEN: points(0.58, 0.95)}) == 50
    assert lowest({RIGHT: [], BROKEN: []}) == 0
    assert curve_points(points(0.58), "right", True, False, 100)["height"].tolist() == pytest.approx([58])


@pytest.mark.parametrize("curves", [{RIGHT: [], BROKEN: []}, {RIGHT: points(1.0, 2.0)[:1], BROKEN: []}])
def test_a_chart_can_be_drawn_before_there_is_a_curve(curves) -> None:
    chart = curves_chart(curves, "step", "loss", of_shares=False, noisy=True, zoomed=False)
    assert chart.specification["layer"][0]["encoding"]["x"]["scale"]["domain"] == [1, 2]


def test_a_tick_makes_no_new_specification() -> None:
    first, second = ({RIGHT: points(2.0, 1.0)[:count], BROKEN: points(2.0, 1.5)[:count]} for count in (1, 2))
    charts = [curves_chart(curves, "step", "loss", False, True, False) for curves in (first, second)]
    assert charts[0].specification is charts[1].specification
    assert len(charts[0].points) < len(charts[1].points)
