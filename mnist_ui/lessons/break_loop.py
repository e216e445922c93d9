"""Break the loop: guess what a mistake does, see it next to the right way, and read why."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mnist_core import prepare
from mnist_core.lessons.experiment_runs import ExperimentRun
from mnist_core.lessons.experiments import EXPERIMENTS, Experiment, in_percent
from mnist_core.lessons.loud_mistakes import ERRORS, LoudMistake, meet
from mnist_core.messages import say
from mnist_core.runs import DONE, WAITING
from mnist_ui import waiting
from mnist_ui.address import EXPERIMENT_KEY
from mnist_ui.choice import choose_one
from mnist_ui.film import data_url
from mnist_ui.language import _
from mnist_ui.lessons.break_charts import curves_chart, diff_html
from mnist_ui.session import set_widget_value, widget_value
from mnist_ui.test_images import test_digits
from mnist_ui.visitor import Visitor

NOTE = "break"  # in visitor.notes: {"name": the experiment that was tried, "guess": what its visitor guessed}


def show(visitor: Visitor) -> None:
    """The choice of a mistake, what is different, the guess, both runs and the explanation."""
    if visitor.experiment_ticking != visitor.is_experimenting:
        st.rerun()  # an experiment has begun, or has ended: the whole page takes note
    name = choose(visitor)
    chosen = EXPERIMENTS[name]
    if visitor.experiment is not None and visitor.experiment.name != name:
        visitor.end_experiment()
    st.markdown(_(chosen.mistake))
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        st.caption(_("The two functions as they run: − only in the right one, + only in the broken one."))
        st.html(diff_html(chosen.right, chosen.broken))
    with right:
        if isinstance(chosen, LoudMistake):
            show_loud(visitor, name, chosen)
        else:
            show_silent(visitor, name, chosen)


def choose(visitor: Visitor) -> str:
    """The list of mistakes, and the name of the chosen one; after an absence it is the one that was last tried."""
    if widget_value(EXPERIMENT_KEY) not in EXPERIMENTS:
        set_widget_value(EXPERIMENT_KEY, visitor.notes.get(NOTE, {}).get("name", next(iter(EXPERIMENTS))))
    return choose_one(_("What goes wrong"), list(EXPERIMENTS), format_func=title, key=EXPERIMENT_KEY)


def title(name: str) -> str:
    """An experiment as the list shows it: where it happens, and what."""
    return _("{group}: {mistake}", group=EXPERIMENTS[name].group, mistake=EXPERIMENTS[name].name)


def guess_of(visitor: Visitor, name: str) -> str | None:
    """What the visitor guessed before they tried this mistake out; None when they have not."""
    note: dict[str, str] = visitor.notes.get(NOTE, {})
    return note.get("guess") if note.get("name") == name else None


def ask(question: str, outcomes: dict[str, str], name: str) -> str | None:
    """The question and what may be guessed; the name of what is guessed."""
    guess: str | None = st.radio(
        question, list(outcomes), format_func=outcomes.__getitem__, index=None, key=f"break_guess_{name}"
    )
    return guess


def grade(guess: str, outcome: str, outcomes: dict[str, str]) -> None:
    """Say whether the guess was right, and if not, what happened."""
    happened = outcomes.get(outcome, outcome)
    if guess == outcome:
        st.success(_("You guessed right: {happened}", happened=happened), icon=":material/check_circle:")
    else:
        words = _("You guessed: {guess}\n\nWhat happened: {happened}", guess=outcomes[guess], happened=happened)
        st.info(words, icon=":material/lightbulb:")


# --- mistakes that fail silently


def show_silent(visitor: Visitor, name: str, experiment: Experiment) -> None:
    """First the guess, then both runs, then what came of it and why."""
    outcomes = {outcome: _(words) for outcome, words in experiment.comparison.outcomes.items()}
    run, guess = visitor.experiment, guess_of(visitor, name)
    if run is None or guess not in outcomes:
        guess = ask(_(experiment.comparison.question), outcomes, name)
        label = _("Try it")
        st.button(
            label, type="primary", icon=":material/science:", key="break_try", disabled=guess is None,
            on_click=try_out, args=(visitor, name, guess, 0), help=_("Runs both, on equal seeds. It takes seconds."),
        )  # fmt: skip
        return
    if run.state == WAITING:
        waiting.show(visitor, run)
    else:
        show_curves(run, experiment)
    if run.is_over:
        show_end(run, experiment, guess, outcomes)
        st.button(
            _("Again, with another seed"), icon=":material/casino:", key="break_again",
            on_click=try_out, args=(visitor, name, guess, run.seed + 1),
        )  # fmt: skip
    else:
        st.button(_("Stop"), icon=":material/stop:", key="break_stop", on_click=run.stop)


def try_out(visitor: Visitor, name: str, guess: str, seed: int) -> None:
    """Note the guess and start both runs."""
    visitor.notes[NOTE] = {"name": name, "guess": guess}
    visitor.try_out(name, picture_to_read(visitor), seed)


def picture_to_read(visitor: Visitor) -> NDArray[np.float32]:
    """The drawing as it is prepared, (28, 28) float32, 0..1; the first test digit as long as there is none."""
    prepared = prepare(visitor.drawing.ink)
    if not prepared.is_blank:
        return prepared.image
    return np.asarray(test_digits().images[0, 0].numpy() / 255, np.float32)


def show_end(run: ExperimentRun, experiment: Experiment, guess: str, outcomes: dict[str, str]) -> None:
    """How the guess compares with what was measured, the numbers and why they are so; or why there are none."""
    if run.error is not None:
        st.error(_(run.error), icon=":material/error:")
    elif run.state == DONE:
        grade(guess, experiment.comparison.judge(run.findings), outcomes)
        st.markdown(_(experiment.comparison.result.template, **in_percent(run.findings)))
        st.markdown(_(experiment.explanation.template, **in_percent(run.findings)))
    else:
        words = run.stopped_because or say("Stopped before its end, so nothing is claimed.")
        st.info(_(words), icon=":material/stop_circle:")


def show_curves(run: ExperimentRun, experiment: Experiment) -> None:
    """Both curves on one chart, and how far they are."""
    comparison = experiment.comparison
    curves = run.curves
    last = max((points[-1] for points in curves.values() if points), key=lambda point: point.step, default=None)
    words = _("No step was made.") if run.is_over else _("Starting ...")
    if last is not None:
        words = _("{axis} {step:,} of {steps:,}", axis=comparison.x, step=last.step, steps=last.steps)
    st.progress(last.step / last.steps if last else 0.0, text=words)
    if comparison.reads_drawing:
        picture, caption = st.columns([1, 6], vertical_alignment="center")
        picture.image(data_url((255 * run.picture).astype(np.uint8)), width=56)
        caption.caption(_("What is read: your drawing when you pressed, or a test digit when there was none."))
    chart = curves_chart(
        curves, _(comparison.x), _(comparison.y), comparison.of_shares, comparison.noisy, comparison.reads_drawing
    )
    words = _("Right and broken on one chart: {what} over {axis}.", what=comparison.y, axis=comparison.x)
    chart.show(alt=words, key="break_chart")


# --- mistakes that raise


def show_loud(visitor: Visitor, name: str, mistake: LoudMistake) -> None:
    """First the guess, then the error as it is, then what it says and how it is mended."""
    outcomes = {error: error for error in ERRORS}
    guess = guess_of(visitor, name)
    if guess not in outcomes:
        guess = ask(_("It does not get through. Which error will be raised?"), outcomes, name)
        st.button(
            _("Try it"), type="primary", icon=":material/science:", key="break_try", disabled=guess is None,
            on_click=visitor.notes.__setitem__, args=(NOTE, {"name": name, "guess": guess}),
            help=_("Runs the broken function, and then the right one."),
        )  # fmt: skip
        return
    with st.spinner(_("Running both ...")):
        raised, words, mended = met(name)
    grade(guess, raised, outcomes)
    st.code(f"{raised}: {words}", language=None, wrap_lines=True)
    st.markdown(_(mistake.explanation))
    if mended:
        st.caption(_("The right function has just run through without an error."))


@st.cache_data(show_spinner=False, max_entries=len(EXPERIMENTS))
def met(name: str) -> tuple[str, str, bool]:
    """The error that a loud mistake raises, its kind and its words, and whether the right function raises none."""
    mistake = EXPERIMENTS[name]
    error = meet(mistake.broken)
    return type(error).__name__, str(error), meet(mistake.right) is None
