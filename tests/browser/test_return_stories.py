"""Somebody reloads the page, closes it, or opens it twice."""

from __future__ import annotations

from collections.abc import Callable

from playground import ONE, SEVEN, Playground, Server, wait_until

ENDLESS = 1000  # epochs


def test_a_reload_in_mid_run_keeps_drawing_and_run(playground: Playground) -> None:
    playground.draw(SEVEN)
    seven = playground.ink_on_canvas()
    playground.set_number("Epochs", ENDLESS)
    playground.train()
    step, answered = playground.step_beyond(0), playground.answered_beyond(0)
    playground.reload()
    playground.shows(seven)
    step, answered = playground.step_beyond(step), playground.answered_beyond(answered)
    assert f"of {ENDLESS}" in playground.progress
    assert len(playground.server.trainings()) == 1
    playground.press("Stop training")
    playground.says("Stopped. What it had learnt is kept")


def test_a_reload_after_a_run_keeps_drawing_run_and_settings(playground: Playground) -> None:
    playground.draw(SEVEN)
    playground.draw([(130, 150), (200, 150)])
    drawing = playground.ink_on_canvas()
    playground.choose("Optimizer", "SGD with momentum")
    playground.set_number("Epochs", 1)
    playground.set_number("Training images", 500)
    playground.train()
    playground.says("Done. It reads")
    for _ in range(2):
        playground.reload()
        playground.shows(drawing)
        playground.says("Done. It reads")
        assert playground.answered_beyond(0) == 4
        assert playground.value("Epochs") == "1"
        assert playground.value("Optimizer") == "SGD with momentum"
    playground.press("Undo")
    playground.reads("7")
    playground.wait(lambda: (playground.ink_on_canvas() < drawing).any(), "one stroke less")


def test_a_page_that_was_only_drawn_upon_comes_back_too(playground: Playground) -> None:
    playground.draw(ONE)
    one = playground.ink_on_canvas()
    playground.reload()
    playground.shows(one)
    playground.reads("It's a 1")
    playground.draw([(60, 60), (220, 60)])
    assert (playground.ink_on_canvas() >= one).all()


def test_a_duplicated_tab_is_somebody_else(playground: Playground) -> None:
    """Browsers copy sessionStorage into a duplicated tab, as they do into one that the page itself opens."""
    playground.draw(SEVEN)
    seven = playground.ink_on_canvas()
    duplicate = playground.duplicate()
    duplicate.reads("Waiting for your digit")
    duplicate.draw(ONE)
    duplicate.reads("It's a 1")
    playground.reads("It's a 7")
    playground.draw([(130, 150), (200, 150)])
    assert (playground.ink_on_canvas() >= seven).all()
    one = duplicate.ink_on_canvas()
    duplicate.reload()
    duplicate.shows(one)
    duplicate.reads("It's a 1")
    assert not duplicate.complaints
    duplicate.close()


def test_a_closed_tab_ends_its_run_and_no_other(
    visit: Callable[..., Playground], start_server: Callable[..., Server]
) -> None:
    impatient_server = start_server(DIGIT_PLAYGROUND_GRACE_SECONDS="1", DIGIT_PLAYGROUND_RUNS="2")
    leaves, stays = (visit(server=impatient_server) for _ in range(2))
    for one in (leaves, stays):
        one.set_number("Epochs", ENDLESS)
        one.train()
    assert len(impatient_server.trainings()) == 2
    leaves.close()
    wait_until(lambda: len(impatient_server.trainings()) == 1, "the end of the closed page's run")
    stays.step_beyond(stays.step())
    stays.press("Stop training")
    stays.says("Stopped. What it had learnt is kept")
