"""What is kept of the last runs: names, colours, numbers and weights, all of it bounded."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from safetensors.torch import save as save_safetensors

from mnist_core import RECIPES, BatchDone, EpochDone, TrainConfig, TrainingRun
from mnist_core.curves import MOST_POINTS
from mnist_core.errors import TrainingError
from mnist_core.recent_runs import LARGEST_WEIGHTS, MOST_RUNS, RecentRuns, usual_name
from mnist_core.runs import DONE, RUNNING
from mnist_core.snapshots import Snapshot, model_at, thinned
from mnist_core.summaries import (
    LONGEST_NAME,
    all_settings,
    clean_name,
    differing_settings,
    runs_csv,
    runs_json,
    settings_of,
    summarize,
)
from mnist_core.training import build_seeded_model

SMALL = TrainConfig(model="mlp", model_options={"hidden_sizes": [8]}, epochs=3)


def epoch_done(epoch: int, accuracy: float | None, batches: int = 10) -> EpochDone:
    return EpochDone(
        epoch=epoch, epochs=3, step=batches * epoch, train_loss=1 / epoch, train_accuracy=0.5, test_loss=0.5,
        test_accuracy=accuracy, learning_rate=0.1, seconds=2.0, test_seconds=0.5, images_per_second=100.0,
        stalled=False,
    )  # fmt: skip


def batch_done(epoch: int, batch: int, batches: int = 10) -> BatchDone:
    return BatchDone(
        epoch=epoch, batch=batch, batches=batches, loss=1 / (10 * epoch + batch), running_loss=1.0,
        running_accuracy=0.5, images=10 * batch, learning_rate=0.1, seconds=0.2 * batch,
    )  # fmt: skip


def finished(config: TrainConfig = SMALL, accuracies: tuple[float | None, ...] = (0.8, 0.9, 0.85), size: int = 1000):
    """A run as it is after its last epoch, told by hand, with snapshots of so many bytes."""
    run = TrainingRun(config)
    run._keep(Snapshot(0, bytes(size), 0))
    for epoch, accuracy in enumerate(accuracies, start=1):
        run._take_in([*(batch_done(epoch, batch) for batch in range(1, 11)), epoch_done(epoch, accuracy)])
        run._keep(Snapshot(10 * epoch, bytes(size), epoch))
    run.state = DONE
    return run


# --- the summary of one run


def test_a_summary_holds_what_the_run_found() -> None:
    summary = summarize(finished())
    assert summary.config == SMALL
    assert summary.best_accuracy == 0.9
    assert summary.training_seconds == pytest.approx(6.0)  # three epochs of two seconds
    assert summary.seconds_of_epochs.tolist() == [2, 4, 6]
    assert [epoch.epoch for epoch in summary.epochs] == [1, 2, 3]
    assert summary.parameters == sum(weights.numel() for weights in build_seeded_model(SMALL).parameters())
    assert summary.steps.tolist() == list(range(1, 31))
    assert (summary.last_step, summary.steps_of_epochs.tolist()) == (30, [10, 20, 30])
    assert len(summary.loss) == len(summary.seconds) == 30
    assert [snapshot.epoch for snapshot in summary.snapshots] == [0, 1, 2, 3]


def test_the_summary_of_a_run_that_was_broken_off_ends_with_its_last_weights() -> None:
    run = finished(accuracies=(0.8,))
    run._take_in([batch_done(2, batch) for batch in (1, 2, 3)])
    run._keep(Snapshot(13, b"newer"))
    assert [(one.step, one.epoch) for one in summarize(run).snapshots] == [(0, 0), (10, 1), (13, None)]


def test_a_run_that_has_not_begun_has_a_summary() -> None:
    summary = summarize(TrainingRun(SMALL))
    assert (summary.best_accuracy, summary.training_seconds, summary.epochs, summary.snapshots) == (None, 0, (), ())


def test_a_long_run_has_a_short_curve() -> None:
    run = TrainingRun(dataclasses.replace(SMALL, epochs=100))
    run._take_in([batch_done(epoch, batch) for epoch in range(1, 101) for batch in range(1, 11)])
    assert len(summarize(run).steps) == MOST_POINTS


def test_fewer_snapshots_end_with_the_last_and_in_none() -> None:
    snapshots = tuple(Snapshot(step, b"", step) for step in range(6))
    assert [one.step for one in thinned(snapshots)] == [1, 3, 5]
    assert [one.step for one in thinned(thinned(snapshots))] == [1, 5]
    summary = summarize(finished())
    for count in (2, 1, 0):
        summary = summary.with_fewer_snapshots()
        assert len(summary.snapshots) == count
    assert summary.weights_size == 0


def test_a_network_is_made_of_a_snapshot_again() -> None:
    model = build_seeded_model(SMALL)
    again = model_at(SMALL, Snapshot(0, save_safetensors(model.state_dict())))
    images = torch.randn(5, 1, 28, 28)
    assert torch.equal(again(images), model.eval()(images))
    assert not again.training
    assert not any(weights.requires_grad for weights in again.parameters())


# --- what sets runs apart


def test_settings_that_differ_are_found_those_of_the_model_too() -> None:
    configs = [SMALL, dataclasses.replace(SMALL, learning_rate=0.5, model_options={"hidden_sizes": [9]})]
    assert differing_settings(configs) == ["hidden_sizes", "learning_rate"]
    assert differing_settings([SMALL, SMALL]) == differing_settings([SMALL]) == differing_settings([]) == []


def test_a_setting_that_only_one_model_has_differs() -> None:
    configs = [SMALL, dataclasses.replace(SMALL, model="cnn", model_options={})]
    assert differing_settings(configs) == ["model", "hidden_sizes", "channels"]
    assert set(all_settings(configs)) == settings_of(configs[0]).keys() | settings_of(configs[1]).keys()


# --- the last runs


def test_runs_are_numbered_named_and_coloured() -> None:
    runs = RecentRuns()
    for recipe in ("fast", "course", "fast"):
        runs.add(finished(RECIPES[recipe]))
    assert [one.name for one in runs] == ["Fast, run 1", "Course, run 2", "Fast, run 3"]
    assert [one.colour for one in runs] == [0, 1, 2]
    assert usual_name(SMALL, 4) == "MLP, run 4"
    assert usual_name(dataclasses.replace(RECIPES["fast"], seed=1), 5) == "FastCNN, run 5"


def test_an_eleventh_run_takes_the_place_of_the_first_and_the_others_keep_their_colours() -> None:
    runs = RecentRuns()
    for _ in range(MOST_RUNS + 1):
        runs.add(finished())
    assert [one.number for one in runs] == list(range(2, MOST_RUNS + 2))
    assert [one.colour for one in runs] == [*range(1, MOST_RUNS), 0]


def test_a_removed_run_gives_back_its_memory_and_its_colour() -> None:
    runs = RecentRuns()
    run = finished()
    runs.add(run)
    runs.add(finished())
    summary = weakref.ref(runs.find(1).summary)
    assert runs.remove(1).number == 1
    run = weakref.ref(run)
    assert run() is None
    assert summary() is None
    assert [one.number for one in runs] == [2]
    assert runs.remove(1) is None
    assert runs.add(finished()).colour == 0


def test_a_run_that_is_going_on_is_not_removed_but_says_so() -> None:
    runs = RecentRuns()
    run = finished()
    run.state = RUNNING
    runs.add(run)
    with pytest.raises(TrainingError, match="going on"):
        runs.remove(1)
    assert len(runs) == 1


def test_a_summary_follows_the_run_that_is_going_on() -> None:
    runs = RecentRuns()
    run = TrainingRun(SMALL)
    run.state = RUNNING
    one = runs.add(run)
    assert one.summary.epochs == ()
    run._take_in([batch_done(1, 1)])
    assert one.summary.steps.tolist() == [1]
    assert one.summary.last_step == 30  # where it will end
    assert one.summary is one.summary  # nothing has happened in between
    run._take_in([epoch_done(1, 0.7)])
    assert one.summary.best_accuracy == 0.7


def test_only_the_present_run_is_kept_whole_and_older_weights_are_bounded() -> None:
    runs, size = RecentRuns(), 400_000  # about that of the course's network
    for number in range(1, MOST_RUNS + 1):
        run = finished(size=size)
        runs.add(run)
        older = list(runs)[:-1]
        assert [one.number for one in runs if one.run is not None] == [number]
        assert sum(one.summary.weights_size for one in older) <= LARGEST_WEIGHTS
        assert all(one.summary.snapshots for one in older)  # each can still be asked
        assert all(one.summary.snapshots[-1].epoch == 3 for one in older)


def test_a_server_may_keep_fewer_runs_and_fewer_weights() -> None:
    runs, size = RecentRuns(most=3, largest_weights=900_000), 400_000
    for _ in range(5):
        runs.add(finished(size=size))
    assert [one.number for one in runs] == [3, 4, 5]
    assert sum(one.summary.weights_size for one in list(runs)[:-1]) <= 900_000
    alone = RecentRuns(most=1)
    alone.add(finished())
    alone.add(finished())
    assert [one.number for one in alone] == [2]
    assert RecentRuns(most=50).most == MOST_RUNS


def test_weights_that_are_too_large_are_let_go() -> None:
    runs = RecentRuns()
    runs.add(finished(size=LARGEST_WEIGHTS + 1))
    runs.add(finished())
    assert runs.find(1).summary.snapshots == ()
    assert runs.find(1).summary.best_accuracy == 0.9


def test_names_are_given_and_taken_back() -> None:
    runs = RecentRuns()
    runs.add(finished())
    runs.rename(1, "  my\n best\trun ")
    assert runs.find(1).name == "my best run"
    runs.rename(1, " ")
    assert runs.find(1).name == "MLP, run 1"
    runs.rename(7, "nobody")


@given(some.text())
def test_names_are_one_bounded_line(name: str) -> None:
    clean = clean_name(name)
    assert len(clean) <= LONGEST_NAME
    assert clean.isprintable()
    assert clean == clean.strip() == clean_name(clean)


# --- files


def test_the_csv_has_a_line_for_each_epoch_of_each_run() -> None:
    named = [("first", summarize(finished())), ("second", summarize(finished(accuracies=(0.5, None))))]
    lines = list(csv.DictReader(io.StringIO(runs_csv(named))))
    assert [(line["run"], line["epoch"]) for line in lines] == [
        ("first", "1"), ("first", "2"), ("first", "3"), ("second", "1"), ("second", "2"),
    ]  # fmt: skip
    assert [line["test_accuracy"] for line in lines] == ["0.8", "0.9", "0.85", "0.5", ""]
    assert float(lines[1]["train_loss"]) == 0.5
    assert {line["config_hidden_sizes"] for line in lines} == {"8"}
    assert {line["config_learning_rate"] for line in lines} == {"0.03"}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", '="a",b\n'])
def test_no_name_becomes_a_formula(name: str) -> None:
    text = runs_csv([(clean_name(name), summarize(finished()))])
    cells = {line["run"] for line in csv.DictReader(io.StringIO(text))}
    assert cells == {"'" + clean_name(name)}


def test_a_name_with_a_comma_stays_one_cell() -> None:
    text = runs_csv([("Fast, run 3", summarize(finished()))])
    assert {line["run"] for line in csv.DictReader(io.StringIO(text))} == {"Fast, run 3"}


def test_the_json_makes_the_configuration_again() -> None:
    config = dataclasses.replace(RECIPES["best"], seed=7)
    run = finished(config)
    run.epochs[1] = dataclasses.replace(run.epochs[1], test_loss=float("inf"))
    told = json.loads(runs_json([("mine", summarize(run))]))["runs"][0]
    assert TrainConfig(**told["config"]) == config
    assert told["name"] == "mine"
    assert told["best_accuracy"] == 0.9
    assert [epoch["test_accuracy"] for epoch in told["epochs"]] == [0.8, 0.9, 0.85]
    assert [epoch["test_loss"] for epoch in told["epochs"]] == [0.5, None, 0.5]
