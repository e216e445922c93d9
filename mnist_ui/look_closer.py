"""Look closer: the lessons, one at a time; what is not chosen is not computed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import streamlit as st

from mnist_core.messages import Message, say
from mnist_ui import address
from mnist_ui.address import PANEL_KEY
from mnist_ui.language import _
from mnist_ui.visitor import Visitor


@dataclass(frozen=True)
class Lesson:
    """A panel: its name, what it shows in a sentence, and the module of `mnist_ui.lessons` that draws it.

    Attributes:
        follows_drawing: a new stroke draws it anew. follows_run: so does a run, at every tick.
        follows_experiment: so does an experiment. follows_digits: so does a drawing that is labelled.
    """

    name: Message
    about: Message
    module: str
    follows_drawing: bool = False
    follows_run: bool = False
    follows_experiment: bool = False
    follows_digits: bool = False

    def show(self, visitor: Visitor) -> None:
        """Draw it."""
        importlib.import_module(f"mnist_ui.lessons.{self.module}").show(visitor)


LESSONS: dict[str, Lesson] = {
    "layers": Lesson(
        say("Layers"),
        say(
            "What each layer makes of your drawing: its shape, what it costs, its picture, and which digit it is near."
        ),
        "layers",
        follows_drawing=True,
        follows_run=True,
    ),
    "why": Lesson(
        say("Why"),
        say("Which pixels of your drawing spoke for a digit and which against it, and why it was not another one."),
        "why",
        follows_drawing=True,
        follows_run=True,
    ),
    "errors": Lesson(
        say("Errors"),
        say("The network reads MNIST's 10,000 test images, none of which it has learnt from. Where does it err?"),
        "errors",
    ),
    "digits": Lesson(
        say("My digits"),
        say("The drawings that you have labelled: how well they are read, and a network that learns your hand."),
        "my_digits",
        follows_digits=True,
    ),
    "step": Lesson(
        say("One step at a time"),
        say("The training loop's own train_step, run line by line: what each line changes, and what it leaves alone."),
        "step",
    ),
    "break": Lesson(
        say("Break the loop"),
        say(
            "Most mistakes in a training loop raise no error. "
            "Guess what each of them does, then see right and broken side by side."
        ),
        "break_loop",
        follows_experiment=True,
    ),
    "compare": Lesson(
        say("Compare"),
        say("Your last runs over each other: what the settings changed, and what did not matter."),
        "compare",
        follows_drawing=True,
        follows_run=True,
    ),
    "code": Lesson(
        say("The code"),
        say("The whole run as one plain PyTorch script: read it, copy it, run it anywhere."),
        "code",
    ),
    "quiz": Lesson(
        say("Quiz"),
        say("Short questions about PyTorch and training. The code that they show was run to find the right answers."),
        "quiz",
    ),
}


def show(visitor: Visitor) -> None:
    """The line that invites, the choice of a lesson, and the lesson."""
    st.subheader(_("Look closer"), anchor=False)
    chosen = st.segmented_control(
        _("Lesson"),
        list(LESSONS),
        format_func=lambda name: _(LESSONS[name].name),
        key=PANEL_KEY,
        label_visibility="collapsed",
    )
    lesson = LESSONS.get(chosen or "")
    visitor.drawing_in_lesson = visitor.drawing if lesson is not None and lesson.follows_drawing else None
    visitor.answerer_in_lesson = None if lesson is None else visitor.answered_by
    follows_digits = lesson is not None and lesson.follows_digits
    visitor.digits_in_lesson = visitor.my_digits.revision if follows_digits else None
    if lesson is None:
        st.caption(_("Choose what to look into: the network, its mistakes, the training loop, or the code."))
        return
    st.caption(_(lesson.about))
    visitor.experiment_ticking = visitor.is_experimenting
    follow_run = visitor.tick_seconds if lesson.follows_run else None
    follow_experiment = visitor.experiment_tick_seconds if lesson.follows_experiment else None
    st.fragment(draw, run_every=follow_run or follow_experiment)(lesson, visitor)


def draw(lesson: Lesson, visitor: Visitor) -> None:
    """The lesson, and the address, which names what is chosen in it."""
    lesson.show(visitor)
    address.follow(visitor)


def import_lessons() -> None:
    """Import all of them, so that none has to be waited for when it is chosen."""
    for lesson in LESSONS.values():
        importlib.import_module(f"mnist_ui.lessons.{lesson.module}")
