"""The lesson "Quiz": five short questions, each answered at once with why."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import streamlit as st

from mnist_core.lessons.quiz import TOPICS, Question, ask
from mnist_ui.language import _
from mnist_ui.session import widget_value
from mnist_ui.visitor import Visitor

QUESTIONS = 5  # in a round
TOPICS_KEY = "quiz_topics"
LONG_CODE = 15  # lines; what is longer can be scrolled, so that the choices stay in sight
RIGHT, WRONG = "#1a9a76", "#d9730d"  # as in the charts
# The keys to press stand at the right edge, so that no 1 is read as part of an answer; a finger needs none.
STYLE = """<style>
.st-key-quiz_choices button, .st-key-quiz_choices button :has(> kbd) { justify-content: flex-start; text-align: left; }
.st-key-quiz_choices button :has(kbd) { width: 100%; }
.st-key-quiz_choices kbd {
  margin-left: auto; padding: 0 .45rem; border: 1px solid currentColor; border-radius: 4px; font-size: .75rem;
}
@media (hover: none) { [class*="st-key-quiz_"] kbd { display: none; } }
</style>"""


@dataclass
class Quiz:
    """What the quiz remembers of a visitor.

    Attributes:
        topics: the chosen ones; none for all. questions: of the present round; none before the first.
        chosen: the choice for each question that was answered. is_read: whether the explanation to the last one was.
        kinds: those that were asked so far. right, asked: by topic, over all rounds.
    """

    topics: list[str] = field(default_factory=list)
    questions: tuple[Question, ...] = ()
    chosen: list[int] = field(default_factory=list)
    is_read: bool = True
    kinds: set[str] = field(default_factory=set)
    right: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    chance: Random = field(default_factory=Random)

    def begin(self) -> None:
        """Ask other questions, about the topics that are chosen on the page."""
        self.topics = list(widget_value(TOPICS_KEY) or [])
        self.questions = ask(self.topics or list(TOPICS), QUESTIONS, self.chance, self.kinds)
        self.kinds |= {question.kind for question in self.questions}
        self.chosen, self.is_read = [], True

    def answer(self, number: int, choice: int) -> None:
        """Take this choice for the question of this number, unless a second press comes late."""
        if number != len(self.chosen) or number >= len(self.questions):
            return
        question = self.questions[number]
        self.chosen.append(choice)
        self.is_read = False
        self.asked[question.topic] = self.asked.get(question.topic, 0) + 1
        self.right[question.topic] = self.right.get(question.topic, 0) + (choice == question.right)

    def go_on(self) -> None:
        """Turn to the next question."""
        self.is_read = True

    @property
    def right_so_far(self) -> int:
        """How many questions of this round were answered rightly."""
        return sum(choice == asked.right for choice, asked in zip(self.chosen, self.questions, strict=False))


def show(visitor: Visitor) -> None:
    """The question that it is the turn of, or the score of the round and the way to the next one."""
    quiz = visitor.notes.setdefault("quiz", Quiz())
    st.html(STYLE)
    number = len(quiz.chosen) - (not quiz.is_read)
    if number < len(quiz.questions):
        show_question(quiz, number)
    else:
        show_score(quiz)


def show_question(quiz: Quiz, number: int) -> None:
    """One question; once a choice is made, whether it is right, and why."""
    question = quiz.questions[number]
    answered = number < len(quiz.chosen)
    st.caption(
        _(
            "Question {number} of {questions}: {topic}. {right} right so far.",
            number=number + 1,
            questions=len(quiz.questions),
            topic=TOPICS[question.topic].name,
            right=quiz.right_so_far,
        )
    )
    st.markdown(f"**{_(question.text)}**")
    if question.code:
        is_long = question.code.count("\n") > LONG_CODE
        st.code(question.code, language="python", wrap_lines=True, height=330 if is_long else "content")
    with st.container(key="quiz_choices", gap="small"):
        for at in range(len(question.choices)):
            show_choice(quiz, number, at)
    with st.container(key="quiz_why"):
        if answered:
            explain(question, quiz.chosen[number])
    is_last = number + 1 == len(quiz.questions)
    st.button(
        _("See the score") if is_last else _("Next question"),
        type="primary", icon=":material/arrow_forward:", key="quiz_next", shortcut="N",
        disabled=not answered, on_click=quiz.go_on,
    )  # fmt: skip


def show_choice(quiz: Quiz, number: int, at: int) -> None:
    """A choice to press; afterwards marked when it is the right one, or the wrong one that was taken."""
    question, answered = quiz.questions[number], number < len(quiz.chosen)
    icon, colour = ":material/radio_button_unchecked:", ""
    if answered and at == question.right:
        icon, colour = ":material/check_circle:", RIGHT
    elif answered and at == quiz.chosen[number]:
        icon, colour = ":material/cancel:", WRONG
    with st.container(key=f"quiz_choice_{at}_place"):
        if colour:
            st.html(
                f"<style>.st-key-quiz_choice_{at}_place button:disabled "
                f"{{ border-color: {colour}; color: inherit; opacity: 1; }}</style>"
            )
        st.button(
            _(question.choices[at].text), icon=icon, key=f"quiz_choice_{at}", width="stretch", shortcut=str(at + 1),
            disabled=answered, on_click=quiz.answer, args=(number, at),
        )  # fmt: skip


def explain(question: Question, chosen: int) -> None:
    """Why this choice is right, or why it is wrong and another one right."""
    right = question.choices[question.right]
    if chosen == question.right:
        st.success(_("Right. {why}", why=right.because), icon=":material/check_circle:")
        return
    st.warning(_("Not quite. {why}", why=question.choices[chosen].because), icon=":material/cancel:")
    st.info(_("Right is: {choice}. {why}", choice=right.text, why=right.because), icon=":material/check_circle:")


def show_score(quiz: Quiz) -> None:
    """The score, and the topics to choose from for the next round."""
    if quiz.questions:
        st.markdown(
            _("**{right} of {questions} right.**", right=quiz.right_so_far, questions=len(quiz.questions)),
        )
        for topic, asked in quiz.asked.items():
            right = quiz.right[topic]
            st.progress(
                right / asked,
                _("{topic}: {right} of {asked} right", topic=TOPICS[topic].name, right=right, asked=asked),
            )
    st.pills(
        _("Topics, none for all of them"), list(TOPICS), selection_mode="multi", default=quiz.topics, key=TOPICS_KEY,
        format_func=lambda topic: _(TOPICS[topic].name),
    )  # fmt: skip
    st.button(
        _("Again with other questions") if quiz.questions else _("Ask me five questions"),
        type="primary", icon=":material/quiz:", key="quiz_begin", shortcut="N", on_click=quiz.begin,
    )  # fmt: skip
