"""The training panel in every state of a run, told by hand."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from mnist_core import BatchDone, EpochDone, TrainConfig, TrainingRun
from mnist_core.runs import DONE, FAILED, PAUSED, RUNNING, STOPPED
from mnist_ui.progress import duration, progress_words, summary
from mnist_ui.visitor import Visitor


def batch(epoch: int, number: int, batches: int = 10, seconds: float = 0.0) -> BatchDone:
    return BatchDone(
        epoch=epoch, batch=number, batches=batches, loss=2.0 / number, running_loss=1.0, running_accuracy=0.5,
        images=100 * number, learning_rate=0.1, seconds=seconds or 0.5 * number,
    )  # fmt: skip


def batches(epoch: int, count: int) -> list[BatchDone]:
    return [batch(epoch, number) for number in range(1, count + 1)]


def epoch(number: int, accuracy: float | None = 0.9, stalled: bool = False) -> EpochDone:
    return EpochDone(
        epoch=number, epochs=2, step=10 * number, train_loss=0.5 / number, train_accuracy=0.9,
        test_loss=None if accuracy is None else 0.4, test_accuracy=accuracy, learning_rate=0.1, seconds=5.0,
        test_seconds=1.0, images_per_second=200.0, stalled=stalled,
    )  # fmt: skip


def make_run(state: str, *history: BatchDone | EpochDone, error: str | None = None) -> TrainingRun:
    run = TrainingRun(TrainConfig(epochs=2))
    run._take_in(history)
    run.state, run.error = state, error
    return run


def show(run: TrainingRun | None) -> AppTest:
    """The panel alone, with this run."""

    def panel() -> None:
        import streamlit as st

        from mnist_ui import progress

        progress.show_progress(st.session_state["visitor"])

    page = AppTest.from_function(panel, default_timeout=60)
    page.session_state["visitor"] = Visitor(run=run, drawn_following="run" if run and not run.is_over else "")
    page.run()
    assert not page.exception
    return page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (5.6, "6 s"), (59.4, "59 s"), (59.6, "1 min"), (125, "2 min 5 s"), (3600, "60 min")],
)
def test_durations_in_words(seconds, words) -> None:
    assert duration(seconds) == words


def test_where_a_run_is_in_words() -> None:
    assert progress_words(make_run(RUNNING)) == "Starting ..."
    assert progress_words(make_run(STOPPED)) == "No step was made."
    # 400 images in 2 s; 16 of 20 steps are left, half a second each.
    assert progress_words(make_run(RUNNING, batch(1, 4))) == "epoch 1 of 2, step 4, 200 images/s, 8 s left"
    assert progress_words(make_run(PAUSED, batch(1, 4))) == "epoch 1 of 2, step 4, 200 images/s, paused"
    # The second epoch: 6 steps of half a second, and a test as long as the first.
    assert progress_words(make_run(RUNNING, epoch(1), batch(2, 4))) == "epoch 2 of 2, step 14, 200 images/s, 4 s left"
    assert progress_words(make_run(DONE, epoch(1), batch(2, 10), epoch(2))) == "epoch 2 of 2, step 20, 200 images/s"


def test_what_came_of_a_run_in_words() -> None:
    assert summary(make_run(DONE)) == ""
    assert summary(make_run(DONE, epoch(1, accuracy=None))) == ""
    expected = "It reads 98.76 % of the test images after 12 s."
    assert summary(make_run(DONE, epoch(1), epoch(2, accuracy=0.9876))) == expected


def test_before_the_first_run_the_panel_says_what_to_do() -> None:
    page = show(None)
    assert [one.label for one in page.button] == ["Train"]
    assert "Press **Train**" in page.info[0].value


def test_before_the_first_batch_nothing_is_claimed() -> None:
    page = show(make_run(RUNNING))
    assert page.get("progress")[0].proto.text == "Starting ..."
    assert page.get("progress")[0].proto.value == 0
    assert not page.dataframe


def test_in_mid_run_there_are_bar_curves_and_a_row_for_each_epoch() -> None:
    page = show(make_run(RUNNING, *batches(1, 10), epoch(1), *batches(2, 5)))
    assert page.get("progress")[0].proto.value == 75
    assert [one.value for one in page.caption] == [
        "Loss 2.00 at first, 0.400 now (thin: each batch; thick: smoothed).",
        "Accuracy 50.0 % on training images, 90.00 % on test images.",
    ]
    assert len(page.get("arrow_vega_lite_chart") or page.get("vega_lite_chart")) == 2
    assert page.dataframe[0].value["Epoch"].tolist() == [1]
    assert [one.label for one in page.button] == ["Pause", "Stop training"]


def test_the_newest_epoch_stands_on_top() -> None:
    page = show(make_run(DONE, batch(1, 10), epoch(1), batch(2, 10), epoch(2)))
    assert page.dataframe[0].value["Epoch"].tolist() == [2, 1]
    assert all(page.dataframe[0].value["What this says"])


def test_a_run_without_test_images_has_no_test_numbers() -> None:
    page = show(make_run(DONE, batch(1, 10), epoch(1, accuracy=None)))
    assert page.caption[1].value == "Accuracy 50.0 % on training images."
    assert page.dataframe[0].value["Test accuracy in %"].isna().all()


def test_a_run_that_stands_still_says_so() -> None:
    page = show(make_run(RUNNING, batch(1, 10), epoch(1), batch(2, 10), epoch(2, stalled=True)))
    assert page.info[0].value == "The test accuracy stands still: you may stop here."


def test_a_failed_run_shows_its_error_and_what_there_is() -> None:
    page = show(make_run(FAILED, batch(1, 4), error="The loss is no longer a number."))
    assert page.error[0].value == "The loss is no longer a number."
    assert page.get("progress")[0].proto.text == "epoch 1 of 2, step 4, 200 images/s"
    assert [one.label for one in page.button] == ["Train again"]


@pytest.mark.parametrize("state", [RUNNING, STOPPED, DONE, FAILED])
def test_a_single_batch_is_enough_to_draw(state) -> None:
    show(make_run(state, batch(1, 1)))
