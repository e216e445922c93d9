"""The training loop against hand calculations and plain torch."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import textwrap
import time
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mnist_core import (
    BatchDone,
    Digits,
    EpochDone,
    TrainConfig,
    build_model,
    evaluate,
    make_loader,
    train,
    train_epoch,
    train_step,
)
from mnist_core.data import normalize
from mnist_core.devices import available_devices
from mnist_core.errors import ConfigError, DataError, TrainingError
from mnist_core.training import build_seeded_model, evaluation_mode

SMALL = TrainConfig(
    model="mlp",
    model_options={"hidden_sizes": [16]},
    epochs=2,
    batch_size=50,
    train_images=230,
    device="cpu",
    precision="float32",
)


def small(**changes: object) -> TrainConfig:
    return dataclasses.replace(SMALL, **changes)


def run(config: TrainConfig, digits: Digits, test: Digits | None = None) -> tuple[nn.Module, list]:
    model = build_seeded_model(config)
    return model, list(train(model, digits, config, test=test))


def timeless(events: list) -> list[dict]:
    """The events as plain data, without what differs from run to run."""
    times = {"seconds", "test_seconds", "images_per_second"}
    return [{k: v for k, v in dataclasses.asdict(event).items() if k not in times} for event in events]


def weights_of(model: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in model.state_dict().values()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def few_tests(mnist_test) -> Digits:
    return mnist_test.first(300)


# --- one step


def test_a_step_on_a_linear_model_is_the_one_calculated_by_hand() -> None:
    weight, images, labels = torch.tensor([[0.5, -1.0], [1.0, 0.0]]), torch.tensor([[1.0, 2.0]]), torch.tensor([1])
    model = nn.Linear(2, 2, bias=False)
    model.weight.data = weight.clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss, logits = train_step(model, images, labels, nn.CrossEntropyLoss(), optimizer)
    # logits (-1.5, 1), so the probabilities are p and 1 - p; the gradient is (p - one_hot) times the image
    p = 1 / (1 + math.exp(2.5))
    assert logits.tolist() == [[-1.5, 1.0]]
    assert loss.item() == pytest.approx(-math.log(1 - p))
    gradient = torch.tensor([[p * 1, p * 2], [-p * 1, -p * 2]])
    torch.testing.assert_close(model.weight.detach(), weight - 0.1 * gradient)


def test_two_steps_equal_plain_torch_written_out() -> None:
    ours, theirs = nn.Linear(4, 3), nn.Linear(4, 3)
    theirs.load_state_dict(ours.state_dict())
    images, labels = torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1])
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.5)
    for _ in range(2):
        loss, _ = train_step(ours, images, labels, nn.CrossEntropyLoss(), optimizer)
        plain_loss = -F.log_softmax(theirs(images), dim=1)[range(5), labels].mean()
        gradients = torch.autograd.grad(plain_loss, list(theirs.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(theirs.parameters(), gradients, strict=True):
                weight -= 0.5 * gradient
        torch.testing.assert_close(loss, plain_loss)
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_gradients_of_earlier_batches_do_not_count() -> None:
    model, images, labels = nn.Linear(4, 3), torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1])
    model.weight.grad = torch.full_like(model.weight, 1000.0)
    before = model.weight.detach().clone()
    train_step(model, images, labels, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert (model.weight - before).abs().max() < 1


def test_the_step_is_five_calls_in_the_order_of_the_textbook() -> None:
    function = ast.parse(textwrap.dedent(inspect.getsource(train_step))).body[0]
    statements = function.body[1:]  # without the docstring
    assert len(statements) <= 6
    calls = [node.func for statement in statements for node in ast.walk(statement) if isinstance(node, ast.Call)]
    names = [call.attr if isinstance(call, ast.Attribute) else call.id for call in calls]
    assert names == ["zero_grad", "model", "loss_fn", "backward", "step"]


# --- one epoch


def test_an_epoch_tells_of_every_batch_what_a_hand_loop_finds(mnist_train) -> None:
    loader = make_loader(mnist_train.first(105), 25)
    ours, theirs = build_model("mlp"), build_model("mlp")
    theirs.load_state_dict(ours.state_dict())
    events = list(
        train_epoch(ours, loader, nn.CrossEntropyLoss(), torch.optim.SGD(ours.parameters(), lr=0.1), "cpu", epoch=4)
    )

    losses, right, seen, by_hand = [], 0, 0, []
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for images, labels in loader:
        optimizer.zero_grad()
        logits = theirs(images)
        each = F.cross_entropy(logits, labels, reduction="none")
        each.mean().backward()
        optimizer.step()
        losses += each.tolist()
        right += sum(int(row.argmax()) == int(label) for row, label in zip(logits, labels, strict=True))
        seen += len(labels)
        by_hand.append((each.mean().item(), sum(losses) / seen, right / seen, seen))

    assert [event.images for event in events] == [25, 50, 75, 100, 105]
    for number, (event, (loss, running_loss, accuracy, seen)) in enumerate(zip(events, by_hand, strict=True), start=1):
        assert (event.epoch, event.batch, event.batches, event.images) == (4, number, 5, seen)
        assert event.loss == pytest.approx(loss, rel=1e-5)
        assert event.running_loss == pytest.approx(running_loss, rel=1e-5)
        assert event.running_accuracy == pytest.approx(accuracy)
        assert event.step == 3 * 5 + number
        assert event.learning_rate == 0.1
    assert all(earlier.seconds <= later.seconds for earlier, later in pairwise(events))


def test_an_epoch_trains_in_train_mode_whatever_the_mode_before(mnist_train) -> None:
    model = build_model("fast_cnn").eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = make_loader(mnist_train.first(20), 10)
    for _ in train_epoch(model, loader, nn.CrossEntropyLoss(), optimizer, "cpu"):
        assert all(module.training for module in model.modules())


# --- evaluation


def test_an_evaluation_finds_what_a_hand_loop_finds(few_tests) -> None:
    model = build_model("mlp").eval()
    found = evaluate(model, make_loader(few_tests, 70), "cpu")
    confusion, loss = torch.zeros(10, 10, dtype=torch.int64), 0.0
    for image, label in few_tests:
        logits = model(image[None])[0]
        confusion[label, logits.argmax()] += 1
        loss -= logits.log_softmax(dim=0)[label].item()
    assert torch.equal(found.confusion, confusion)
    assert found.accuracy == sum(confusion[digit, digit].item() for digit in range(10)) / 300
    assert found.loss == pytest.approx(loss / 300, rel=1e-4)
    assert torch.equal(found.confusion.sum(dim=1), torch.bincount(few_tests.labels, minlength=10))


def test_an_evaluation_does_not_depend_on_the_batch_size(few_tests) -> None:
    model = build_model("fast_cnn")
    whole, pieces = (evaluate(model, make_loader(few_tests, size), "cpu") for size in (300, 7))
    assert torch.equal(whole.confusion, pieces.confusion)
    assert whole.loss == pytest.approx(pieces.loss, rel=1e-4)


def test_an_evaluation_uses_the_loss_it_is_given(few_tests) -> None:
    class Always3(nn.Module):
        def forward(self, logits, labels):
            return torch.tensor(3.0)

    assert evaluate(build_model("mlp"), make_loader(few_tests, 70), "cpu", Always3()).loss == pytest.approx(3)


def mixed_modes() -> tuple[nn.Module, list[bool]]:
    model = build_model("deep_cnn").train()
    model.dropout.eval()
    model.features[1].eval()
    return model, [module.training for module in model.modules()]


def test_an_evaluation_leaves_the_model_as_it_was(few_tests) -> None:
    model, modes = mixed_modes()
    before = weights_of(model)
    evaluate(model, make_loader(few_tests, 100), "cpu")
    assert [module.training for module in model.modules()] == modes
    assert same(weights_of(model), before)
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert torch.is_grad_enabled()


def test_modes_come_back_even_when_an_evaluation_fails(few_tests) -> None:
    def failing():
        yield from make_loader(few_tests.first(10), 10)
        raise OSError("the disk is gone")

    model, modes = mixed_modes()
    with pytest.raises(OSError, match="the disk is gone"):
        evaluate(model, failing(), "cpu")
    assert [module.training for module in model.modules()] == modes
    assert torch.is_grad_enabled()


def test_nothing_records_gradients_and_dropout_sleeps_in_evaluation_mode(few_tests) -> None:
    model = build_model("mlp", dropout=0.9).train()
    images = normalize(few_tests.images[:5])
    with evaluation_mode(model):
        first, again = model(images), model(images)
    assert not first.requires_grad
    assert torch.equal(first, again)


@pytest.mark.parametrize("empty", ["list", "loader"])
def test_nothing_to_evaluate_is_an_error_in_plain_words(empty, few_tests) -> None:
    loader = [] if empty == "list" else make_loader(few_tests.first(0), 10)
    with pytest.raises(DataError, match="nothing to evaluate"):
        evaluate(build_model("mlp"), loader, "cpu")


# --- whole runs


def test_events_come_in_order_one_a_batch_and_one_an_epoch(mnist_train, few_tests) -> None:
    _, events = run(SMALL, mnist_train, few_tests)
    assert [type(event) for event in events] == ([BatchDone] * 5 + [EpochDone]) * 2
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10]
    assert [event.epoch for event in events] == [1] * 6 + [2] * 6
    assert [event.images for event in events if isinstance(event, BatchDone)] == [50, 100, 150, 200, 230] * 2


def test_an_epochs_numbers_are_those_of_its_last_batch_and_of_an_evaluation(mnist_train, few_tests) -> None:
    model, events = run(SMALL, mnist_train, few_tests)
    last, done = events[-2:]
    assert (done.train_loss, done.train_accuracy) == (last.running_loss, last.running_accuracy)
    assert (done.learning_rate, done.seconds) == (last.learning_rate, last.seconds)
    assert done.images_per_second == pytest.approx(230 / done.seconds)
    tested = evaluate(model, make_loader(few_tests, 300), "cpu")
    assert done.test_accuracy == tested.accuracy
    assert done.test_loss == pytest.approx(tested.loss, rel=1e-5)


def test_training_learns_to_read_digits(mnist_train, few_tests) -> None:
    _, events = run(small(train_images=2000, epochs=3, learning_rate=0.01), mnist_train, few_tests)
    assert events[0].loss == pytest.approx(math.log(10), abs=0.5)
    assert events[-1].test_accuracy > 0.8
    assert events[-1].train_loss < 0.5


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        small(model="fast_cnn", model_options={"dropout": 0.3}, augment=True),
        small(optimizer="momentum", loss="mse", schedule="step"),
        small(precision="bfloat16"),
    ],
)
def test_equal_configurations_give_equal_numbers_and_equal_weights(config, mnist_train, few_tests) -> None:
    (first, events), (again, same_events) = (run(config, mnist_train, few_tests) for _ in range(2))
    assert timeless(events) == timeless(same_events)
    assert same(weights_of(first), weights_of(again))


def test_the_random_numbers_drawn_before_do_not_matter(mnist_train) -> None:
    torch.manual_seed(1)
    _, events = run(small(model_options={"dropout": 0.5}), mnist_train)
    torch.manual_seed(2)
    _, same_events = run(small(model_options={"dropout": 0.5}), mnist_train)
    assert timeless(events) == timeless(same_events)


def test_another_seed_gives_another_run(mnist_train) -> None:
    (first, events), (other, others) = (run(small(seed=seed), mnist_train) for seed in (0, 1))
    assert events[0].loss != others[0].loss
    assert not same(weights_of(first), weights_of(other))


def test_a_seeded_model_is_made_without_touching_torchs_generator() -> None:
    state = torch.get_rng_state()
    first, again, other = (build_seeded_model(small(seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert same(weights_of(first), weights_of(again))
    assert not same(weights_of(first), weights_of(other))


def test_training_does_not_alter_the_digits(mnist_train, few_tests) -> None:
    images, labels = mnist_train.images[:500].clone(), mnist_train.labels[:500].clone()
    tests = few_tests.images.clone()
    run(small(augment=True, epochs=1), mnist_train, few_tests)
    assert torch.equal(mnist_train.images[:500], images)
    assert torch.equal(mnist_train.labels[:500], labels)
    assert torch.equal(few_tests.images, tests)
    assert mnist_train.transform is None
    assert few_tests.transform is None


def test_without_a_test_set_the_test_values_are_empty(mnist_train) -> None:
    _, events = run(SMALL, mnist_train)
    assert (events[-1].test_loss, events[-1].test_accuracy, events[-1].stalled) == (None, None, False)


def test_the_test_set_does_not_influence_the_training(mnist_train, few_tests) -> None:
    config = small(model_options={"dropout": 0.5})
    (alone, _), (tested, _) = run(config, mnist_train), run(config, mnist_train, few_tests)
    assert same(weights_of(alone), weights_of(tested))


def test_only_the_first_train_images_are_used(mnist_train) -> None:
    _, by_config = run(small(train_images=120), mnist_train)
    _, by_hand = run(small(train_images=None), mnist_train.first(120))
    assert timeless(by_config) == timeless(by_hand)
    assert by_config[2].images == 120


def test_to_stop_one_stops_asking_and_keeps_what_was_learnt(mnist_train) -> None:
    whole, stopped = build_seeded_model(SMALL), build_seeded_model(SMALL)
    for _, event in zip(range(3), train(stopped, mnist_train, SMALL), strict=False):
        last = event
    for event in train(whole, mnist_train, SMALL):
        if event.step == 3:
            break
    assert last.step == 3
    assert same(weights_of(stopped), weights_of(whole))


def test_augmentation_changes_the_run_but_not_its_tests(mnist_train, few_tests) -> None:
    (_, plain), (model, augmented) = (run(small(augment=switch), mnist_train, few_tests) for switch in (False, True))
    assert plain[0].loss != augmented[0].loss
    assert augmented[-1].test_accuracy == evaluate(model, make_loader(few_tests, 300), "cpu").accuracy


@pytest.mark.parametrize(
    ("schedule", "by_hand"),
    [
        ("constant", [0.01] * 10),
        ("step", [0.01] * 5 + [0.007] * 5),
    ],
)
def test_the_learning_rate_of_every_step_is_told(schedule, by_hand, mnist_train) -> None:
    _, events = run(small(schedule=schedule, learning_rate=0.01), mnist_train)
    told = [event.learning_rate for event in events if isinstance(event, BatchDone)]
    assert told == pytest.approx(by_hand)


@pytest.mark.parametrize("schedule", ["constant", "step", "one_cycle"])
def test_a_run_of_one_single_step_works(schedule, mnist_train) -> None:
    _, events = run(small(schedule=schedule, epochs=1, train_images=1), mnist_train)
    assert [event.step for event in events] == [1, 1]


def test_a_batch_larger_than_the_set_is_the_whole_set(mnist_train) -> None:
    _, events = run(small(batch_size=60_000, epochs=1), mnist_train)
    assert events[0].images == 230


# --- the course's loop, written out independently


@pytest.mark.parametrize(
    ("optimizer", "plain"),
    [
        ("adam", lambda weights: torch.optim.Adam(weights, lr=0.001)),
        ("sgd", lambda weights: torch.optim.SGD(weights, lr=0.001)),
        ("momentum", lambda weights: torch.optim.SGD(weights, lr=0.001, momentum=0.9)),
        ("adamw", lambda weights: torch.optim.AdamW(weights, lr=0.001, weight_decay=0.0)),
    ],
)
def test_the_course_recipe_learns_as_the_courses_own_loop_does(optimizer, plain, mnist_train, few_tests) -> None:
    config = TrainConfig(
        model="mlp", epochs=2, learning_rate=0.001, batch_size=64, optimizer=optimizer, schedule="constant",
        precision="float32", train_images=640, seed=11, device="cpu",
    )  # fmt: skip
    _, events = run(config, mnist_train, few_tests)

    torch.manual_seed(11)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    images = (mnist_train.images[:640] / 255 - 0.1307) / 0.3081
    order = torch.Generator().manual_seed(11)
    loader = DataLoader(TensorDataset(images, mnist_train.labels[:640]), batch_size=64, shuffle=True, generator=order)
    criterion, stepper, losses = nn.CrossEntropyLoss(), plain(model.parameters()), []
    for _ in range(2):
        for inputs, targets in loader:
            stepper.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            stepper.step()
            losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        answers = model((few_tests.images / 255 - 0.1307) / 0.3081).argmax(dim=1)

    assert len(losses) == 20
    assert [event.loss for event in events if isinstance(event, BatchDone)] == pytest.approx(losses, rel=1e-4)
    assert events[-1].test_accuracy == pytest.approx((answers == few_tests.labels).float().mean().item(), abs=1 / 300)


# --- stalling


def stalled_by_hand(accuracies: list[float], patience: int) -> list[bool]:
    """Whether none of the last `patience` accuracies is better than every one before them."""
    return [
        len(so_far) > patience and max(so_far[-patience:]) <= max(so_far[:-patience])
        for so_far in (accuracies[: end + 1] for end in range(len(accuracies)))
    ]


def test_a_run_that_learns_nothing_counts_as_stalled_after_its_patience(mnist_train, few_tests) -> None:
    config = small(optimizer="sgd", learning_rate=1e-8, epochs=5, patience=2, schedule="constant")
    _, events = run(config, mnist_train, few_tests)
    stalled = [event.stalled for event in events if isinstance(event, EpochDone)]
    assert stalled == [False, False, True, True, True]


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_stalling_follows_the_test_accuracies(patience, mnist_train, few_tests) -> None:
    config = small(epochs=12, learning_rate=0.03, patience=patience, schedule="constant")
    _, events = run(config, mnist_train, few_tests)
    epochs = [event for event in events if isinstance(event, EpochDone)]
    by_hand = stalled_by_hand([event.test_accuracy for event in epochs], patience)
    assert [event.stalled for event in epochs] == by_hand


def test_a_stalled_run_stops_when_it_shall(mnist_train, few_tests) -> None:
    config = small(optimizer="sgd", learning_rate=1e-8, epochs=50, patience=2, stop_when_stalled=True)
    _, events = run(config, mnist_train, few_tests)
    assert (events[-1].epoch, events[-1].stalled) == (3, True)


def test_stopping_when_stalled_needs_a_test_set(mnist_train) -> None:
    with pytest.raises(ConfigError, match=r"stop_when_stalled is True.*without a test set"):
        run(small(stop_when_stalled=True), mnist_train)


# --- what can go wrong


def test_a_loss_that_runs_away_ends_the_run_in_plain_words(mnist_train) -> None:
    options = {"hidden_sizes": [16, 16, 16], "activation": "leaky_relu"}
    config = small(model_options=options, optimizer="sgd", learning_rate=1000.0, epochs=20, schedule="constant")
    heard = []
    with pytest.raises(TrainingError, match=r"no longer a finite number.*learning rate, 1000, may be too high"):
        heard.extend(train(build_seeded_model(config), mnist_train, config))
    assert heard
    assert all(math.isfinite(event.loss) for event in heard if isinstance(event, BatchDone))


@pytest.mark.parametrize("options", [{"input_channels": 3}, {"input_size": 32}])
def test_a_model_for_other_images_is_refused_with_both_shapes(options, mnist_train) -> None:
    config = small(model_options=options)
    with pytest.raises(DataError, match=r"takes images of (3 x 28 x 28|1 x 32 x 32), but these are 1 x 28 x 28"):
        run(config, mnist_train)


def test_test_images_of_another_shape_are_refused_before_the_first_step(mnist_train) -> None:
    colourful = Digits(torch.zeros(5, 3, 28, 28, dtype=torch.uint8), torch.zeros(5, dtype=torch.int64))
    events = train(build_seeded_model(SMALL), mnist_train, SMALL, test=colourful)
    with pytest.raises(DataError, match="these are 3 x 28 x 28"):
        next(events)


def test_an_empty_training_set_is_refused(mnist_train) -> None:
    with pytest.raises(DataError, match="training set is empty"):
        run(SMALL, mnist_train.first(0))


@pytest.mark.parametrize("device", sorted({"cuda", "mps"} - available_devices().keys()))
def test_a_device_that_is_not_there_is_refused_with_those_that_are(device, mnist_train) -> None:
    with pytest.raises(TrainingError, match=rf"'{device}' is not there: this machine has cpu"):
        run(small(device=device), mnist_train)


def test_too_little_memory_is_explained_with_the_remedy(mnist_train) -> None:
    class Hungry(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(784, 10)

        def forward(self, images):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(TrainingError, match=r"no memory left for batches of 50 images.*smaller batch size"):
        list(train(Hungry(), mnist_train, SMALL))


def test_bfloat16_trains_and_stays_near_float32(mnist_train, few_tests) -> None:
    (_, precise), (model, rough) = (
        run(small(model="fast_cnn", model_options={}, train_images=1000, precision=precision), mnist_train, few_tests)
        for precision in ("float32", "bfloat16")
    )
    losses, rough_losses = ([e.loss for e in events if isinstance(e, BatchDone)] for events in (precise, rough))
    assert losses != rough_losses
    assert rough_losses[:10] == pytest.approx(losses[:10], rel=0.1)
    assert rough[-1].test_accuracy == pytest.approx(precise[-1].test_accuracy, abs=0.05)
    assert all(weight.dtype == torch.float32 for weight in model.parameters())


def test_the_listeners_time_does_not_count(mnist_train, few_tests) -> None:
    config = small(train_images=100, epochs=1)
    for event in train(build_seeded_model(config), mnist_train, config, test=few_tests):
        if isinstance(event, BatchDone):
            time.sleep(1)
    assert event.seconds < 1.5
    assert event.test_seconds < 1.5
