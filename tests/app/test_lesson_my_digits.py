"""The lesson My digits as Streamlit draws it, without a browser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from opened_lesson import captions, open_lesson, seven
from PIL import Image
from streamlit.testing.v1 import AppTest

from mnist_core import build_model, classify, load_mnist, load_model
from mnist_core.lessons.hand_reading import Share
from mnist_core.own_digits import label_drawing
from mnist_core.own_zip import zip_digits
from mnist_core.server_settings import server_settings
from mnist_core.strokes import Hand, draw, sketch
from mnist_core.styles import STYLES, draw_digit
from mnist_core.weights import weights_bytes
from mnist_ui import visitor as visitor_module
from mnist_ui.visitor import Visitor

CHILD = Hand(slant=(0.0, 0.06), turn=0.04, wide=(0.75, 1.0), waves=0.012, tremors=(0,), pens=(6.0, 10.0))


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def words(page: AppTest) -> str:
    texts = [str(one.value) for kind in ("caption", "markdown", "info", "success") for one in getattr(page.main, kind)]
    return "\n".join(texts + [one.proto.body for one in page.main.get("html")])


def mirrored(label: int, chance: np.random.Generator) -> np.ndarray:
    """A digit the wrong way round: ink (280, 280)."""
    ink = draw([line * (-1, 1) for line in sketch(STYLES[label][0], chance)], chance, CHILD)
    return np.asarray(Image.fromarray(ink).resize((280, 280)))


def gather(page: AppTest, count: int, mirror: bool = False) -> None:
    chance = np.random.default_rng(0)
    for number in range(count):
        ink = mirrored(number % 10, chance) if mirror else draw_digit(number % 10, chance)
        visitor_of(page).my_digits.gather(ink, number % 10)


def test_an_empty_collection_says_what_to_do(page) -> None:
    open_lesson(page, "digits", None)
    assert "Nothing here yet. Draw a digit" in words(page)
    assert not [one for one in page.main.button if one.key == "learn_hand"]


def test_the_table_counts_what_the_networks_read(page, tested) -> None:
    gather(page, 20)
    visitor_of(page).my_digits.relabel(1, 5)  # a 0, wrongly labelled
    open_lesson(page, "digits", None)
    shipped = load_model()
    right = sum(classify(shipped, kept.digit.picture).digit == kept.label for kept in visitor_of(page).my_digits)
    assert 15 <= right < 20
    assert f"<span>{right} of 20 <small>({5 * right} %)</small></span>" in words(page)
    assert f"<span>{100 * tested.answers.right / 500:.2f} %</span>" in words(page)
    low, high = Share(right, 20).likely
    assert f"between {100 * low:.0f} % and {100 * high:.0f} % (95 % interval after Wilson, 1927)" in words(page)
    assert f", your hand **{5 * right} %**: why?" in words(page)
    assert ("the difference may be chance" in words(page)) == (high >= tested.answers.right / 500)


def test_pictures_are_marked_relabelled_removed_and_put_back(page, tested) -> None:
    gather(page, 10)
    visitor_of(page).my_digits.relabel(1, 5)
    open_lesson(page, "digits", None)
    assert words(page).count('class="own wrong"') == 1
    assert "misread as 0" in words(page)
    page.selectbox(key="digit_label_1").set_value(0).run()
    assert visitor_of(page).my_digits._kept[1].label == 0
    assert 'class="own wrong"' not in words(page)
    page.button(key="digit_remove_4").click().run()
    assert [kept.number for kept in visitor_of(page).my_digits] == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert "A 3 was removed." in words(page)
    page.button(key="digit_put_back").click().run()
    assert len(visitor_of(page).my_digits) == 10
    assert "was removed" not in words(page)


def test_the_last_one_that_was_removed_can_be_put_back_too(page, tested) -> None:
    gather(page, 1)
    open_lesson(page, "digits", None)
    page.button(key="digit_remove_1").click().run()
    assert "Nothing here yet" in words(page)
    page.button(key="digit_put_back").click().run()
    assert len(visitor_of(page).my_digits) == 1


def test_many_pictures_come_a_page_at_a_time_the_newest_first(page, tested) -> None:
    gather(page, 60)
    open_lesson(page, "digits", None)

    def shown() -> list[int]:
        return [int(str(one.key).split("_")[-1]) for one in page.main.button if "digit_remove_" in str(one.key)]

    assert shown() == list(range(60, 36, -1))
    page.button(key="digits_next").click().run()
    page.button(key="digits_next").click().run()
    assert shown() == list(range(12, 0, -1))
    assert "49 to 60 of 60" in captions(page)
    page.button(key="digits_previous").click().run()
    assert shown() == list(range(36, 12, -1))


def test_all_are_removed_after_a_question(page, tested) -> None:
    gather(page, 12)
    open_lesson(page, "digits", None)
    assert "Removes all 12 drawings" in words(page)
    page.button(key="digits_remove_all_yes").click().run()
    assert not len(visitor_of(page).my_digits)
    assert "Nothing here yet" in words(page)


def test_the_answer_and_the_lesson_follow_each_other(page, tested) -> None:
    open_lesson(page, "digits", seven())
    page.button(key="was_right_yes").click().run()
    assert "1 of 1" in words(page)
    page.button(key="digit_remove_1").click().run()
    assert "Was this right?" in words(page)


def test_too_few_drawings_teach_nothing_yet(page, tested) -> None:
    gather(page, 8)
    open_lesson(page, "digits", None)
    assert page.button(key="learn_hand").disabled
    assert "So far there are 8 and 0." in captions(page)


def test_a_hand_is_learnt_in_a_run_like_any_other(page, tested, wait_until) -> None:
    for name, value in {"train_images": 6000, "epochs": 2}.items():
        page.sidebar.number_input(key=f"setting_{name}").set_value(value)
    page.run()
    page.button(key="train").click().run()
    visitor = visitor_of(page)
    wait_until(lambda: page.run() and visitor.run is not None and visitor.run.is_over)
    first = visitor.run
    gather(page, 60, mirror=True)
    open_lesson(page, "digits", None)
    page.button(key="learn_hand").click().run()
    wait_until(lambda: page.run() and visitor.run is not first and visitor.run.is_over)
    page.run()
    assert not page.exception
    run = visitor.run
    assert (run.state, run.error) == ("done", None)
    before, after = shares(page, "held out, never learnt from")
    assert before.count == after.count == len(visitor.my_digits.held_out) == 20
    assert after.right >= before.right + 3
    assert f"It reads {after.right - before.right} more of the drawings that it never saw." in words(page)
    tests = [f"{100 * one.epochs[-1].test_accuracy:.2f} %" for one in (first, run)]
    assert f"<span>MNIST's test set</span><span>{tests[0]}</span><span>{tests[1]}</span>" in words(page)
    assert "<span>My network, on those held out</span>" in words(page)
    assert [str(one.name) for one in visitor.recent_runs] == ["FastCNN, run 1", "Learn my hand, run 2"]

    open_lesson(page, "code", None)
    next(one for one in page.main.selectbox if str(one.key).startswith("code_of_")).set_value(2).run()
    assert "This run did not begin with a new network" in words(page)
    assert not [one for one in page.main.get("download_button") if "train_digits" in str(one.proto.label)]
    open_lesson(page, "compare", None)
    assert not page.exception
    tables = [one.value for one in page.main.dataframe if "Went on from" in one.value.columns]
    assert tables[0]["Went on from"].tolist() == [f"FastCNN, run 1, step {first.latest_step}", "a new network"]


def test_a_network_from_a_file_is_in_the_table_and_learns_the_hand_too(page, tested, wait_until) -> None:
    from mnist_core.opened import open_network

    few = load_mnist("test").first(300)
    opened = open_network(weights_bytes(build_model("mlp", hidden_sizes=[16]), ".pth"), "mine.pth", lambda model: few)
    visitor = visitor_of(page)
    visitor.open(opened)
    gather(page, 30)
    open_lesson(page, "digits", None)
    assert "<span>My network</span>" in words(page)
    opened.reading.go_on(60.0)
    page.run()
    share = f"{100 * opened.reading.answers.right / 300:.2f} %"
    assert f"<span>{share}</span>" in words(page)
    page.button(key="learn_hand").click().run()
    wait_until(lambda: page.run() and visitor.run is not None and visitor.run.is_over)
    page.run()
    assert not page.exception
    assert (visitor.run.state, visitor.opened, visitor.run.beginning.name) == ("done", None, "the file mine.pth")
    before, after = shares(page, "held out, never learnt from")
    assert before.count == after.count == 10
    assert f"<span>MNIST's test set</span><span>{share}</span>" in words(page)


def shares(page: AppTest, name: str) -> list[Share]:
    """The shares in the line of a table that begins with this."""
    line = words(page).split(f"<span>{name}</span>")[1].split("</div>")[0]
    counts = [cell.split(" <small>")[0].removeprefix("<span>") for cell in line.split("</span>")[:2]]
    return [Share(*map(int, one.split(" of "))) for one in counts]


def test_a_server_may_forbid_a_network_of_this_size(page, tested, monkeypatch) -> None:
    small = replace(server_settings(), parameters=1000)
    gather(page, 20)
    open_lesson(page, "digits", None)
    monkeypatch.setattr(visitor_module, "server_settings", lambda: small)
    page.button(key="learn_hand").click().run()
    assert not page.exception
    assert any("at most 1,000 on this server" in one.value for one in page.main.warning)
    assert visitor_of(page).run is None


# --- files


def upload(page: AppTest, content: bytes) -> None:
    page.main.get("file_uploader")[-1].set_value(("digits.zip", content, "application/zip")).run()
    assert not page.exception


def test_a_zip_is_taken_along_and_brought_back(page, tested) -> None:
    gather(page, 12)
    from mnist_ui.lessons import digit_files

    visitor = visitor_of(page)
    content = digit_files.pack(visitor.my_digits)
    before = [(kept.label, kept.digit.png, kept.held_out) for kept in visitor.my_digits]
    visitor.my_digits.clear()
    open_lesson(page, "digits", None)
    upload(page, content)
    assert [(kept.label, kept.digit.png, kept.held_out) for kept in visitor.my_digits] == before
    assert "Added: 12." in words(page)
    visitor.my_digits.relabel(visitor.my_digits.learnt[0].number, 9)
    upload(page, content)
    assert len(visitor.my_digits) == 12
    assert "Added: 0. There already, with the label of the file now: 12." in words(page)


def test_what_does_not_fit_or_is_blank_is_counted(page, tested) -> None:
    chance = np.random.default_rng(3)
    digits = [label_drawing(draw_digit(label, chance), label) for label in range(5)]
    digits.insert(1, label_drawing(np.zeros((50, 50), np.uint8), 3))
    visitor = visitor_of(page)
    visitor.my_digits.most = 6
    gather(page, 3)
    open_lesson(page, "digits", None)
    upload(page, zip_digits(digits))
    assert len(visitor.my_digits) == 6
    assert "Added: 3. Left out, with nothing drawn on them: 1. Left out, for My digits is full: 2." in words(page)


def test_something_else_than_a_zip_changes_nothing_and_says_why(page, tested) -> None:
    gather(page, 3)
    open_lesson(page, "digits", None)
    upload(page, b"PK no zip")
    assert any("This is no zip, or it is damaged." in one.value for one in page.main.error)
    assert len(visitor_of(page).my_digits) == 3


def test_a_drawing_stays_the_visitors(page, open_page, tested) -> None:
    gather(page, 3)
    assert not len(visitor_of(open_page()).my_digits)
    assert len(visitor_of(page).my_digits) == 3
