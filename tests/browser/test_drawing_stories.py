"""Somebody draws."""

from __future__ import annotations

import numpy as np
from playground import ONE, SEVEN, Playground
from playwright.sync_api import WebSocketRoute, expect

from mnist_core import RECIPES


def test_the_first_page_of_a_server_shows_the_settings_that_it_uses(playground: Playground) -> None:
    """The first is the slowest: its script is still at work when the browser tells the name of the tab."""
    brush = playground.page.get_by_role("slider", name="Brush width in pixels")
    expect(brush).to_have_value("20")
    assert playground.value("Epochs") == str(RECIPES["fast"].epochs)
    assert playground.value("Batch size") == str(RECIPES["fast"].batch_size)


def test_a_drawn_seven_is_read(playground: Playground) -> None:
    playground.reads("Waiting for your digit")
    playground.draw(SEVEN)
    playground.reads("It's a 7")
    playground.says("Answered by the shipped network.")
    for stage in ("drawing", "cropped", "20 x 20", "28 x 28"):
        assert playground.page.locator(".film figcaption", has_text=stage).first.is_visible()


def test_two_digits_are_read_as_a_number_with_a_box_around_each(playground: Playground) -> None:
    playground.draw([(40, 70), (110, 70), (60, 210)])
    playground.reads("It's a 7")
    playground.draw([(210, 60), (210, 220)])
    playground.reads("It's 71")
    boxes = playground.page.locator(".boxes div")
    expect(boxes).to_have_count(2)
    left, right = (boxes.nth(number).bounding_box() for number in (0, 1))
    assert left["x"] + left["width"] < right["x"]
    playground.press("Undo")
    playground.reads("It's a 7")
    expect(boxes).to_have_count(0)


def test_a_scribble_is_no_digit(playground: Playground) -> None:
    playground.draw([(30 + 220 * (turn % 2), 40 + 20 * turn) for turn in range(11)])
    playground.reads("I don't see a digit")
    playground.says("Draw a digit from 0 to 9, or several side by side.")


def test_the_way_back_through_strokes_and_clearings(playground: Playground) -> None:
    expect(playground.button("Undo")).to_be_disabled()
    playground.draw(ONE)
    one = playground.ink_on_canvas()
    playground.draw([(60, 60), (220, 60)])
    both = playground.ink_on_canvas()
    playground.clear()
    expect(playground.button("Clear")).to_be_disabled()

    playground.press("Undo")
    playground.shows(both)
    playground.press("Undo")
    playground.shows(one)
    playground.reads("It's a 1")
    playground.press("Undo")
    playground.shows(np.zeros_like(one))
    playground.reads("Waiting for your digit")
    expect(playground.button("Undo")).to_be_disabled()

    playground.draw(SEVEN)
    playground.reads("It's a 7")


def test_undo_pressed_in_quick_succession_goes_back_as_often(playground: Playground) -> None:
    for count in range(1, 5):
        playground.draw([(40, 50 * count), (240, 50 * count)])
        if count == 1:
            first = playground.ink_on_canvas()
    for _ in range(3):
        before = playground.film()
        playground.press("Undo")
        playground.film_changed(before)  # but the canvas has not yet told what it shows now
    playground.shows(first)
    playground.settled()
    playground.press("Undo")
    playground.reads("Waiting for your digit")
    playground.shows(np.zeros_like(first))
    expect(playground.button("Undo")).to_be_disabled()


def test_clearing_right_after_a_stroke_leaves_nothing_behind(playground: Playground) -> None:
    playground.draw(ONE)
    places = [playground.place(point) for point in ((60, 60), (220, 60))]
    playground.page.mouse.move(*places[0])
    playground.page.mouse.down()
    playground.page.mouse.move(*places[1], steps=4)
    playground.page.mouse.up()
    playground.press("Clear")
    playground.reads("Waiting for your digit")
    playground.shows(np.zeros((280, 280)))
    playground.settled()
    assert playground.film() is None


def test_an_example_is_read_drawn_upon_and_undone(playground: Playground) -> None:
    playground.change("Example")
    example = playground.ink_on_canvas()
    assert playground.page.locator(".film figcaption", has_text="28 x 28").is_visible()
    playground.draw([(20, 270), (260, 270)])
    upon = playground.ink_on_canvas()
    assert upon[270, 100] == 255
    assert (upon >= example).all()
    playground.press("Undo")
    playground.shows(example)
    playground.press("Undo")
    playground.reads("Waiting for your digit")


def test_a_wider_brush_keeps_the_drawing(playground: Playground) -> None:
    playground.draw(ONE)
    one = playground.ink_on_canvas()
    playground.page.get_by_role("slider", name="Brush width in pixels").press("End")
    rows = iter(range(60, 240, 45))

    def stroke_is_40_wide() -> bool:
        """A stroke in the next row: the slider tells the server a moment after its key."""
        before, row = playground.ink_on_canvas().astype(int), next(rows)
        assert (before >= one).all()
        playground.draw([(40, row), (100, row)])
        after = playground.ink_on_canvas()
        assert (after >= before).all()
        return 38 <= (after - before > 128)[:, 70].sum() <= 42

    playground.wait(stroke_is_40_wide, "a wider brush")


def test_a_canvas_that_the_browser_loses_comes_back_with_its_drawing(playground: Playground) -> None:
    playground.draw(ONE)
    playground.draw([(60, 60), (220, 60)])
    both = playground.ink_on_canvas()
    holder = playground.page.locator(".st-key-canvas .dc-root")
    holder.evaluate("root => root.remove()")
    playground.shows(both)
    playground.in_step()
    playground.draw([(60, 200), (220, 200)])
    assert (playground.ink_on_canvas() >= both).all()
    for _ in range(2):
        playground.change("Undo")
    playground.reads("It's a 1")


def test_a_single_dot_is_no_digit(playground: Playground) -> None:
    playground.draw([(140, 140), (140, 141)])
    playground.reads("Only a dot so far")


def test_another_theme_and_another_window_keep_the_drawing(playground: Playground) -> None:
    playground.draw(SEVEN)
    seven = playground.ink_on_canvas()
    background = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    light = playground.page.evaluate(background)
    playground.page.emulate_media(color_scheme="dark")
    playground.page.wait_for_function(f"light => {background} !== light", arg=light)
    playground.shows(seven)
    playground.reads("It's a 7")
    playground.page.emulate_media(color_scheme="light")
    for width, height in ((700, 900), (390, 844), (1440, 1600)):
        playground.page.set_viewport_size({"width": width, "height": height})
        playground.shows(seven)
        assert playground.overflow <= 0
    playground.draw([(140, 150), (200, 150)])
    playground.reads("7")


def test_an_answer_that_is_lost_on_its_way_is_asked_for_again(playground: Playground) -> None:
    lost: list[bytes] = []

    def carry(socket: WebSocketRoute) -> None:
        to_server = socket.connect_to_server()
        socket.on_message(to_server.send)

        def pass_on(message: str | bytes) -> None:
            if losing and isinstance(message, bytes) and (b"verdict" in message or b"film" in message):
                lost.append(message)
            else:
                socket.send(message)

        to_server.on_message(pass_on)

    losing = False
    playground.page.route_web_socket("**/_stcore/stream", carry)
    playground.reload()
    losing = True
    start, *others = (playground.place(point) for point in SEVEN)
    playground.page.mouse.move(*start)
    playground.page.mouse.down()
    for point in others:
        playground.page.mouse.move(*point, steps=4)
    playground.page.mouse.up()
    playground.wait(lambda: lost, "an answer that is lost")
    playground.page.wait_for_timeout(1000)  # whatever else is said of this stroke is lost too
    playground.settled()
    losing = False
    assert playground.film() is None
    playground.reads("It's a 7")
