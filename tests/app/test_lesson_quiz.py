"""The lesson "Quiz": a round from its first question to the score, and the next one."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from mnist_core.lessons.quiz import TOPICS
from mnist_ui.lessons.quiz import QUESTIONS, Quiz


@pytest.fixture
def quiz_page(page) -> AppTest:
    """The page with the quiz open."""
    page.session_state["panel"] = "quiz"
    return page.run()


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def quiz(page: AppTest) -> Quiz:
    return page.session_state["visitor"].notes["quiz"]


def begin(page: AppTest, *topics: str) -> AppTest:
    if topics:
        page.pills(key="quiz_topics").set_value(list(topics)).run()
    return press(page, "quiz_begin")


def says(page: AppTest, kind: str) -> list[str]:
    return [one.value for one in getattr(page.main, kind)]


def test_the_quiz_begins_when_it_is_asked_to(quiz_page) -> None:
    assert [option.content for option in quiz_page.pills(key="quiz_topics").proto.options] == [
        topic.name for topic in TOPICS.values()
    ]
    assert quiz(quiz_page).questions == ()
    begin(quiz_page)
    question = quiz(quiz_page).questions[0]
    assert f"**{question.text}**" in says(quiz_page, "markdown")
    assert [quiz_page.button(key=f"quiz_choice_{at}").label for at in range(len(question.choices))] == [
        choice.text for choice in question.choices
    ]
    assert says(quiz_page, "code") == ([question.code.strip()] if question.code else [])
    assert quiz_page.button(key="quiz_next").disabled


def test_a_right_choice_is_said_to_be_right_and_why(quiz_page) -> None:
    question = quiz(begin(quiz_page)).questions[0]
    press(quiz_page, f"quiz_choice_{question.right}")
    assert says(quiz_page, "success") == [f"Right. {question.choices[question.right].because}"]
    assert not says(quiz_page, "warning")
    assert quiz_page.button(key=f"quiz_choice_{question.right}").disabled


def test_a_wrong_choice_is_told_why_it_is_wrong_and_which_is_right(quiz_page) -> None:
    question = quiz(begin(quiz_page)).questions[0]
    wrong = (question.right + 1) % len(question.choices)
    press(quiz_page, f"quiz_choice_{wrong}")
    right = question.choices[question.right]
    assert says(quiz_page, "warning") == [f"Not quite. {question.choices[wrong].because}"]
    assert f"Right is: {right.text}. {right.because}" in says(quiz_page, "info")
    assert not says(quiz_page, "success")


def test_a_round_ends_with_the_score_by_topic_and_goes_on_with_other_questions(quiz_page) -> None:
    begin(quiz_page)
    asked = quiz(quiz_page).questions
    for number, question in enumerate(asked):
        is_right = number < 2
        press(quiz_page, f"quiz_choice_{(question.right + (not is_right)) % len(question.choices)}")
        assert quiz_page.button(key="quiz_next").label == (
            "See the score" if number + 1 == QUESTIONS else "Next question"
        )
        press(quiz_page, "quiz_next")
    assert "**2 of 5 right.**" in says(quiz_page, "markdown")
    scores = [one.proto.text for one in quiz_page.main.get("progress")]
    for number, question in enumerate(asked):
        assert f"{TOPICS[question.topic].name}: {int(number < 2)} of 1 right" in scores
    assert quiz_page.button(key="quiz_begin").label == "Again with other questions"
    begin(quiz_page)
    assert not {question.kind for question in asked} & {question.kind for question in quiz(quiz_page).questions}


def test_only_the_chosen_topics_are_asked_and_remembered(quiz_page) -> None:
    begin(quiz_page, "loop", "loss")
    assert {question.topic for question in quiz(quiz_page).questions} == {"loop", "loss"}
    for question in quiz(quiz_page).questions:
        press(quiz_page, f"quiz_choice_{question.right}")
        press(quiz_page, "quiz_next")
    assert quiz_page.pills(key="quiz_topics").value == ["loop", "loss"]
    assert "**5 of 5 right.**" in says(quiz_page, "markdown")


def test_the_quiz_stands_where_it_stood_after_another_panel(quiz_page) -> None:
    question = quiz(begin(quiz_page)).questions[0]
    press(quiz_page, f"quiz_choice_{question.right}")
    quiz_page.session_state["panel"] = None
    quiz_page.run()
    assert not says(quiz_page, "success")
    quiz_page.session_state["panel"] = "quiz"
    quiz_page.run()
    assert says(quiz_page, "success") == [f"Right. {question.choices[question.right].because}"]


def test_a_second_press_that_comes_late_counts_for_nothing() -> None:
    round_of_five = Quiz()
    round_of_five.begin()
    for late in (0, 1, 0):
        round_of_five.answer(0, late)
    assert round_of_five.chosen == [0]
    assert sum(round_of_five.asked.values()) == 1
    round_of_five.answer(7, 0)
    assert len(round_of_five.chosen) == 1


def test_two_visitors_are_asked_independently(open_page) -> None:
    first, second = open_page(), open_page()
    for one in (first, second):
        one.session_state["panel"] = "quiz"
        begin(one.run())
    press(first, "quiz_choice_0")
    assert quiz(second).chosen == []
