"""What one visitor owns: their drawing, their run, their settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from torch import nn

from mnist_core import TrainConfig, TrainingRun, load_model
from mnist_core.contribution import Contribution
from mnist_core.drawing import Picture
from mnist_core.errors import ConfigError
from mnist_core.fine_tuning import begin_from, plan_fine_tuning
from mnist_core.folding import folded
from mnist_core.lessons.experiment_runs import ExperimentRun
from mnist_core.limits import check_limits, within_limits
from mnist_core.messages import Message, say
from mnist_core.my_digits import MyDigits, digits_of
from mnist_core.opened import OpenedNetwork
from mnist_core.queries import Mended
from mnist_core.recent_runs import RecentRuns
from mnist_core.run_queue import RunQueue
from mnist_core.runs import WAITING, ChildRun
from mnist_core.segmentation import cut_apart
from mnist_core.server_settings import server_settings
from mnist_ui.drawing import Drawer, Drawing
from mnist_ui.session import widget_value

TICK_SECONDS = 0.5
TICKS = {"run": TICK_SECONDS, "front": 1.0, "queue": 3.0}  # seconds, by what is followed; a long queue moves slowly
SHIPPED, MINE = "shipped", "mine"


def no_runs() -> RecentRuns:
    """The list of last runs, as long as this server allows."""
    return RecentRuns(server_settings().kept_runs, server_settings().kept_weights)


def no_digits() -> MyDigits:
    """The list of labelled drawings, as long as this server allows."""
    return MyDigits(server_settings().own_digits)


@dataclass(eq=False)
class Visitor(Drawer):
    """One person with one browser tab."""

    session_id: str = ""
    tab: str | None = None
    config: TrainConfig = field(default_factory=TrainConfig)
    config_problem: Message | None = None  # why this server does not train it
    run: TrainingRun | None = None  # the present one
    waiting_run: TrainingRun | None = None  # the next one, as long as it waits for a place; it then becomes the present
    lost_place: Message | None = None  # why the last one that waited never began
    recent_runs: RecentRuns = field(default_factory=no_runs)  # the last ones, the present one among them
    opened: OpenedNetwork | None = None  # from a file; while there is one, it is the visitor's own network
    experiment: ExperimentRun | None = None
    my_digits: MyDigits = field(default_factory=no_digits)  # the drawings that were labelled
    contribution: Contribution = field(default_factory=Contribution)  # of these to the owner of the server
    answered_by: str = SHIPPED
    settings: dict[str, Any] = field(default_factory=dict)
    has_come_back: bool = False  # whether the tab's name has been looked up in this session
    wants_training: bool = False  # Train was pressed; the settings are read first
    drawn_following: str = ""  # what the page followed when it was last drawn, see `following`
    experiment_ticking: bool = False  # whether the lesson about experiments was
    answerer_in_lesson: str | None = None  # whose network it is about; None when no lesson is open
    digits_in_lesson: int | None = None  # the revision of the labelled drawings that it shows; None when it shows none
    notes: dict[str, Any] = field(default_factory=dict)  # what a lesson remembers, by the lesson's name
    link_is_read: bool = False  # whether the address by which the page was opened has been read
    address: dict[str, str] | None = None  # the query that the page's address was last given
    looked_at: dict[str, Any] = field(default_factory=dict)  # panel, experiment, language, by their widgets' keys
    mended: tuple[Mended, ...] = ()  # what the link asked for in vain, until its visitor has read it
    gone_since: float | None = None
    _cut: tuple[Drawing | None, tuple[Picture, ...]] = (None, ())
    _answers: tuple[object, bytes, dict[int, NDArray[np.float32]]] = (None, b"", {})

    @property
    def in_colour(self) -> bool:
        """Whether digits are in colour: as the settings say that were last read."""
        return self.config.colour

    def digits(self) -> tuple[Picture, ...]:
        """The digits of the drawing when it is a number, as the shipped network sees them; otherwise none."""
        if self._cut[0] is not self.drawing:
            self._cut = (self.drawing, cut_apart(shipped_reader(), self.drawing.picture))
        return self._cut[1]

    @property
    def is_training(self) -> bool:
        """Whether a run is going on or paused."""
        return self.run is not None and not self.run.is_over

    @property
    def following(self) -> str:
        """What the page refreshes itself for: "run", "queue", its "front", or "" when there is nothing to follow."""
        if self.is_training:
            return "run"
        if self.waiting_run is None:
            return ""
        return "queue" if (run_queue().ahead_of(self.waiting_run) or 0) > 1 else "front"

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
        return TICKS.get(self.following)

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

    def learn_hand(self) -> TrainingRun:
        """Let the network that answers go on learning from the visitor's drawings, in a run like any other.

        Raises:
            ConfigError: when this server does not allow it.
        """
        name, step, model = self.answering_model()
        learnt = digits_of(self.my_digits.learnt)
        settings = server_settings()
        own = self.own_network if name == MINE else None
        trained = own.config if isinstance(own, TrainingRun) else None
        config = within_limits(plan_fine_tuning(model, trained, len(learnt)), settings)
        check_limits(config, settings)
        beginning = begin_from(self.network_name(name, step), model, learnt)
        run = TrainingRun(config, beginning=beginning, largest_weights=settings.kept_weights)
        self.my_digits.note_learnt()
        self.begin(run)
        return run

    def network_name(self, name: str, step: int) -> Message:
        """What a network is called for which a run's or file's name must be told too: SHIPPED, or MINE after steps."""
        if name == SHIPPED:
            return say("the shipped network")
        if self.opened is not None:
            return say("the file {name}", name=self.opened.name)
        present = next((one.name for one in self.recent_runs if one.run is self.run), "")
        return say("{run}, step {step:,}", run=present, step=step)

    def take_turn(self) -> None:
        """Let the run that has waited become the present one, when it has been called."""
        run = self.waiting_run
        if run is None or run.state == WAITING:
            return
        self.waiting_run = None
        if run.is_over and not run.history and (run.stopped_because or run.error):
            self.lost_place = run.stopped_because or run.error  # and what there was before goes on answering
            return
        self.run, self.opened, self.answered_by = run, None, MINE
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
            self.run = None
            if self.opened is None:
                self.answered_by = SHIPPED

    def open(self, network: OpenedNetwork) -> None:
        """Take a network from a file for the visitor's own, until they train or close it."""
        self.opened, self.answered_by = network, MINE

    def close_opened(self) -> None:
        """Let the network from the file go; the present run's is the visitor's own again, if there is one."""
        self.opened = None
        if self.run is None:
            self.answered_by = SHIPPED

    @property
    def own_network(self) -> OpenedNetwork | TrainingRun | None:
        """Where the visitor's own network comes from: the file that was opened, or else the present run."""
        return self.run if self.opened is None else self.opened

    def answers_to(self, image: bytes) -> dict[int, NDArray[np.float32]]:
        """The answers (10,) by step that the present run's snapshots have given to this image; filled by who asks."""
        if self._answers[:2] != (self.run, image):
            self._answers = (self.run, image, {})
        return self._answers[2]

    def choose_answerer(self, key: str) -> None:
        """Let the network answer that the widget with this key says."""
        self.answered_by = widget_value(key)

    def answering_model(self) -> tuple[str, int, nn.Module]:
        """Which network answers, the visitor's own or the shipped one, after how many steps, and the network itself."""
        if self.opened is not None and self.answered_by == MINE:
            return MINE, 0, self.opened.model
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


@st.cache_resource(show_spinner=False)
def shipped_reader() -> nn.Module:
    """The same network, folded: it answers sooner, but has fewer layers to look into."""
    return folded(shipped_model())
