"""What came of the last runs, and the settings that set them apart, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from mnist_core.messages import Message, say
from mnist_core.recent_runs import RecentRun
from mnist_core.runs import DONE, FAILED, PAUSED, RUNNING, STOPPED, WAITING
from mnist_core.summaries import all_settings, differing_settings, settings_of
from mnist_ui.language import _, number
from mnist_ui.run_charts import COLOURS, is_dashed

MARKED = "background-color: rgba(240, 165, 0, .28); font-weight: bold"
STATE_NAMES = {
    WAITING: say("starting"),
    RUNNING: say("going on"),
    PAUSED: say("paused"),
    DONE: say("done"),
    STOPPED: say("stopped"),
    FAILED: say("failed"),
}
SETTING_NAMES = {
    "model": say("Model"),
    "hidden_sizes": say("Hidden layers"),
    "channels": say("Channels"),
    "dropout": say("Dropout"),
    "activation": say("Activation"),
    "refuses": say("Can see that it is no digit"),
    "input_channels": say("Colours of the input"),
    "input_size": say("Side of the input"),
    "epochs": say("Epochs"),
    "learning_rate": say("Learning rate"),
    "batch_size": say("Batch size"),
    "optimizer": say("Optimizer"),
    "weight_decay": say("Weight decay"),
    "loss": say("Loss"),
    "label_smoothing": say("Label smoothing"),
    "schedule": say("Learning rate schedule"),
    "augment": say("Augmentation"),
    "colour": say("Colour digits"),
    "train_images": say("Training images"),
    "made_digits": say("Made digits"),
    "non_digits": say("Non-digits"),
    "seed": say("Seed"),
    "device": say("Device"),
    "precision": say("Precision"),
    "patience": say("Patience"),
    "stop_when_stalled": say("Stop by itself"),
}


def name_of(one: RecentRun) -> str:
    """The name of a run in the page's language, or as its visitor wrote it."""
    return _(one.name) if isinstance(one.name, Message) else one.name


def labels_of(runs: Sequence[RecentRun]) -> dict[int, str]:
    """What the runs are called on the page, by their numbers: their names, and where two have the same, numbers too."""
    names = {one.number: name_of(one) for one in runs}
    count = Counter(names.values())
    labels = {number: name if count[name] == 1 else f"{number}. {name}" for number, name in names.items()}
    if len(set(labels.values())) == len(labels):
        return labels
    return {number: f"{number}. {name}" for number, name in names.items()}  # somebody has named one "2. MLP"


def show_table(runs: Sequence[RecentRun]) -> None:
    """A row for each run, newest first: what came of it, and the settings in which the runs differ."""
    configs = [one.summary.config for one in runs]
    differing = differing_settings(configs)
    everything = st.toggle(
        _("All settings"),
        key="compare_all_settings",
        help=_("Shows the settings too that are the same in all of these runs."),
    )
    shown = all_settings(configs) if everything else differing
    newest_first = list(reversed(runs))
    labels = labels_of(runs)
    rows = [row(one, labels[one.number], shown) for one in newest_first]
    if any(one.summary.began_from is not None for one in runs):
        for cells, one in zip(rows, newest_first, strict=True):
            cells[_("Went on from")] = _(one.summary.began_from or say("a new network"))
    newest = settings_of(newest_first[0].summary.config)
    marks = [["" for _column in rows[0]] for _row in rows]
    first_setting = list(rows[0]).index(_("Parameters")) + 1
    for at, one in enumerate(newest_first):
        marks[at][0] = f"color: {COLOURS[one.colour]}; font-weight: bold"
        settings = settings_of(one.summary.config)
        for place, setting in enumerate(shown, start=first_setting):
            if settings.get(setting, ...) != newest.get(setting, ...):
                marks[at][place] = MARKED
    table = pd.DataFrame(rows)
    styled = table.style.apply(lambda _table: pd.DataFrame(marks, table.index, table.columns), axis=None)
    st.dataframe(
        styled,
        hide_index=True,
        key="compare_table",
        column_config={_("Run"): st.column_config.Column(width="medium")},
    )
    if len(runs) == 1:
        st.caption(_("Change a setting and press **Train again**: the next run stands here beside this one."))
    elif differing:
        st.caption(_("Marked: settings that differ from those of the newest run, in the first row."))
    else:
        st.caption(_("All settings are the same."))


def row(one: RecentRun, label: str, settings: Sequence[str]) -> dict[str, str]:
    """What the table says of a run; its line stands before its name."""
    summary = one.summary
    values = settings_of(summary.config)
    state = STATE_NAMES[summary.state]
    best = summary.best_accuracy
    return {
        _("Run"): f"{'╍╍' if is_dashed(one.colour) else '━━'} {label}",
        _("State"): _(state) if one.run is None else _("{state} (the present run)", state=state),
        _("Best test accuracy in %"): "" if best is None else number(100 * best, ".2f"),
        _("Training in s"): number(summary.training_seconds, ",.1f"),
        _("Parameters"): number(summary.parameters),
        **{_(SETTING_NAMES.get(setting, setting)): value_words(values, setting) for setting in settings},
    }


def value_words(settings: dict[str, Any], name: str) -> str:
    """The value of a setting in words; a dash when this run's model knows no such thing."""
    if name not in settings:
        return "–"
    value = settings[name]
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or _("none")
    if isinstance(value, float):
        return number(value, "g")
    return _("all") if value is None else str(value)
