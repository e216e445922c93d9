"""The lesson that shows a run as one script."""

from __future__ import annotations

import inspect

import pytest
from streamlit.testing.v1 import AppTest

from mnist_core import RECIPES, TrainConfig, TrainingRun, train_step
from mnist_core.lessons.export import export_script
from mnist_core.training import evaluate, train_epoch
from mnist_core.worker import training_threads
from mnist_ui.lessons.code import promise
from mnist_ui.visitor import Visitor


@pytest.fixture
def lesson(page: AppTest) -> AppTest:
    page.session_state["panel"] = "code"
    page.run()
    assert not page.exception
    return page


def script_of(page: AppTest):
    """The choice whose script is shown."""
    return next(box for box in page.selectbox if box.label == "Script of")


def codes(page: AppTest) -> list[str]:
    return [code.value for code in page.code]


def test_the_seven_phases_have_headings_and_the_real_source(lesson) -> None:
    headings = [element.value for element in lesson.markdown if element.value.startswith("#### ")]
    assert headings == [
        "#### Settings", "#### 1. Data", "#### 2. Model", "#### 3. Loss", "#### 4. Optimizer", "#### 5. Train loop",
        "#### 6. Evaluation", "#### 7. Saving and loading",
    ]  # fmt: skip
    assert any(inspect.getsource(train_step).strip() in code for code in codes(lesson))
    for function in (train_epoch, evaluate):  # as the project itself does it
        assert inspect.getsource(function).strip() in codes(lesson)


def test_the_whole_script_follows_the_sidebar(lesson) -> None:
    lesson.segmented_control(key="code_view").set_value("whole").run()
    assert codes(lesson) == [export_script(RECIPES["fast"], training_threads()).strip()]
    lesson.session_state["setting_epochs"] = 7
    lesson.run()
    assert "EPOCHS = 7" in codes(lesson)[0]
    assert lesson.get("download_button")


def test_the_script_of_a_run_of_the_visitor_s_can_be_chosen(lesson) -> None:
    visitor: Visitor = lesson.session_state["visitor"]
    visitor.recent_runs.add(TrainingRun(TrainConfig(model="cnn", epochs=5)))
    lesson.run()
    script_of(lesson).set_value(1).run()
    assert any("class CNN(nn.Module)" in code for code in codes(lesson))
    visitor.recent_runs.find(1).condense()
    visitor.recent_runs.remove(1)
    lesson.run()
    assert not lesson.exception
    assert script_of(lesson).value == 0
    assert any("class FastCNN(nn.Module)" in code for code in codes(lesson))


def test_what_is_promised_depends_on_the_precision() -> None:
    exact = promise(TrainConfig(precision="float32", device="cpu"), "a\nb")
    assert exact.startswith("2 lines.")
    assert "hundredth" not in exact
    assert "hundredth" in promise(TrainConfig(), "a")
