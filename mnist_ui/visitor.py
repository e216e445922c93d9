"""What one visitor owns: their drawing, their run, their settings. Nothing else reads or writes session_state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.scriptrunner import get_script_run_ctx
from torch import nn

from mnist_core import TrainConfig, TrainingRun, load_model
from mnist_core.drawing import Ink, Picture, ink_of
from mnist_core.errors import ConfigError
from mnist_core.lessons.experiment_runs import ExperimentRun
from mnist_core.limits import check_limits
from mnist_core.links import Mended
from mnist_core.messages import Message
from mnist_core.recent_runs import RecentRuns
from mnist_core.run_queue import RunQueue
from mnist_core.runs import WAITING, ChildRun
from mnist_core.segmentation import cut_apart
from mnist_core.server_settings import server_settings

TICK_SECONDS = 0.5
TICK_SECONDS_IN_QUEUE = 1.0
MOST_UNDO = 30
SHIPPED, MINE = "shipped", "mine"
SIDE = 280  # pixels of the canvas; MNIST's 28 times ten


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is on the canvas.

    Attributes:
        picture: ink (H, W) uint8, 255 = pen; or, when there are colours, red, green and blue (H, W, 3) on black paper.
        objects: the strokes, as the canvas describes them.
        sent: the picture as the canvas sent it, a PNG; empty for one that was put there.
    """

    picture: Picture
    objects: tuple[Any, ...] = ()
    sent: bytes = b""

    @property
    def ink(self) -> Ink:
        """(H, W) uint8, 255 = pen, whatever its colour."""
        return ink_of(self.picture)


def no_runs() -> RecentRuns:
    """The list of last runs, as long as this server allows."""
    return RecentRuns(server_settings().kept_runs, server_settings().kept_weights)


def blank_drawing() -> Drawing:
    """An empty canvas."""
    return Drawing(np.zeros((SIDE, SIDE), np.uint8))


@dataclass(eq=False)
class Visitor:
    """One person with one browser tab."""

    session_id: str = ""
    tab: str | None = None
    drawing: Drawing = field(default_factory=blank_drawing)
    undo: list[Drawing] = field(default_factory=list)
    canvas_start: tuple[Any, ...] = ()  # the strokes that the canvas was last filled with
    canvas_revision: int = 0  # how often it was filled from here
    last_sent: bytes = b""
    canvas_lost_at: int | None = None  # the last loss that was made good
    config: TrainConfig = field(default_factory=TrainConfig)
    config_problem: Message | None = None  # why this server does not train it
    run: TrainingRun | None = None  # the present one
    waiting_run: TrainingRun | None = None  # the next one, as long as it waits for a place; it then becomes the present
    lost_place: Message | None = None  # why the last one that waited never began
    recent_runs: RecentRuns = field(default_factory=no_runs)  # the last ones, the present one among them
    experiment: ExperimentRun | None = None
    answered_by: str = SHIPPED
    pen: str = "#ff9f1c"  # its colour, once digits are in colour
    settings: dict[str, Any] = field(default_factory=dict)
    photos_put: int = 0  # how many pictures were read and put onto the canvas
    photo_problem: str = ""  # why the last one was not
    has_come_back: bool = False  # whether the tab's name has been looked up in this session
    wants_training: bool = False  # Train was pressed; the settings are read first
    drawn_following: str = ""  # what the page followed when it was last drawn, see `following`
    experiment_ticking: bool = False  # whether the lesson about experiments was
    drawing_in_lesson: Drawing | None = None  # the one that the open lesson shows; None before, or when it shows none
    answerer_in_lesson: str | None = None  # whose network it is about; None when no lesson is open
    notes: dict[str, Any] = field(default_factory=dict)  # what a lesson remembers, by the lesson's name
    link_is_read: bool = False  # whether the address by which the page was opened has been read
    address: dict[str, str] | None = None  # the query that the page's address was last given
    looked_at: dict[str, Any] = field(default_factory=dict)  # panel, experiment, language, by their widgets' keys
    mended: tuple[Mended, ...] = ()  # what the link asked for in vain, until its visitor has read it
    gone_since: float | None = None
    _cut: tuple[Drawing | None, tuple[Picture, ...]] = (None, ())
    _answers: tuple[object, bytes, dict[int, NDArray[np.float32]]] = (None, b"", {})

    def draw(self, drawing: Drawing) -> None:
        """Take over what the canvas has sent: a stroke more, or else its own view of what was put there."""
        if len(drawing.objects) != len(self.drawing.objects):
            self._remember()
        self.drawing = drawing
        self.last_sent = drawing.sent

    def put(self, drawing: Drawing) -> None:
        """Put a drawing onto the canvas."""
        self._remember()
        self._fill(drawing)

    def take_back(self) -> None:
        """Undo the last stroke, clearing or example."""
        if self.undo:
            self._fill(self.undo.pop())

    def refill(self) -> None:
        """Fill the canvas, which is a new one, with the drawing that is there."""
        self._fill(self.drawing)

    def refill_if_lost(self, lost_at: int | None) -> None:
        """Fill the canvas again when the browser tells of a loss that has not been made good."""
        if lost_at not in (None, self.canvas_lost_at):
            self.canvas_lost_at = lost_at
            self.refill()

    def _remember(self) -> None:
        self.undo = [*self.undo, self.drawing][-MOST_UNDO:]

    def _fill(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.canvas_start = drawing.objects
        self.canvas_revision += 1

    def digits(self) -> tuple[Picture, ...]:
        """The digits of the drawing when it is a number, as the shipped network sees them; otherwise none."""
        if self._cut[0] is not self.drawing:
            self._cut = (self.drawing, cut_apart(shipped_model(), self.drawing.picture))
        return self._cut[1]

    @property
    def is_training(self) -> bool:
        """Whether a run is going on or paused."""
        return self.run is not None and not self.run.is_over

    @property
    def following(self) -> str:
        """What the page refreshes itself for: "run", "queue" or, when there is nothing to follow, ""."""
        if self.is_training:
            return "run"
        return "" if self.waiting_run is None else "queue"

    @property
    def may_train(self) -> bool:
        """Whether Train can be pressed: one run at a time, with settings that this server allows."""
        return not self.following and self.config_problem is None

    @property
    def tick_seconds(self) -> float | None:
        """How often what follows a run draws itself anew; None when there is nothing to follow."""
        return TICK_SECONDS if self.is_training else None

    @property
    def progress_tick_seconds(self) -> float | None:
        """How often the training panel draws itself anew: also for the place in the queue."""
        return TICK_SECONDS_IN_QUEUE if self.following == "queue" else self.tick_seconds

    def forget_mended(self) -> None:
        """Note that the notice of what was mended has been read."""
        self.mended = ()

    @property
    def runs(self) -> tuple[ChildRun, ...]:
        """All that goes on, or has gone on, in child processes for this visitor."""
        return tuple(run for run in (self.run, self.waiting_run, self.experiment) if run is not None)

    @property
    def is_experimenting(self) -> bool:
        """Whether an experiment is going on."""
        return self.experiment is not None and not self.experiment.is_over

    @property
    def experiment_tick_seconds(self) -> float | None:
        """How often what follows an experiment draws itself anew; None when there is nothing to follow."""
        return TICK_SECONDS if self.is_experimenting else None

    def try_out(self, name: str, picture: NDArray[np.float32], seed: int) -> None:
        """Start an experiment in place of the last one; the picture is the drawing, (28, 28) float32, 0..1."""
        self.end_experiment()
        self.experiment = ExperimentRun(name, picture, seed)
        run_queue().enter(self.experiment, self)

    def end_experiment(self) -> None:
        """Stop the experiment that is going on, and forget it."""
        if self.experiment is not None:
            self.experiment.stop()
        self.experiment = None

    def wish_training(self) -> None:
        """Note that Train was pressed: its callback runs before the settings changed just before it are read."""
        self.wants_training = True

    def train_if_wished(self) -> None:
        """Begin a run with the settings in the sidebar, or let it wait for a place, when Train was pressed."""
        wished, self.wants_training = self.wants_training, False
        if wished and self.may_train:
            self.begin(TrainingRun(self.config, largest_weights=server_settings().kept_weights))
        self.drawn_following = self.following

    def begin(self, run: TrainingRun) -> None:
        """Let a run start, or wait for a place; the present one is kept until then."""
        self.waiting_run, self.lost_place = run, None
        run_queue().enter(run, self)
        self.take_turn()

    def take_turn(self) -> None:
        """Let the run that has waited become the present one, when it has been called."""
        run = self.waiting_run
        if run is None or run.state == WAITING:
            return
        self.waiting_run = None
        if run.stopped_because is not None and not run.history:
            self.lost_place = run.stopped_because
            return
        self.run, self.answered_by = run, MINE
        self.recent_runs.add(run)

    def leave_queue(self) -> None:
        """Give up the place of the run that waits; nothing else changes."""
        run, self.waiting_run = self.waiting_run, None
        if run is not None:
            run.stop()

    def take_config(self, config: TrainConfig) -> None:
        """Take over what the settings add up to, and note whether this server allows it."""
        self.config = config
        try:
            check_limits(config, server_settings())
            self.config_problem = None
        except ConfigError as error:
            self.config_problem = error.message

    def forget_run(self, number: int) -> None:
        """Forget one of the last runs; the present one is then gone from all of the page.

        Raises:
            TrainingError: when it is going on.
        """
        forgotten = self.recent_runs.remove(number)
        if forgotten is not None and forgotten.run is not None and forgotten.run is self.run:
            self.run, self.answered_by = None, SHIPPED

    def answers_to(self, image: bytes) -> dict[int, NDArray[np.float32]]:
        """The answers (10,) by step that the present run's snapshots have given to this image; filled by who asks."""
        if self._answers[:2] != (self.run, image):
            self._answers = (self.run, image, {})
        return self._answers[2]

    def choose_answerer(self, key: str) -> None:
        """Let the network answer that the widget with this key says."""
        self.answered_by = st.session_state[key]

    def answering_model(self) -> tuple[str, int, nn.Module]:
        """Which network answers, the visitor's own or the shipped one, after how many steps, and the network itself."""
        latest = self.run.latest if self.run is not None and self.answered_by == MINE else None
        return (SHIPPED, 0, shipped_model()) if latest is None else (MINE, *latest)


@st.cache_resource(show_spinner=False)
def run_queue() -> RunQueue:
    """The one queue of this server; a cluster has its own."""
    settings = server_settings()
    return RunQueue(None if settings.scheduler else settings.runs, settings.run_seconds)


@st.cache_resource(show_spinner=False)
def shipped_model() -> nn.Module:
    """The shipped network, one for all visitors: it is only ever read."""
    return load_model()


SETTING = "setting_"


def setting_key(name: str, default: Any) -> str:
    """The key of a widget in the sidebar, whose value is set here: the one that it has, or its first one.

    Streamlit tells the browser a value once, in the run in which it was set. That run may have been broken off before,
    so every run sets it again.
    """
    key = SETTING + name
    st.session_state[key] = st.session_state.get(key, default)
    return key


def write_settings(values: Mapping[str, Any]) -> None:
    """Give widgets of the sidebar other values, before they are drawn."""
    for name, value in values.items():
        st.session_state[SETTING + name] = value


def widget_value(key: str) -> Any:
    """The value of the widget with this key; None when there is none, as outside of a page."""
    return None if get_script_run_ctx(suppress_warning=True) is None else st.session_state.get(key)


def set_widget_value(key: str, value: Any) -> None:
    """Give a widget another value, before it is drawn."""
    st.session_state[key] = value


def read_setting(name: str) -> Any:
    """The value of one of the sidebar's widgets; None before it has one."""
    return widget_value(SETTING + name)


def read_settings() -> dict[str, Any]:
    """The values of all the sidebar's widgets by name."""
    return {
        key.removeprefix(SETTING): value
        for key, value in st.session_state.items()
        if isinstance(key, str) and key.startswith(SETTING)
    }
