"""Several people press Train on a server that has a place for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playground import ONE, SEVEN, Playground, Server

ENDLESS = 1000  # epochs


@pytest.fixture(scope="module")
def small_server(start_server: Callable[..., Server]) -> Server:
    # On a busy machine a reload takes seconds, in which a place must be kept.
    return start_server(DIGIT_PLAYGROUND_RUNS="1", DIGIT_PLAYGROUND_GRACE_SECONDS="10")


@pytest.fixture
def busy(visit: Callable[..., Playground], small_server: Server) -> Playground:
    """The page of somebody who trains without end."""
    playground = visit(server=small_server)
    playground.set_number("Epochs", ENDLESS)
    playground.train()
    playground.step_beyond(0)
    return playground


def wait_in_line(playground: Playground) -> None:
    """Press Train and see the place in the queue."""
    playground.press("Train")
    playground.says("1 run is ahead of yours on this server.")


def test_who_waits_draws_meanwhile_and_has_their_turn_when_the_other_has_gone(
    busy: Playground, visit: Callable[..., Playground], small_server: Server
) -> None:
    waits = visit("another desktop", server=small_server)
    waits.set_number("Epochs", ENDLESS)
    wait_in_line(waits)
    waits.draw(SEVEN)
    waits.reads("It's a 7")
    assert len(small_server.trainings()) == 1
    busy.close()
    waits.answered_beyond(0)
    waits.step_beyond(0)
    assert len(small_server.trainings()) == 1
    waits.press("Stop training")
    waits.says("Stopped. What it had learnt is kept")


def test_a_crash_ahead_of_them_costs_nobody_their_turn(
    busy: Playground, visit: Callable[..., Playground], small_server: Server
) -> None:
    waits = visit("another desktop", server=small_server)
    waits.set_number("Epochs", 1)
    waits.set_number("Training images", 1000)
    wait_in_line(waits)
    (training,) = small_server.trainings()
    training.kill()
    waits.says("Done. It reads")
    busy.says("The training process was ended from outside (SIGKILL)")
    assert busy.button("Train again").is_enabled()


def test_who_reloads_keeps_their_place_and_who_leaves_the_queue_has_their_page_as_before(
    busy: Playground, visit: Callable[..., Playground], small_server: Server
) -> None:
    phone = visit("phone", server=small_server)
    phone.touch(ONE)
    phone.reads("It's a 1")
    wait_in_line(phone)
    phone.reload()
    phone.says("1 run is ahead of yours on this server.")
    phone.press("Leave the queue")
    phone.says("Press Train: a new network learns")
    phone.reads("It's a 1")
    assert phone.button("Train").is_enabled()
    busy.step_beyond(busy.step())
