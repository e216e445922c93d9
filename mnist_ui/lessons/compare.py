"""The last runs side by side: curves, settings, how each reads the drawing, and one of them rewound."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from mnist_core import Prediction, classify
from mnist_core.errors import TrainingError
from mnist_core.recent_runs import RecentRun
from mnist_core.snapshots import Snapshot, model_at
from mnist_core.summaries import LONGEST_NAME, clean_name, differing_settings, runs_csv, runs_json
from mnist_ui.answer import STYLE, bars_html, percent, verdict_html
from mnist_ui.language import _
from mnist_ui.lessons.run_table import labels_of, name_of, show_table
from mnist_ui.run_charts import SECONDS, STEPS, Line, accuracies_chart, losses_chart
from mnist_ui.session import set_widget_value, widget_value
from mnist_ui.visitor import Visitor

NAME = "compare"
MOST_ANSWERS = 200  # remembered of one drawing


def show(visitor: Visitor) -> None:
    """The panel; while a run is going on it is drawn anew at every tick."""
    runs = list(visitor.recent_runs)
    if not runs:
        words = _(
            "Press **Train** above: each run is then kept here, the last {count}, and drawn over the others.",
            count=visitor.recent_runs.most,
        )
        st.info(words)
        return
    show_curves(runs)
    show_table(runs)
    left, right = st.columns(2, gap="large")
    with left:
        show_readings(visitor, runs)
        show_downloads(runs)
    with right:
        show_one(visitor, runs)


def show_curves(runs: Sequence[RecentRun]) -> None:
    """Accuracy and loss of all runs, over steps or over seconds."""
    names = {STEPS: _("over steps"), SECONDS: _("over seconds")}
    along = st.segmented_control(
        _("Curves"),
        list(names),
        format_func=names.__getitem__,
        default=STEPS,
        required=True,
        key="compare_along",
        label_visibility="collapsed",
    )
    labels = labels_of(runs)
    lines = [Line(labels[one.number], one.colour, one.summary) for one in runs]
    left, right = st.columns(2, gap="medium")
    with left:
        if any(line.summary.best_accuracy is not None for line in lines):
            best = max(lines, key=lambda line: line.summary.best_accuracy or 0)
            words = _(
                "Best test accuracy: {share:.2f} %, {name}.",
                share=100 * (best.summary.best_accuracy or 0),
                name=best.name,
            )
        else:
            words = _("The test accuracy comes with the end of the first epoch.")
        st.text(words)  # a name is no markdown
        accuracies_chart(lines, along).show(words, "compare_accuracy_chart")
    with right:
        words = _("Training loss, smoothed.")
        if {"loss", "label_smoothing"} & set(differing_settings([one.summary.config for one in runs])):
            words = _("Training loss, smoothed. Different losses, or label smoothing, cannot be compared by height.")
        st.text(words)
        losses_chart(lines, along).show(words, "compare_loss_chart")


def show_readings(visitor: Visitor, runs: Sequence[RecentRun]) -> None:
    """What each network says about the drawing."""
    st.markdown(_("**Your drawing, read by each**"))
    if not visitor.drawing.ink.any():
        st.caption(_("Draw a digit, and see here what each of these networks takes it for."))
        return
    labels = labels_of(runs)
    rows = []
    for one in reversed(runs):
        snapshots = one.summary.snapshots
        prediction = answer(visitor, one, snapshots[-1]) if snapshots else None
        rows.append(
            {
                _("Run"): labels[one.number],
                _("Answer"): why_no_answer(one) if prediction is None else _(prediction.verdict),
                _("Confidence"): percent(prediction.confidence) if prediction and prediction.digit is not None else "",
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="compare_readings")


def why_no_answer(one: RecentRun) -> str:
    """Why a run has no weights to read with, in words."""
    if not one.is_over:
        return _("Starting ...")
    return _("its weights were too large to keep") if one.summary.last_step else _("No step was made.")


def answer(visitor: Visitor, one: RecentRun, snapshot: Snapshot) -> Prediction:
    """What a run's network said to the drawing at a snapshot; remembered as long as the drawing stays."""
    drawing = visitor.drawing.picture
    notes = visitor.notes.setdefault(NAME, {})
    if notes.get("drawing") is not drawing or len(notes["answers"]) >= MOST_ANSWERS:
        notes.update(drawing=drawing, answers={})
    key = one.number, snapshot.step
    if key not in notes["answers"]:
        notes["answers"][key] = classify(model_at(one.summary.config, snapshot), drawing)
    answered: Prediction = notes["answers"][key]
    return answered


def show_one(visitor: Visitor, runs: Sequence[RecentRun]) -> None:
    """One run: its name, its removal, and its epochs one by one."""
    st.markdown(_("**One run**"))
    labels = labels_of(runs)
    numbers = [one.number for one in reversed(runs)]
    notes = visitor.notes.setdefault(NAME, {})
    if notes.get("newest") != numbers[0] or notes["chosen"] not in numbers:  # a new run is looked at first
        notes.update(newest=numbers[0], chosen=numbers[0])
    notes["chosen"] = chosen = st.selectbox(
        _("Run"),
        numbers,
        index=numbers.index(notes["chosen"]),
        format_func=labels.__getitem__,
        key=f"compare_run_{hash(tuple(labels.items()))}",  # the browser keeps the names of a widget that it knows
        label_visibility="collapsed",
    )
    one = next(one for one in runs if one.number == chosen)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choose_name(visitor, one)
        remove = st.button(
            _("Remove"),
            icon=":material/delete:",
            key="compare_remove",
            disabled=not one.is_over,
            help=_("Forgets this run and its network. A run that is going on must be stopped first."),
        )
    if remove:
        try:
            visitor.forget_run(one.number)
        except TrainingError as error:
            st.warning(_(error.message))
        else:
            st.rerun()  # the present run stands elsewhere on the page too
    rewind(visitor, one)


def choose_name(visitor: Visitor, one: RecentRun) -> None:
    """The field with the name of a run."""
    key = f"compare_name_{one.number}"
    if widget_value(key) != name_of(one):
        set_widget_value(key, name_of(one))

    def rename() -> None:
        wished = clean_name(str(widget_value(key)))
        if wished != name_of(one):  # a usual name goes on in the page's language
            visitor.recent_runs.rename(one.number, wished)

    st.text_input(_("Name"), max_chars=LONGEST_NAME, key=key, on_change=rename)


def rewind(visitor: Visitor, one: RecentRun) -> None:
    """The epochs of a run, one by one, with what its network said to the drawing then."""
    # In the middle of an epoch the newest weights change several times a second.
    kept = [snapshot for snapshot in one.summary.snapshots if snapshot.epoch is not None or one.is_over]
    snapshots = {snapshot.step: snapshot for snapshot in kept}
    steps = list(snapshots)
    if len(steps) < 2:
        st.caption(_("Here one turns back to earlier epochs, as soon as there are two to choose from."))
        return
    words = {step: moment_words(snapshot) for step, snapshot in snapshots.items()}
    turned_to = visitor.notes.setdefault(NAME, {}).setdefault("turned to", {})
    chosen = st.select_slider(
        _("Rewind"),
        steps,
        value=turned_to.get(one.number) if turned_to.get(one.number) in steps else steps[-1],
        format_func=words.__getitem__,
        key=f"compare_step_{one.number}_{hash(tuple(words.items()))}",  # another widget for other steps
        help=_("The network as it was then. Of many epochs some are kept, evenly spread."),
    )
    turned_to.clear()
    if chosen != steps[-1]:  # whoever has not turned back stays with the newest
        turned_to[one.number] = chosen
    accuracy = next((epoch.test_accuracy for epoch in one.summary.epochs if epoch.step == chosen), None)
    if accuracy is not None:
        then = _("Then it read {share:.2f} % of the test images.", share=100 * accuracy)
    elif chosen == 0 and one.summary.began_from is not None:
        then = _("Before its first step: as the network was that it went on from.")
    elif chosen == 0:
        then = _("Nothing was learnt yet: its weights are random.")
    else:
        then = _("In the middle of an epoch.")
    st.caption(then)
    if visitor.drawing.ink.any():
        prediction = answer(visitor, one, snapshots[chosen])
        st.html(STYLE + verdict_html(prediction) + bars_html(prediction))
    else:
        st.caption(_("Draw a digit, and see here what it answered at that time."))


def moment_words(snapshot: Snapshot) -> str:
    """When a snapshot was taken: "epoch 2", or "step 1,204" in the middle of one."""
    if snapshot.epoch is not None:
        return _("epoch {epoch}", epoch=snapshot.epoch)
    return _("step {step:,}", step=snapshot.step)


def show_downloads(runs: Sequence[RecentRun]) -> None:
    """All epochs of all runs as files."""
    named = [(name_of(one), one.summary) for one in runs]
    with st.container(horizontal=True, key="compare_downloads"):
        for words, file_name, mime, write in (
            (_("Runs as CSV"), "runs.csv", "text/csv", runs_csv),
            (_("Runs as JSON"), "runs.json", "application/json", runs_json),
        ):
            st.download_button(
                words,
                data=lambda write=write: write(named),
                file_name=file_name,
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
            )
