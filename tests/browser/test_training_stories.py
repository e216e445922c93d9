"""Somebody trains a network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
from playground import ONE, SEVEN, Playground

from mnist_core import load_model

ENDLESS = 1000  # epochs


def train_briefly(playground: Playground) -> None:
    """A whole run, as short as the sidebar allows."""
    playground.set_number("Epochs", 1)
    playground.set_number("Training images", 1000)
    playground.train()
    playground.says("Done. It reads")


def test_a_network_learns_while_its_visitor_draws(playground: Playground) -> None:
    playground.set_number("Epochs", ENDLESS)
    playground.draw(SEVEN)
    playground.train()
    step, answered = playground.step_beyond(0), playground.answered_beyond(0)
    width = playground.loss_chart_width()
    playground.clear()
    playground.draw(ONE)
    for _ in range(3):
        step, answered = playground.step_beyond(step), playground.answered_beyond(answered)
    assert playground.loss_chart_width() > width
    playground.says(re.compile(r"\d \(.*\) at step 0, \d \(.*\) at step \d"))
    playground.draw([(100, 230), (180, 230)])
    playground.answered_beyond(answered)
    playground.press("Stop training")
    playground.says("Stopped. What it had learnt is kept")


def test_a_run_can_rest_and_go_on(playground: Playground) -> None:
    playground.set_number("Epochs", ENDLESS)
    playground.draw(SEVEN)
    playground.train()
    playground.press("Pause")
    playground.says("paused")
    rested_at = playground.wait(lambda: step_at_rest(playground), "a run at rest")
    assert playground.answered_beyond(0) == rested_at
    playground.press("Go on")
    playground.step_beyond(rested_at)
    assert not playground.button("Train again").is_visible()


def step_at_rest(playground: Playground) -> int | None:
    """The step of a paused run once two ticks of the page have shown the same; the batch it was at is made first."""
    before = playground.step()
    playground.page.wait_for_timeout(1100)
    return before if playground.step() == before else None


def test_a_stopped_run_leaves_its_network_and_no_process(playground: Playground) -> None:
    playground.set_number("Epochs", ENDLESS)
    playground.draw(SEVEN)
    playground.train()
    assert len(playground.server.trainings()) == 1
    playground.press("Stop training")
    playground.says("Stopped. What it had learnt is kept")
    playground.wait(lambda: not playground.server.trainings(), "the end of the process")
    playground.answered_beyond(0)
    assert playground.button("Train again").is_enabled()


def test_after_a_run_either_network_answers_and_the_weights_can_be_taken_home(
    playground: Playground, tmp_path: Path
) -> None:
    playground.draw(SEVEN)
    train_briefly(playground)
    steps = playground.answered_beyond(0)
    assert steps == 8
    playground.switch_to("Shipped network")
    playground.says("Answered by the shipped network.")
    playground.reads("It's a 7")
    playground.switch_to("My network")
    assert playground.answered_beyond(0) == steps

    files = {}
    for ending in (".pth", ".safetensors"):
        with playground.page.expect_download() as download:
            playground.press(f"Weights as {ending}")
        assert download.value.suggested_filename == f"model_weights{ending}"
        files[ending] = tmp_path / f"model_weights{ending}"
        download.value.save_as(files[ending])
    plain = torch.load(files[".pth"], weights_only=True)
    for path in files.values():
        weights = load_model(path).state_dict()
        assert weights.keys() == plain.keys()
        assert all(torch.equal(weights[name], plain[name]) for name in plain)


def test_a_chosen_recipe_is_the_one_that_is_trained(playground: Playground) -> None:
    playground.choose("Recipe", "Course: the network of a first lesson")
    playground.says("101,770 parameters to learn")
    playground.set_number("Training images", 1000)
    playground.train()
    assert "of 10" in playground.progress


def test_two_visitors_do_not_disturb_each_other(visit: Callable[..., Playground]) -> None:
    first, second = visit("desktop"), visit("another desktop")
    first.draw(SEVEN)
    first.set_number("Epochs", ENDLESS)
    first.train()
    second.draw(ONE)
    second.reads("It's a 1")
    second.says("Answered by the shipped network.")
    assert second.button("Train").is_enabled()
    second.set_number("Epochs", ENDLESS)
    second.train()
    assert len(first.server.trainings()) == 2
    second.press("Stop training")
    second.says("Stopped. What it had learnt is kept")
    first.step_beyond(first.step())
    first_seven = first.ink_on_canvas()
    second.clear()
    first.shows(first_seven)
    assert first.film() is not None


def test_a_training_process_ended_from_outside_is_explained_and_the_page_lives_on(playground: Playground) -> None:
    playground.set_number("Epochs", ENDLESS)
    playground.train()
    playground.answered_beyond(0)
    (training,) = playground.server.trainings()
    training.kill()
    playground.says("The training process was ended from outside (SIGKILL)")
    playground.draw(SEVEN)
    playground.answered_beyond(0)
    playground.set_number("Epochs", 1)
    playground.set_number("Training images", 1000)
    playground.press("Train again")
    playground.says("Done. It reads")
