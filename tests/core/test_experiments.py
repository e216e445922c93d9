"""Each mistake does on real data what the lesson says of it, and nothing is wrong with the right twins."""

from __future__ import annotations

import inspect
import math
import string
from collections.abc import Callable
from functools import cache
from itertools import islice, pairwise

import pytest
import torch
from torch import nn

from mnist_core import Digits, build_model, make_loader, train_step
from mnist_core.data import normalize
from mnist_core.lessons import broken_habits as habits
from mnist_core.lessons import broken_steps as steps
from mnist_core.lessons.comparisons import BROKEN, READINGS, RIGHT, Found, Material, Measured
from mnist_core.lessons.experiments import EXPERIMENTS, SILENT_MISTAKES, in_percent, run_experiment
from mnist_core.lessons.graph_memory import HeldForBackward
from mnist_core.lessons.outcomes import (
    AS_WELL,
    FLAT,
    GROWS,
    HONEST,
    JITTERS,
    NOTHING,
    ONCE,
    RUNS_AWAY,
    STEADY,
    TOO_BAD,
    TOO_GOOD,
    WORSE,
    WRONG,
    judge_all_digits,
    judge_learning,
    judge_memory,
    judge_readings,
    judge_score,
)

SYMPTOMS = {
    "stepped_before_backward": NOTHING,
    "stepped_with_old_gradients": AS_WELL,
    "cleared_after_backward": NOTHING,
    "forgot_zero_grad": RUNS_AWAY,
    "cleared_once_before_the_loop": RUNS_AWAY,
    "forgot_backward": NOTHING,
    "applied_softmax_twice": WORSE,
    "ascended_the_loss": RUNS_AWAY,
    "shuffled_labels_alone": NOTHING,
    "forgot_to_normalize": RUNS_AWAY,
    "chose_far_too_high_a_rate": RUNS_AWAY,
    "forgot_train": WORSE,
    "forgot_to_shuffle": NOTHING,
    "forgot_eval_with_dropout": JITTERS,
    "forgot_eval_with_batch_norm": JITTERS,
    "forgot_no_grad": GROWS,
    "evaluated_on_training_images": TOO_GOOD,
}
STEPS = [mistake.broken for mistake in SILENT_MISTAKES.values() if mistake.right is train_step]
NEVER_MOVE = [steps.stepped_before_backward, steps.cleared_after_backward, steps.forgot_backward]


@pytest.fixture(scope="session")
def facts(mnist_train: Digits, mnist_test: Digits) -> Callable[[str], list[Measured | Found]]:
    """facts(name): all that an experiment on 3,000 images tells; it is run once for all tests."""

    @cache
    def run(name: str) -> list[Measured | Found]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        picture = (mnist_test.images[0, 0].float() / 255).numpy()
        told = list(run_experiment(SILENT_MISTAKES[name], Material(mnist_train.first(3000), mnist_test, picture)))
        torch.set_num_threads(threads)
        return told

    return run


@pytest.fixture(scope="session")
def findings(facts: Callable[[str], list[Measured | Found]]) -> Callable[[str], dict[str, float]]:
    """findings(name): the numbers that an experiment comes to."""
    return lambda name: {fact.name: fact.value for fact in facts(name) if isinstance(fact, Found)}


def values(told: list[Measured | Found], side: str) -> list[float]:
    return [fact.value for fact in told if isinstance(fact, Measured) and fact.side == side]


@pytest.fixture(scope="module")
def batches(mnist_train: Digits) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Five batches of real digits."""
    return list(islice(make_loader(mnist_train, 20), 5))


def learner(seed: int = 0, **options: object) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = build_model("mlp", **options)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def weights_after(step, batches, **options) -> list[torch.Tensor]:
    model, optimizer = learner(**options)
    for images, labels in batches:
        step(model, images, labels, nn.CrossEntropyLoss(), optimizer)
    return [weights.detach().clone() for weights in model.parameters()]


def are_equal(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


# --- every experiment


def test_a_symptom_is_promised_for_every_silent_mistake() -> None:
    assert SYMPTOMS.keys() == SILENT_MISTAKES.keys()


@pytest.mark.parametrize("name", SILENT_MISTAKES)
def test_the_promised_symptom_shows_on_real_data(name, findings) -> None:
    comparison = SILENT_MISTAKES[name].comparison
    outcome = comparison.judge(findings(name))
    assert outcome == SYMPTOMS[name]
    assert outcome in comparison.outcomes


@pytest.mark.parametrize("name", SILENT_MISTAKES)
def test_every_number_in_the_words_was_measured(name, findings) -> None:
    found = in_percent(findings(name))
    for message in (SILENT_MISTAKES[name].explanation, SILENT_MISTAKES[name].comparison.result):
        fields = {field for _, field, _, _ in string.Formatter().parse(message.template) if field}
        assert fields <= found.keys()
        message.template.format(**found)


@pytest.mark.parametrize("name", SILENT_MISTAKES)
def test_both_curves_are_told_step_by_step_and_at_first_are_equally_long(name, facts) -> None:
    told = [fact for fact in facts(name) if isinstance(fact, Measured)]
    for side in (RIGHT, BROKEN):
        curve = [fact for fact in told if fact.side == side]
        assert [fact.step for fact in curve] == list(range(1, len(curve) + 1))
        assert len(curve) == curve[0].steps or not math.isfinite(curve[-1].value)


@pytest.mark.parametrize("name", SILENT_MISTAKES)
def test_equal_seeds_give_equal_numbers(name, facts, mnist_train, mnist_test) -> None:
    picture = (mnist_test.images[0, 0].float() / 255).numpy()
    again = run_experiment(SILENT_MISTAKES[name], Material(mnist_train.first(3000), mnist_test, picture))
    assert repr(list(islice(again, 5))) == repr(facts(name)[:5])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_names_are_those_of_the_confessions_and_every_text_is_there(name) -> None:
    experiment = EXPERIMENTS[name]
    assert name.startswith(experiment.broken.__name__)
    assert all((experiment.group, experiment.name, experiment.mistake, experiment.explanation))
    assert "`" not in experiment.name  # a list shows it as it is
    assert experiment.broken.__doc__


# --- in the step


@pytest.mark.parametrize("broken", STEPS, ids=lambda step: step.__name__)
def test_a_broken_step_has_the_signature_of_the_right_one(broken) -> None:
    assert inspect.signature(broken) == inspect.signature(train_step)


@pytest.mark.parametrize("broken", STEPS, ids=lambda step: step.__name__)
def test_a_broken_step_begins_like_the_right_one(broken, batches) -> None:
    (images, labels), told = batches[0], []
    for step in (train_step, broken):
        model, optimizer = learner()
        told.append(step(model, images, labels, nn.CrossEntropyLoss(), optimizer)[1])
    assert torch.equal(*told)


def test_the_loop_written_out_is_train_step_again_and_again(batches) -> None:
    model, optimizer = learner()
    for _ in steps.learn_batch_by_batch(model, batches, nn.CrossEntropyLoss(), optimizer):
        pass
    assert are_equal([*model.parameters()], weights_after(train_step, batches))


@pytest.mark.parametrize("step", NEVER_MOVE, ids=lambda step: step.__name__)
def test_some_steps_never_move_a_weight(step, batches) -> None:
    assert are_equal(weights_after(step, batches), weights_after(step, []))


def test_without_backward_there_are_no_gradients_at_all(batches) -> None:
    model, optimizer = learner()
    steps.forgot_backward(model, *batches[0], nn.CrossEntropyLoss(), optimizer)
    assert all(weights.grad is None for weights in model.parameters())


def test_zero_grad_may_stand_anywhere_but_between_backward_and_step(batches) -> None:
    def clear_after_step(model, images, labels, loss_fn, optimizer):
        loss_fn(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    def clear_before_backward(model, images, labels, loss_fn, optimizer):
        loss = loss_fn(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    right = weights_after(train_step, batches)
    assert are_equal(weights_after(clear_after_step, batches), right)
    assert are_equal(weights_after(clear_before_backward, batches), right)
    assert not are_equal(weights_after(steps.cleared_after_backward, batches), right)


def test_with_zero_grad_in_between_each_step_uses_the_gradients_of_the_batch_before(batches) -> None:
    model, optimizer = learner(hidden_sizes=())
    before = [weights.detach().clone() for weights in model.parameters()]
    gradients = None
    for images, labels in batches:
        expected = before if gradients is None else [w - 0.1 * g for w, g in zip(before, gradients, strict=True)]
        steps.stepped_with_old_gradients(model, images, labels, nn.CrossEntropyLoss(), optimizer)
        now = [weights.detach().clone() for weights in model.parameters()]
        assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(now, expected, strict=True))
        before, gradients = now, [weights.grad.clone() for weights in model.parameters()]


def test_with_two_layers_the_same_step_is_noticed_at_the_second_batch(batches) -> None:
    assert weights_after(steps.stepped_with_old_gradients, batches[:1])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        weights_after(steps.stepped_with_old_gradients, batches[:2])


def test_gradients_that_are_never_cleared_are_the_sum_of_all_so_far(batches) -> None:
    model, optimizer = learner()
    optimizer.param_groups[0]["lr"] = 0.0  # the same weights all the time, so that the sum can be computed
    total = 0.0
    for images, labels in batches:
        steps.forgot_zero_grad(model, images, labels, nn.CrossEntropyLoss(), optimizer)
        total = total + torch.autograd.grad(nn.functional.cross_entropy(model(images), labels), model.output.weight)[0]
    assert torch.allclose(model.output.weight.grad, total, atol=1e-5)


def test_cleared_once_before_the_loop_is_never_cleared(batches) -> None:
    model, optimizer = learner()
    for _ in steps.cleared_once_before_the_loop(model, batches, nn.CrossEntropyLoss(), optimizer):
        pass
    assert are_equal([*model.parameters()], weights_after(steps.forgot_zero_grad, batches))


def test_a_softmax_too_many_leaves_a_floor_under_the_loss_and_a_roof_over_the_answer(facts) -> None:
    certain = torch.eye(10)  # the best probabilities that there can be
    floor = nn.functional.cross_entropy(certain, torch.arange(10)).item()
    assert floor == pytest.approx(math.log(math.e + 9) - 1, abs=1e-6)
    assert f"{floor:.2f}" == "1.46"
    assert f"{certain.softmax(dim=1).max():.2f}" == "0.23"
    assert min(values(facts("applied_softmax_twice"), BROKEN)) > floor


def test_a_softmax_too_many_makes_small_gradients(batches) -> None:
    lengths = []
    for step in (train_step, steps.applied_softmax_twice):
        model, optimizer = learner()
        step(model, *batches[0], nn.CrossEntropyLoss(), optimizer)
        lengths.append(torch.cat([weights.grad.flatten() for weights in model.parameters()]).norm().item())
    assert lengths[1] < lengths[0] / 3


def test_going_up_ends_in_infinity_or_no_number(facts) -> None:
    told = values(facts("ascended_the_loss"), BROKEN)
    assert told[1] > told[0]
    assert not math.isfinite(told[-1])
    assert all(map(math.isfinite, told[:-1]))


# --- around the step


def test_shuffled_labels_are_the_same_labels_beside_other_images(mnist_train) -> None:
    digits = mnist_train.first(500)
    shuffled = habits.shuffled_labels_alone(digits, 0).dataset
    assert torch.equal(shuffled.images, digits.images)
    assert torch.equal(shuffled.labels.sort().values, digits.labels.sort().values)
    assert (shuffled.labels == digits.labels).float().mean() < 0.2


def test_labels_that_mean_nothing_leave_the_loss_where_guessing_is(findings) -> None:
    assert findings("shuffled_labels_alone")["broken_loss"] == pytest.approx(math.log(10), abs=0.1)


def test_the_right_loaders_hand_out_what_the_real_one_does(mnist_train) -> None:
    digits = mnist_train.first(200)
    real = list(make_loader(digits, 50, shuffle=True, seed=3))
    for load in (habits.load_digits_with_their_labels, habits.load_normalized):
        for (images, labels), (real_images, real_labels) in zip(load(digits, 3), real, strict=True):
            assert torch.equal(images, real_images)
            assert torch.equal(labels, real_labels)


def test_pixels_that_were_not_normalised_are_those_of_the_file(mnist_train) -> None:
    digits = mnist_train.first(200)
    raw = torch.cat([images for images, _ in habits.forgot_to_normalize(digits, 0)])
    assert (raw.min(), raw.max()) == (0, 255)
    assert normalize(digits.images).min() == pytest.approx(-0.42, abs=0.01)
    assert normalize(digits.images).max() == pytest.approx(2.82, abs=0.01)


def test_a_network_that_was_given_raw_pixels_does_not_recover(findings) -> None:
    found = findings("forgot_to_normalize")
    assert found["broken_first_loss"] > 3 * found["right_first_loss"]
    assert found["broken_accuracy"] < 0.25


def test_in_eval_mode_batch_norm_gathers_nothing(batches) -> None:
    gathered = []
    for loop in (steps.learn_in_train_mode, steps.forgot_train):
        model = build_model("fast_cnn").eval()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in loop(model, batches, nn.CrossEntropyLoss(), optimizer):
            pass
        gathered.append(
            (model.features[2].running_mean.any().item(), (model.features[2].running_var != 1).any().item())
        )
    assert gathered == [(True, True), (False, False)]


def test_without_shuffling_the_batches_go_from_0_to_9_and_the_last_digit_is_what_is_left(
    mnist_train, facts, findings
) -> None:
    labels = torch.cat([labels for _, labels in habits.forgot_to_shuffle(mnist_train.first(500), 0)])
    assert torch.equal(labels, labels.sort().values)
    assert findings("forgot_to_shuffle")["broken_favourite"] == 9
    assert findings("forgot_to_shuffle")["broken_favourite_share"] > 0.5
    told = values(facts("forgot_to_shuffle"), BROKEN)
    jumps = [now for before, now in pairwise(told) if now > before + 1.5]
    assert len(jumps) >= 9  # two epochs with nine changes of digit each; single batches hold two digits


def test_the_loss_that_a_high_rate_leads_to_is_higher_than_at_the_start(findings) -> None:
    found = findings("chose_far_too_high_a_rate")
    assert found["broken_highest_loss"] > 100 * found["broken_first_loss"]
    assert found["broken_accuracy"] < 0.25


# --- in the test


@pytest.mark.parametrize("name", ["forgot_eval_with_dropout", "forgot_eval_with_batch_norm"])
def test_in_eval_mode_the_same_drawing_gets_the_same_answer_every_time(name, facts, findings) -> None:
    assert findings(name)["right_spread"] < 1e-5
    told = values(facts(name), BROKEN)
    assert len(told) == READINGS
    assert len(set(told)) > READINGS / 2


def test_reading_in_training_mode_changes_what_batch_norm_has_gathered(mnist_test) -> None:
    model = build_model("fast_cnn").train()
    images = normalize(mnist_test.images[:2])
    before = model.features[2].running_mean.clone()
    habits.forgot_eval(model, images)
    changed = model.features[2].running_mean.clone()
    assert not torch.equal(changed, before)
    habits.read_in_eval_mode(model, images)
    assert torch.equal(model.features[2].running_mean, changed)


def test_the_kept_memory_is_that_of_a_hand_calculation() -> None:
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU()), torch.zeros(5, 1, 28, 28)
    with (memory := HeldForBackward(model)):
        output = model(images)
        assert memory.held_bytes == 4 * (5 * 784 + 5 * 10)  # the linear layer's input, the ReLU's output
        another = model(images)
        assert memory.held_bytes == 4 * (5 * 784 + 2 * 5 * 10)  # the same images, kept once
        del output
        assert memory.held_bytes == 4 * (5 * 784 + 5 * 10)
        del another
    assert memory.held_bytes == 0


def test_with_no_grad_nothing_is_kept_and_without_it_each_batch_adds_the_same(facts, findings) -> None:
    kept, told = values(facts("forgot_no_grad"), BROKEN), findings("forgot_no_grad")
    assert set(values(facts("forgot_no_grad"), RIGHT)) == {0}
    assert kept == pytest.approx([kept[0] * batch for batch in range(1, len(kept) + 1)])
    assert told["right_sum"] == pytest.approx(told["broken_sum"])
    assert told["broken_whole"] == pytest.approx(kept[0] * 10_000 / 20)


def test_a_sum_of_plain_numbers_lets_go_of_each_batch(mnist_test) -> None:
    model, total, kept = build_model("cnn"), 0.0, []
    with (memory := HeldForBackward(model)):
        for images, labels in islice(make_loader(mnist_test, 20), 4):
            total += nn.functional.cross_entropy(model(images), labels, reduction="sum").item()
            kept.append(memory.held_bytes)
    assert kept == [0] * 4


def test_a_large_network_knows_its_few_images_by_heart(findings) -> None:
    found = findings("evaluated_on_training_images")
    assert found["broken_accuracy"] > 0.99
    assert found["right_accuracy"] < 0.9
    assert found["weights"] == 784 * 512 + 512 + 512 * 10 + 10


# --- judging


def learned(accuracy: float = 0.9, loss: float = 0.2, highest: float = 2.4, favourite: float = 0.1) -> dict[str, float]:
    return {
        "right_accuracy": 0.91,
        "broken_accuracy": accuracy,
        "broken_first_loss": 2.3,
        "broken_loss": loss,
        "broken_highest_loss": highest,
        "broken_favourite_share": favourite,
    }


@pytest.mark.parametrize(
    ("found", "outcome", "over_all_digits"),
    [
        (learned(), AS_WELL, AS_WELL),
        (learned(accuracy=0.8), WORSE, WORSE),
        (learned(accuracy=0.1, loss=2.3, favourite=0.9), NOTHING, NOTHING),
        (learned(accuracy=0.1, highest=500), RUNS_AWAY, WORSE),
        (learned(accuracy=0.1, loss=math.nan), RUNS_AWAY, RUNS_AWAY),
        (learned(accuracy=0.1, loss=math.inf), RUNS_AWAY, RUNS_AWAY),
    ],
)
def test_what_became_of_a_network(found, outcome, over_all_digits) -> None:
    assert judge_learning(found) == outcome
    assert judge_all_digits(found) == over_all_digits


@pytest.mark.parametrize(("spread", "digit", "outcome"), [(0.0, 7, STEADY), (0.0, 1, WRONG), (0.2, 7, JITTERS)])
def test_what_readings_were_like(spread, digit, outcome) -> None:
    assert judge_readings({"broken_spread": spread, "broken_digit": digit, "right_digit": 7}) == outcome


@pytest.mark.parametrize(("half", "last", "outcome"), [(1, 1, FLAT), (9, 9, ONCE), (10, 20, GROWS)])
def test_how_memory_has_grown(half, last, outcome) -> None:
    assert judge_memory({"right_last": 1, "broken_half": half, "broken_last": last}) == outcome


@pytest.mark.parametrize(("told", "outcome"), [(0.81, HONEST), (1.0, TOO_GOOD), (0.5, TOO_BAD)])
def test_what_a_test_has_told(told, outcome) -> None:
    assert judge_score({"right_accuracy": 0.8, "broken_accuracy": told}) == outcome


def test_shares_are_shown_in_percent_and_nothing_else() -> None:
    assert in_percent({"right_accuracy": 0.5, "right_loss": 0.5}) == {"right_accuracy": 50, "right_loss": 0.5}
