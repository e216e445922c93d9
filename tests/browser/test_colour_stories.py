"""Somebody draws and trains in colour."""

from __future__ import annotations

from playground import SEVEN, Playground


def test_with_a_red_pen_a_network_for_colours_learns_and_answers(playground: Playground) -> None:
    playground.draw([(40, 250), (60, 250)])  # white, and it stays
    playground.switch_to_colour()
    playground.choose_pen("#c00000")
    playground.draw(SEVEN)
    colours = playground.colours_on_canvas()
    assert colours[70, 140].tolist() == [255, 0, 0]  # as bright as red can be
    assert colours[250, 50].tolist() == [255, 255, 255]
    playground.clear()
    playground.draw(SEVEN)
    playground.reads("It's a 7")
    playground.says("Answered by the shipped network.")
    assert (playground.colours_seen().min(axis=2) == playground.colours_seen().max(axis=2)).all()  # as ink

    playground.set_number("Epochs", 1)
    playground.set_number("Training images", 3000)
    playground.train()
    playground.says("Done. It reads")
    playground.answered_beyond(0)
    playground.wait(lambda: playground.colours_seen().shape == (32, 32, 3), "the image in colour")
    red, green, blue = (playground.colours_seen()[..., channel] for channel in range(3))
    assert red.max() > 200
    assert not green.any()
    assert not blue.any()

    drawn = playground.ink_on_canvas()
    playground.change("Example")
    assert playground.colours_on_canvas()[..., 0].max() > 200
    assert not playground.colours_on_canvas()[..., 1:].any()
    playground.press("Undo")
    playground.shows(drawn)
    playground.reload()
    playground.shows(drawn)
    assert not playground.colours_on_canvas()[..., 1:].any()
    playground.answered_beyond(0)
