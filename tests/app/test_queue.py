"""A server with one place for runs, as several visitors see it, and what it allows of a run."""

from __future__ import annotations

import numpy as np
import pytest
from page_parts import button, choose, labels, settings, visitor_of, words

from mnist_core import RECIPES, TrainConfig, TrainingRun
from mnist_core.errors import TrainingError
from mnist_core.local_process import LocalProcess, not_started
from mnist_core.run_queue import Wait
from mnist_core.runs import RUNNING, STOPPED, WAITING
from mnist_ui.visitor import MINE, SHIPPED, Visitor, run_queue
from mnist_ui.visitors import Visitors
from mnist_ui.waiting import waiting_words, when


@pytest.fixture
def one_place(set_server) -> None:
    set_server(runs="1")


@pytest.fixture
def busy(open_page, one_place):
    """The page of somebody who trains for a long time."""
    page = choose(open_page(), epochs=1000, device="cpu")
    return button(page, "Train").click().run()


def test_the_second_waits_sees_its_place_and_gets_its_turn(busy, open_page, wait_until) -> None:
    page = choose(open_page(), epochs=1000, device="cpu")
    button(page, "Train").click().run()
    assert not page.exception
    waiting = visitor_of(page).waiting_run
    assert waiting.state == WAITING
    assert visitor_of(page).run is None
    assert "1 run is ahead of yours on this server." in words(page)
    assert "Train" not in labels(page)
    assert page.sidebar.button(key="train_sidebar").disabled
    third = choose(open_page(), device="cpu")
    button(third, "Train").click().run()
    assert "2 runs are ahead of yours on this server." in words(third)

    button(busy, "Stop training").click().run()
    wait_until(lambda: waiting.state == RUNNING)
    page.run()
    assert visitor_of(page).run is waiting
    assert visitor_of(page).waiting_run is None
    assert "Stop training" in labels(page)
    assert [one.run for one in visitor_of(page).recent_runs] == [waiting]


def test_who_leaves_the_queue_has_what_they_had_before(busy, open_page) -> None:
    page = open_page()
    button(page, "Train").click().run()
    waiting = visitor_of(page).waiting_run
    button(page, "Leave the queue").click().run()
    assert not page.exception
    assert waiting.state == STOPPED
    assert run_queue().ahead_of(waiting) is None
    assert (visitor_of(page).run, visitor_of(page).answered_by, len(visitor_of(page).recent_runs)) == (None, SHIPPED, 0)
    assert "Train" in labels(page)


def test_the_last_network_answers_while_the_next_run_waits(one_place, open_page, wait_until) -> None:
    page = choose(open_page(), train_images=200, device="cpu")
    button(page, "Train").click().run()
    first = visitor_of(page).run
    wait_until(lambda: first.is_over)
    other = choose(open_page(), epochs=1000, device="cpu")
    button(other, "Train").click().run()
    wait_until(lambda: visitor_of(other).run is not None)
    button(page.run(), "Train again").click().run()
    assert visitor_of(page).waiting_run is not None
    assert visitor_of(page).run is first
    assert "It reads" in words(page)
    assert visitor_of(page).answering_model()[:2] == ("mine", 2)


def test_who_stays_away_gives_up_their_place(busy, connected, set_server, open_page, wait_until) -> None:
    page = open_page()
    button(page, "Train").click().run()
    visitor = visitor_of(page)
    waiting = visitor.waiting_run
    visitor.session_id = "gone"
    connected.add(visitor_of(busy).session_id)
    queue = run_queue()
    set_server(grace_seconds="0.1")
    watching = Visitors()
    watching.welcome(visitor)
    wait_until(lambda: waiting.state == STOPPED)
    assert queue.ahead_of(waiting) is None
    page.run()
    assert "its place in the queue is gone. Press Train again." in "\n".join(one.value for one in page.main.warning)
    assert "Train" in labels(page)


def test_an_experiment_waits_for_its_visitor_s_own_training(busy) -> None:
    visitor = visitor_of(busy)
    visitor.notes["break"] = {"name": "forgot_backward", "guess": "stands_still"}
    busy.session_state["panel"] = "break"
    busy.session_state["break_experiment"] = "forgot_backward"
    visitor.try_out("forgot_backward", np.zeros((28, 28), np.float32), 0)
    busy.run()
    assert visitor.experiment.state == WAITING
    visitor.end_experiment()


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (None, "When yours begins cannot be told yet."),
        (Wait(0.0), "Yours begins in a few seconds."),
        (Wait(4.9), "Yours begins in a few seconds."),
        (Wait(12.0), "Yours begins in about 10 s."),
        (Wait(64.0), "Yours begins in about 1 min 5 s."),
        (Wait(130.0), "Yours begins in about 2 min."),
        (Wait(170.0, at_most=True), "Yours begins in 3 min at the latest."),
    ],
)
def test_times_are_told_as_roughly_as_they_are_known(wait, words) -> None:
    assert when(wait) == words


def test_a_public_server_offers_what_it_allows(set_server, open_page) -> None:
    set_server(public="1")
    page = open_page()
    assert "On this server at most 10 epochs, 500,000 parameters, 3 min a run." in [
        one.value for one in page.sidebar.caption
    ]
    epochs = page.sidebar.number_input(key="setting_epochs")
    assert (epochs.min, epochs.max) == (1, 10)
    choose(page, recipe="best")
    assert not page.exception
    assert {name: settings(page)[name] for name in ("epochs", "made_digits", "non_digits")} == {
        "epochs": 10, "made_digits": 5000, "non_digits": 5000,
    }  # fmt: skip
    assert visitor_of(page).may_train


def test_a_server_of_one_s_own_says_nothing_of_limits(page) -> None:
    assert not [one.value for one in page.sidebar.caption if one.value.startswith("On this server")]
    assert page.sidebar.number_input(key="setting_epochs").max == 1000


def test_an_address_gets_no_more_than_the_server_allows(set_server, open_page) -> None:
    set_server(public="1", epochs="3")
    page = open_page("recipe=best&epochs=900&batch=9000&hidden=2048-2048")
    config = visitor_of(page).config
    assert (config.epochs, config.batch_size, config.made_digits) == (3, 500, 5000)
    assert "`epochs=900`\u00a0→ `epochs=3`" in words(page)
    assert "`made=15000`\u00a0→ `made=5000`" in words(page)
    big = open_page("model=mlp&hidden=2048-2048")
    assert visitor_of(big).config.model_options["hidden_sizes"] == (128,)
    assert "`hidden=2048-2048`\u00a0→ `hidden=128`" in words(big)


def test_a_network_that_is_too_large_is_not_trained_and_says_why(set_server, open_page) -> None:
    set_server(public="1")
    page = choose(open_page(), model="mlp")
    choose(page, hidden_sizes_0=2048)
    assert "parameters is 1,628,170" in page.main.warning[0].value.replace("1628170", "1,628,170")
    assert "at most 500,000 on this server: choose fewer or smaller layers" in page.main.warning[0].value
    assert button(page, "Train").disabled
    visitor_of(page).wish_training()  # as a forged message might
    page.run()
    assert (visitor_of(page).run, visitor_of(page).waiting_run) == (None, None)
    choose(page, hidden_sizes_0=64)
    assert not page.main.warning
    assert visitor_of(page).may_train


def test_settings_that_make_no_sense_are_shown_in_place_of_the_page(set_server, open_page) -> None:
    set_server(epochs="many")
    page = open_page()
    assert not page.exception
    assert "DIGIT_PLAYGROUND_EPOCHS is 'many', but it must be a whole number from 1 on, or none." in page.error[0].value
    assert not page.button


def test_a_training_that_cannot_start_leaves_the_network_that_there_was(open_page, wait_until, monkeypatch) -> None:
    page = choose(open_page(), epochs=1, train_images=1000, device="cpu")
    button(page, "Train").click().run()
    before = visitor_of(page).run
    wait_until(lambda: before.is_over)
    page.run()

    def start(*_told: object) -> bool:
        raise TrainingError(not_started(OSError("no room")))

    monkeypatch.setattr(LocalProcess, "start", start)
    button(page, "Train again").click().run()
    assert not page.exception
    assert "No training process could be started (no room). Try again later." in [
        one.value for one in page.main.warning
    ]
    assert visitor_of(page).run is before
    assert visitor_of(page).answering_model()[0] == MINE
    assert [one.run for one in visitor_of(page).recent_runs] == [before]
    monkeypatch.undo()
    button(page, "Train again").click().run()
    assert visitor_of(page).run is not before
    assert not page.main.warning


def test_who_has_been_called_is_not_sent_to_a_cluster_that_is_not_there() -> None:
    assert waiting_words(Visitor(), TrainingRun(TrainConfig())) == "Yours begins in a few seconds."


def test_a_run_that_took_too_long_says_so(set_server, open_page, wait_until) -> None:
    set_server(run_seconds="1")
    page = choose(open_page(), epochs=RECIPES["course"].epochs, device="cpu", recipe="course")
    button(page, "Train").click().run()
    run = visitor_of(page).run
    wait_until(lambda: run.is_over)
    page.run()
    assert run.state == STOPPED
    assert "A run may take 1 s on this server, and this one has." in words(page)
