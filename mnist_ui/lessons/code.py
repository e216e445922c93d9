"""The run as one script, phase by phase: made of the project's own source, to read, copy and download."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from mnist_core import TrainConfig
from mnist_core.data import make_loader
from mnist_core.fine_tuning import mixed
from mnist_core.lessons.export import FILE_NAME, Phase, export_script, script_phases
from mnist_core.messages import Message
from mnist_core.summaries import RunSummary
from mnist_core.training import evaluate, train_epoch
from mnist_core.weights import load_weights, save_weights
from mnist_core.worker import training_threads
from mnist_ui.language import _
from mnist_ui.lessons.run_table import labels_of
from mnist_ui.visitor import Visitor

NAME = "code"
REPOSITORY = Path(__file__).parents[2]
SIDEBAR = 0  # the choice of the settings in the sidebar, beside the numbers of runs
PHASES, WHOLE = "phases", "whole"
LONG_CODE = 34  # lines; more than that scrolls
CODE_HEIGHT = 520  # pixels
# What a phase is in this project, where the script writes it shorter: the phase's number -> the functions.
IN_PROJECT: dict[int, tuple[Callable[..., Any], ...]] = {
    1: (make_loader,),
    5: (train_epoch,),
    6: (evaluate,),
    7: (save_weights, load_weights),
}


def show(visitor: Visitor) -> None:
    """The panel: whose script, as phases or in one piece, and what can be said of its numbers."""
    run, config = choose_run(visitor)
    if run is not None and run.began_from is not None:
        show_beginning(run.began_from)
        return
    names = {PHASES: _("Phase by phase"), WHOLE: _("In one piece")}
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.segmented_control(
            _("View"),
            list(names),
            format_func=names.__getitem__,
            default=PHASES,
            required=True,
            key="code_view",
            label_visibility="collapsed",
            width="content",
        )
        script, phases = cached_script(json.dumps(config.as_dict(), sort_keys=True), config)
        st.download_button(
            _("Download {file_name}", file_name=FILE_NAME),
            data=script,
            file_name=FILE_NAME,
            mime="text/x-python",
            on_click="ignore",
            icon=":material/download:",
            key="code_download",
        )
    st.caption(promise(config, script))
    if view == WHOLE:
        show_code(script, "code_whole")
        return
    for position, phase in enumerate(phases):
        show_phase(position, phase)


@st.cache_data(max_entries=50, show_spinner=False)
def cached_script(settings: str, _config: TrainConfig) -> tuple[str, list[Phase]]:
    """The script of a configuration, whole and in parts; known by its settings, for a configuration has no hash."""
    threads = training_threads()
    return export_script(_config, threads), script_phases(_config, threads)


def choose_run(visitor: Visitor) -> tuple[RunSummary | None, TrainConfig]:
    """Whose script is shown, one of the last runs or, with None, the settings in the sidebar; and its configuration."""
    runs = {one.number: one for one in reversed(list(visitor.recent_runs))}
    labels = {SIDEBAR: _("the settings in the sidebar"), **labels_of(list(runs.values()))}
    notes = visitor.notes.setdefault(NAME, {})
    choices = [SIDEBAR, *runs]
    notes["chosen"] = chosen = st.selectbox(
        _("Script of"),
        choices,
        index=choices.index(notes["chosen"]) if notes.get("chosen") in choices else 0,
        format_func=labels.__getitem__,
        key=f"code_of_{hash(tuple(labels.items()))}",  # the browser keeps the names of a widget that it knows
        help=_("The run that the sidebar is set for, or one of your last runs."),
    )
    summary = runs[chosen].summary if chosen else None
    return summary, visitor.config if summary is None else summary.config


def show_beginning(began_from: Message) -> None:
    """Why there is no script of a run that went on from another network, and how its images were mixed."""
    st.info(
        _(
            "This run did not begin with a new network: it went on from other weights, and learnt from your own "
            "drawings too. Neither is in a script, so there is none that finds its losses. The loop is the same; this "
            "is how its images were mixed."
        )
    )
    st.text(_("It went on from: {network}", network=began_from))  # a run's name is no markdown
    show_code(inspect.getsource(mixed), "code_mixed")
    st.caption(_("Its weights can be downloaded under **Watch it learn**, your drawings under **My digits**."))


def promise(config: TrainConfig, script: str) -> str:
    """What has been tested of the script's numbers, and how long it is."""
    lines = len(script.splitlines())
    if config.precision == "float32" and config.device == "cpu":
        return _(
            "{lines:,} lines. On this machine it finds the losses of the run here, to the last digit: a test runs such "
            "scripts and compares.",
            lines=lines,
        )
    return _(
        "{lines:,} lines. Where it computes as this machine does, it finds the losses of the run here: to the last "
        "digit with float32 on the CPU, within a hundredth with bfloat16. A test runs such scripts and compares.",
        lines=lines,
    )


def show_phase(position: int, phase: Phase) -> None:
    """One part of the script with its heading, and where the project has more to it, its own functions."""
    heading = _(phase.name)
    st.markdown(f"#### {position}. {heading}" if position else f"#### {heading}")
    st.caption(_(phase.about))
    show_code(phase.code, f"code_phase_{position}")
    functions = IN_PROJECT.get(position, ())
    if functions:
        with st.expander(_("How this project does it"), key=f"code_expander_{position}"):
            for function in functions:
                st.caption(Path(inspect.getfile(function)).relative_to(REPOSITORY).as_posix())
                show_code(inspect.getsource(function), f"code_project_{function.__name__}")


def show_code(text: str, key: str) -> None:
    """Python to read and to copy; what is long scrolls in itself."""
    with st.container(key=key):
        st.code(text, language="python", height=CODE_HEIGHT if len(text.splitlines()) > LONG_CODE else "content")
