"""The last few runs of one person, with a name and a colour each, in a bounded amount of memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mnist_core.config import RECIPES, TrainConfig
from mnist_core.errors import TrainingError
from mnist_core.messages import Message, say
from mnist_core.models import MODELS
from mnist_core.runs import TrainingRun
from mnist_core.summaries import RunSummary, clean_name, summarize

MOST_RUNS = 10
LARGEST_WEIGHTS = 6 * 2**20  # bytes of the snapshots of all runs but the present one
RECIPE_NAMES = {"fast": say("Fast"), "course": say("Course"), "best": say("Best")}
LEARN_MY_HAND = say("Learn my hand")


def usual_name(config: TrainConfig, number: int, is_fine_tuned: bool = False) -> Message:
    """What a run is called before anybody names it: "Fast, run 3" by its recipe, or "FastCNN, run 4" by its model."""
    if is_fine_tuned:
        return say("{what}, run {number}", what=LEARN_MY_HAND, number=number)
    recipe = next((name for name, recipe in RECIPES.items() if recipe == config), "")
    return say("{what}, run {number}", what=RECIPE_NAMES.get(recipe, MODELS[config.model].__name__), number=number)


@dataclass(eq=False)
class RecentRun:
    """One of the last runs.

    Attributes:
        number: 1, 2, ..., by which it is told apart from the others. colour: 0..MOST_RUNS - 1; no two have the same.
        run: the run itself as long as it is the present one; afterwards None, and only the summary is kept.
    """

    number: int
    colour: int
    name: str
    run: TrainingRun | None
    _summary: RunSummary | None = field(default=None, repr=False)
    _seen: tuple[object, ...] = ()

    @property
    def summary(self) -> RunSummary:
        """What there is to compare, as of now."""
        run = self.run
        if run is not None:
            seen = run.state, run.latest_step, run.last_batch, len(run.epochs)
            if self._summary is None or self._seen != seen:
                self._summary, self._seen = summarize(run), seen
        assert self._summary is not None
        return self._summary

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come from it."""
        return self.run is None or self.run.is_over

    def condense(self) -> None:
        """Keep the summary alone."""
        self._summary, self.run = self.summary, None

    def shrink(self) -> None:
        """Keep fewer weights; only for one that is condensed."""
        self._summary = self.summary.with_fewer_snapshots()


class RecentRuns:
    """The runs in the order in which they were started, `most` at most; the last one may be going on."""

    def __init__(self, most: int = MOST_RUNS, largest_weights: int = LARGEST_WEIGHTS) -> None:
        """No runs yet.

        Args:
            most: 1 to MOST_RUNS. largest_weights: bytes of the snapshots of all runs but the present one.
        """
        self.most, self._largest_weights = max(1, min(most, MOST_RUNS)), largest_weights
        self._runs: list[RecentRun] = []
        self._started = 0

    def __iter__(self) -> Iterator[RecentRun]:
        return iter(tuple(self._runs))

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: TrainingRun) -> RecentRun:
        """Take note of a run that has been started; the one before it is condensed, the oldest forgotten."""
        for one in self._runs:
            if one.run is not None:
                one.condense()
        self._runs = self._runs[max(0, len(self._runs) - self.most + 1) :]
        self._started += 1
        taken = {one.colour for one in self._runs}
        colour = next(colour for colour in range(MOST_RUNS) if colour not in taken)
        name = usual_name(run.config, self._started, is_fine_tuned=run.beginning is not None)
        added = RecentRun(self._started, colour, name, run)
        self._runs.append(added)
        self._bound_weights()
        return added

    def _bound_weights(self) -> None:
        """Thin the snapshots of older runs, where they take most first, until all of them together are small enough."""
        older = [one for one in self._runs if one.run is None]
        while sum(one.summary.weights_size for one in older) > self._largest_weights:
            max(older, key=lambda one: one.summary.weights_size).shrink()

    def find(self, number: int) -> RecentRun | None:
        """The run with this number, if it is still kept."""
        return next((one for one in self._runs if one.number == number), None)

    def rename(self, number: int, name: str) -> None:
        """Give a run another name; its usual one when nothing of the name is left."""
        one = self.find(number)
        if one is not None:
            is_fine_tuned = one.summary.began_from is not None
            one.name = clean_name(name) or usual_name(one.summary.config, number, is_fine_tuned)

    def remove(self, number: int) -> RecentRun | None:
        """Forget a run with all that was kept of it; the one that was forgotten, if there was one.

        Raises:
            TrainingError: when it is going on.
        """
        one = self.find(number)
        if one is not None and not one.is_over:
            raise TrainingError(say("This run is going on. Stop it first, then it can be removed."))
        self._runs = [other for other in self._runs if other is not one]
        return one
