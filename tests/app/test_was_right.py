"""Was this right? under the answer, as Streamlit draws it, without a browser."""

from __future__ import annotations

import numpy as np
import pytest
from opened_lesson import seven
from streamlit.testing.v1 import AppTest

from mnist_core.messages import say
from mnist_core.nondigits import KINDS
from mnist_core.server_settings import server_settings
from mnist_core.styles import draw_digit
from mnist_ui.drawing import Drawing
from mnist_ui.photo import as_drawing
from mnist_ui.visitor import Visitor
from mnist_ui.visitors import Visitors


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def draw(page: AppTest, ink: np.ndarray) -> AppTest:
    visitor_of(page).put(Drawing(ink))
    page.run()
    assert not page.exception
    return page


def words(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in (*page.main.markdown, *page.main.caption))


def keys(page: AppTest) -> set[str]:
    return {str(one.key) for one in page.main.button if str(one.key).startswith("was_right")}


DIGITS = {f"was_right_{digit}" for digit in range(10)}


def test_whoever_has_drawn_nothing_is_asked_nothing(page) -> None:
    assert not keys(page)
    assert "Was this right?" not in words(page)


def test_yes_keeps_the_drawing_as_what_it_was_read_as(page) -> None:
    draw(page, seven())
    assert "No, it is:" in words(page)
    assert keys(page) == {"was_right_yes", *DIGITS}
    page.button(key="was_right_yes").click().run()
    (kept,) = visitor_of(page).my_digits
    assert kept.label == 7
    assert np.array_equal(kept.digit.picture, seven())
    assert "Kept as **7** in My digits (1)." in words(page)
    assert keys(page) == {"was_right_undo", *DIGITS}


def test_another_digit_relabels_and_the_drawing_can_be_taken_out(page) -> None:
    draw(page, seven())
    page.button(key="was_right_1").click().run()
    page.button(key="was_right_2").click().run()
    assert [kept.label for kept in visitor_of(page).my_digits] == [2]
    assert "Kept as **2** in My digits (1)." in words(page)
    page.button(key="was_right_undo").click().run()
    assert not len(visitor_of(page).my_digits)
    assert "Was this right?" in words(page)


def test_the_same_drawing_is_known_again_after_others(page) -> None:
    draw(page, seven())
    page.button(key="was_right_yes").click().run()
    draw(page, draw_digit(3, np.random.default_rng(0)))
    page.button(key="was_right_3").click().run()
    draw(page, seven())
    assert "Kept as **7** in My digits (2)." in words(page)


def test_a_drawing_in_which_no_digit_was_seen_can_be_labelled_but_has_no_yes(page) -> None:
    draw(page, KINDS["scribbles"](np.random.default_rng(1)))
    assert "Which digit is it?" in words(page)
    assert keys(page) == DIGITS
    page.button(key="was_right_8").click().run()
    assert [kept.label for kept in visitor_of(page).my_digits] == [8]


def test_a_number_a_dot_and_an_image_of_mnist_are_not_asked_about(page, mnist_seven) -> None:
    pair = np.zeros((280, 280), np.uint8)
    small = seven()[::2, ::2]
    pair[70:210, :140], pair[70:210, 140:] = small, small
    draw(page, pair)
    assert "It's 77" in "".join(one.proto.body for one in page.main.get("html"))
    assert not keys(page)
    dot = np.zeros((280, 280), np.uint8)
    dot[100:120, 100:120] = 255
    draw(page, dot)
    assert not keys(page)
    visitor_of(page).put(as_drawing(mnist_seven))
    page.run()
    assert not keys(page)
    visitor_of(page).put(as_drawing(seven()))  # as a photograph is put there
    page.run()
    assert "was_right_yes" in keys(page)


@pytest.fixture
def mnist_seven() -> np.ndarray:
    from mnist_core import load_mnist

    return load_mnist("test").images[0, 0].numpy()


def test_a_full_collection_says_so_and_still_takes_out(page) -> None:
    draw(page, seven())
    page.button(key="was_right_yes").click().run()
    visitor_of(page).my_digits.most = 1
    draw(page, draw_digit(3, np.random.default_rng(0)))
    assert "My digits is full: 1 drawings." in words(page)
    assert not keys(page)
    draw(page, seven())
    page.button(key="was_right_undo").click().run()
    assert "Was this right?" in words(page)


# --- the owner's collection


@pytest.fixture
def collecting(monkeypatch, tmp_path):
    """A server whose owner collects drawings, and the store."""
    from mnist_core.own_store import open_store
    from mnist_ui import consent

    path = tmp_path / "class.sqlite"
    monkeypatch.setenv("DIGIT_PLAYGROUND_STORE", str(path))
    server_settings.cache_clear()
    consent.owners_store.clear()
    with open_store(path) as store:
        yield store
    server_settings.cache_clear()
    consent.owners_store.clear()


def labels(store) -> list[int]:
    return [one.label for one in store.all()]


def test_without_a_store_nothing_is_asked(page) -> None:
    draw(page, seven())
    page.button(key="was_right_yes").click().run()
    assert "owner of this server" not in words(page)


def test_nothing_is_stored_before_the_visitor_agrees_and_all_of_it_after(page, collecting) -> None:
    draw(page, seven())
    assert "owner of this server" not in words(page)
    page.button(key="was_right_yes").click().run()
    assert "The owner of this server collects labelled drawings" in words(page)
    assert labels(collecting) == []
    page.button(key="consent_yes").click().run()
    assert "collects labelled drawings" not in words(page)
    assert labels(collecting) == [7]
    page.button(key="was_right_1").click().run()
    assert labels(collecting) == [1]
    page.button(key="was_right_undo").click().run()
    assert labels(collecting) == []


def test_whoever_is_asked_with_the_lesson_open_may_agree_there(page, collecting, tested) -> None:
    page.session_state["panel"] = "digits"
    draw(page, seven())
    page.button(key="was_right_yes").click().run()
    assert words(page).count("The owner of this server collects labelled drawings") == 2
    assert labels(collecting) == []
    page.button(key="consent_agree").click().run()
    assert labels(collecting) == [7]
    page.run()
    assert "collects labelled drawings" not in words(page)


def test_no_is_remembered_and_keeps_nothing(page, collecting) -> None:
    draw(page, seven())
    page.button(key="was_right_yes").click().run()
    page.button(key="consent_no").click().run()
    draw(page, draw_digit(3, np.random.default_rng(0)))
    page.button(key="was_right_3").click().run()
    assert "collects labelled drawings" not in words(page)
    assert labels(collecting) == []
    assert len(visitor_of(page).my_digits) == 2


def test_consent_is_withdrawn_in_the_panel_and_others_drawings_stay(page, collecting, tested) -> None:
    from mnist_core.own_digits import label_drawing

    collecting.add(label_drawing(seven(), 9))
    draw(page, seven())
    page.button(key="was_right_yes").click().run()
    page.button(key="consent_yes").click().run()
    page.session_state["panel"] = "digits"
    page.run()
    assert "The owner of this server keeps 1 of your drawings, without your name." in words(page)
    page.button(key="consent_withdraw").click().run()
    assert labels(collecting) == [9]
    assert "The owner of this server keeps none of your drawings." in words(page)
    assert len(visitor_of(page).my_digits) == 1
    page.button(key="consent_agree").click().run()
    assert labels(collecting) == [9, 7]


def test_what_a_visitor_withdraws_before_they_leave_is_taken_out_though_no_page_follows(page, collecting) -> None:
    draw(page, seven())
    page.button(key="was_right_yes").click().run()
    page.button(key="consent_yes").click().run()
    assert labels(collecting) == [7]
    visitor = visitor_of(page)
    visitor.contribution.decide(False)
    visitors = Visitors()
    visitors.welcome(visitor)
    visitors._forget(visitor)
    assert labels(collecting) == []


def test_a_store_that_fails_is_told_of_and_tried_again(page, collecting, tested, monkeypatch) -> None:
    from mnist_core.errors import StoreError
    from mnist_core.own_store import OwnStore

    add = OwnStore.add

    def fail(self, own):
        raise StoreError(say("The database class.sqlite is full, or its disk is. No more drawings are kept."))

    monkeypatch.setattr(OwnStore, "add", fail)
    draw(page, seven())
    page.button(key="was_right_yes").click().run()
    page.button(key="consent_yes").click().run()
    assert len(visitor_of(page).my_digits) == 1
    page.session_state["panel"] = "digits"
    page.run()
    warning = next(one.value for one in page.main.warning)
    assert "is full, or its disk is. No more drawings are kept. Your drawings here are safe." in warning
    monkeypatch.setattr(OwnStore, "add", add)
    page.button(key="consent_again").click().run()
    assert labels(collecting) == [7]
    assert not page.main.warning
