"""What a visitor owns, and what becomes of it when their page is reloaded, closed or duplicated."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from mnist_core import TrainConfig, TrainingRun
from mnist_core.runs import STOPPED, WAITING
from mnist_ui import browser
from mnist_ui import visitors as visitors_module
from mnist_ui.browser import Tab
from mnist_ui.drawing import Drawing
from mnist_ui.undo import MOST_UNDO
from mnist_ui.visitor import TICK_SECONDS, Visitor, shipped_model
from mnist_ui.visitors import Visitors

TAB = "0123456789abcdef" * 2


def ink(amount: int) -> np.ndarray:
    picture = np.zeros((280, 280), np.uint8)
    picture[:amount] = 255
    return picture


def strokes(count: int) -> Drawing:
    """A drawing as the canvas sends it after so many strokes."""
    return Drawing(ink(10 * count), tuple({"type": "Path", "number": at} for at in range(count)), b"%d strokes" % count)


def blank() -> Drawing:
    return Drawing(ink(0))


@pytest.fixture
def after_three_strokes() -> Visitor:
    visitor = Visitor()
    for count in (1, 2, 3):
        visitor.draw(strokes(count))
    return visitor


def test_strokes_are_undone_one_by_one_down_to_the_empty_canvas(after_three_strokes) -> None:
    visitor = after_three_strokes
    for count in (2, 1):
        visitor.take_back()
        assert np.array_equal(visitor.drawing.ink, strokes(count).ink)
        assert visitor.canvas_start == strokes(count).objects
    visitor.take_back()
    assert not visitor.drawing.ink.any()
    assert visitor.canvas_start == ()
    visitor.take_back()  # there is nothing more to undo
    assert not visitor.drawing.ink.any()


def test_clearing_can_be_undone(after_three_strokes) -> None:
    visitor = after_three_strokes
    visitor.put(blank())
    assert visitor.canvas_start == ()
    visitor.take_back()
    assert visitor.canvas_start == strokes(3).objects
    visitor.take_back()
    assert visitor.canvas_start == strokes(2).objects


def test_what_the_canvas_says_of_what_was_put_there_is_no_stroke_to_undo(after_three_strokes) -> None:
    visitor = after_three_strokes
    visitor.put(blank())
    visitor.draw(Drawing(ink(0), (), b"the cleared canvas"))
    visitor.take_back()
    visitor.draw(strokes(3))
    assert visitor.canvas_start == strokes(3).objects
    visitor.take_back()
    assert visitor.canvas_start == strokes(2).objects


def test_the_canvas_s_own_view_of_an_example_is_the_one_that_counts() -> None:
    visitor = Visitor()
    visitor.put(Drawing(ink(50), ({"type": "Image"},)))
    visitor.draw(Drawing(ink(51), ({"type": "Image"},), b"as the browser draws it"))
    assert visitor.drawing.ink.sum() == ink(51).sum()
    assert visitor.last_sent == b"as the browser draws it"
    visitor.take_back()
    assert not visitor.drawing.ink.any()


def test_each_filling_of_the_canvas_has_a_revision_of_its_own(after_three_strokes) -> None:
    visitor = after_three_strokes
    seen = {visitor.canvas_revision}
    for fill in (visitor.refill, visitor.take_back, lambda: visitor.put(blank()), lambda: visitor.put(blank())):
        fill()
        assert visitor.canvas_revision not in seen
        seen.add(visitor.canvas_revision)


def test_a_stroke_does_not_fill_the_canvas_anew(after_three_strokes) -> None:
    assert after_three_strokes.canvas_revision == 0


def test_undo_reaches_back_only_so_far() -> None:
    visitor = Visitor()
    for count in range(1, MOST_UNDO + 20):
        visitor.draw(strokes(count))
    assert len(visitor.undo) == MOST_UNDO


def test_answers_are_kept_for_one_run_and_one_drawing() -> None:
    visitor = Visitor(run=TrainingRun(TrainConfig()))
    visitor.answers_to(b"a 7")[0] = np.zeros(10, np.float32)
    assert 0 in visitor.answers_to(b"a 7")
    assert not visitor.answers_to(b"a 1")
    assert not visitor.answers_to(b"a 7")
    visitor.answers_to(b"a 7")[0] = np.zeros(10, np.float32)
    visitor.run = TrainingRun(TrainConfig())
    assert not visitor.answers_to(b"a 7")


def test_without_a_network_of_their_own_the_shipped_one_answers() -> None:
    visitor = Visitor(answered_by="mine", run=TrainingRun(TrainConfig()))
    assert visitor.answering_model() == ("shipped", 0, shipped_model())


# A page that goes, and comes back.


def arrive(visitors: Visitors, connected: set[str], session_id: str) -> Visitor:
    newcomer = Visitor(session_id=session_id)
    connected.add(session_id)
    visitors.welcome(newcomer)
    return visitors.come_back(TAB, newcomer)


def test_a_reload_finds_everything_as_it_was(connected) -> None:
    visitors = Visitors()
    first = arrive(visitors, connected, "first")
    first.draw(strokes(2))
    connected.remove("first")
    assert arrive(visitors, connected, "second") is first
    assert first.session_id == "second"
    assert first.canvas_start == strokes(2).objects  # the new page's canvas is filled with it
    assert first.canvas_revision == 1


def test_a_reload_is_recognised_though_the_old_page_is_a_moment_in_going(connected, monkeypatch) -> None:
    visitors = Visitors()
    first = arrive(visitors, connected, "first")
    monkeypatch.setattr(visitors_module, "sleep", lambda seconds: connected.discard("first"))
    assert arrive(visitors, connected, "second") is first


def test_a_duplicated_tab_is_somebody_else(connected) -> None:
    visitors = Visitors()
    first = arrive(visitors, connected, "first")
    second = arrive(visitors, connected, "second")
    assert second is not first
    assert second.tab is None
    assert first.session_id == "first"


def test_another_tab_is_somebody_else(connected) -> None:
    visitors = Visitors()
    first = arrive(visitors, connected, "first")
    connected.clear()
    other = Visitor(session_id="other")
    visitors.welcome(other)
    assert visitors.come_back("f" * 32, other) is other is not first


def test_a_run_ends_when_its_page_has_been_gone_for_the_grace_time(connected, set_server, wait_until) -> None:
    set_server(grace_seconds="0.1")
    visitors = Visitors()
    stays, leaves = (Visitor(session_id=name, run=TrainingRun(TrainConfig())) for name in ("stays", "leaves"))
    connected.add("stays")
    for visitor in (stays, leaves):
        visitors.welcome(visitor)
    wait_until(lambda: leaves.run.state == STOPPED)
    assert leaves.run.stopped_because.startswith("The page was away for over 0 s")
    assert stays.run.state == WAITING


def test_the_watch_over_visitors_outlives_its_own_trouble(connected, set_server, wait_until, caplog) -> None:
    set_server(grace_seconds="unclear")
    visitors = Visitors()
    wait_until(lambda: "Looking after the visitors failed" in caplog.text)
    set_server(grace_seconds="0.1")
    leaves = Visitor(session_id="leaves", run=TrainingRun(TrainConfig()))
    visitors.welcome(leaves)
    wait_until(lambda: leaves.run.state == STOPPED)


def test_an_experiment_ends_with_its_page_too(connected, set_server, wait_until) -> None:
    set_server(grace_seconds="0.1")
    leaves = Visitor(session_id="leaves", run=TrainingRun(TrainConfig()))
    leaves.try_out("evaluated_on_training_images", np.zeros((28, 28), np.float32), 0)
    assert leaves.is_experimenting
    assert leaves.runs == (leaves.run, leaves.experiment)
    Visitors().welcome(leaves)
    wait_until(lambda: leaves.run.state == STOPPED and leaves.experiment.is_over)


def test_an_experiment_ends_when_another_begins(wait_until) -> None:
    visitor, picture = Visitor(), np.zeros((28, 28), np.float32)
    assert visitor.experiment_tick_seconds is None
    visitor.try_out("evaluated_on_training_images", picture, 0)
    first = visitor.experiment
    wait_until(lambda: first.history)
    assert visitor.experiment_tick_seconds == TICK_SECONDS
    visitor.try_out("forgot_backward", picture, 1)
    assert first.is_over
    assert (visitor.experiment.name, visitor.experiment.seed) == ("forgot_backward", 1)
    second = visitor.experiment
    visitor.end_experiment()
    assert second.is_over
    assert (visitor.experiment, visitor.is_experimenting, visitor.runs) == (None, False, ())
    visitor.end_experiment()  # there is none to end


def test_a_run_goes_on_through_a_short_absence(connected, wait_until) -> None:
    visitors = Visitors()
    visitor = Visitor(session_id="here", run=TrainingRun(TrainConfig()))
    visitors.welcome(visitor)
    wait_until(lambda: visitor.gone_since is not None)
    connected.add("here")
    wait_until(lambda: visitor.gone_since is None)
    assert visitor.run.state == WAITING


def test_who_stays_away_is_forgotten(connected, set_server, wait_until) -> None:
    set_server(grace_seconds="0.1", kept_seconds="0.2")
    visitors = Visitors()
    connected.add("stays")
    leaves, stays = Visitor(session_id="leaves"), Visitor(session_id="stays")
    for visitor in (leaves, stays):
        visitors.welcome(visitor)
    gone = weakref.ref(leaves)
    del leaves, visitor
    wait_until(lambda: gone() is None)


def test_a_reloaded_page_shows_its_settings_and_its_drawing(open_page, connected, monkeypatch) -> None:
    from mnist_ui import canvas

    connected.add("test session id")  # as Streamlit's AppTest calls all of its sessions
    monkeypatch.setattr(browser, "tab", lambda: Tab(TAB))
    before = open_page()
    before.selectbox(key="en_setting_recipe").select("course").run()
    before.number_input(key="setting_epochs").set_value(4).run()
    monkeypatch.setattr(canvas, "read_ink", lambda result, paper: strokes(2))
    before.run()
    monkeypatch.setattr(canvas, "read_ink", lambda result, paper: None)
    connected.clear()

    after = open_page()
    assert after.session_state["visitor"] is before.session_state["visitor"]
    assert after.selectbox(key="en_setting_recipe").value == "course"
    assert after.number_input(key="setting_epochs").value == 4
    assert after.session_state["visitor"].config.epochs == 4
    assert after.session_state["visitor"].canvas_start == strokes(2).objects


@pytest.mark.parametrize("name", [None, "", 7, "short", "g" * 32, "a" * 33, ["a" * 32], {"name": "a" * 32}])
def test_a_tab_s_name_is_believed_only_when_it_looks_like_one(name, monkeypatch) -> None:
    monkeypatch.setattr(browser, "_watch", lambda **options: {"name": name, "canvas_lost_at": "yesterday"})
    assert browser.tab() == Tab()


def test_a_tab_s_own_name_is_believed(monkeypatch) -> None:
    monkeypatch.setattr(browser, "_watch", lambda **options: {"name": TAB, "canvas_lost_at": 7})
    assert browser.tab() == Tab(TAB, 7)


def test_a_lost_canvas_is_filled_again_once() -> None:
    visitor = Visitor()
    visitor.draw(strokes(2))
    for lost_at, revision in ((None, 0), (7, 1), (7, 1), (9, 2)):
        visitor.refill_if_lost(lost_at)
        assert visitor.canvas_revision == revision
    assert visitor.canvas_start == visitor.drawing.objects == strokes(2).objects
    assert len(visitor.undo) == 1
