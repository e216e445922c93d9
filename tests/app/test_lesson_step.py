"""The lesson One step at a time as Streamlit draws it, without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from types import ModuleType
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from mnist_core import build_model, load_mnist, load_model, train_step
from mnist_core.config import OPTIMIZERS, TrainConfig
from mnist_core.data import normalize
from mnist_core.lessons.stepping import BY_HAND, Stepper, trainable_copy
from mnist_core.models import count_parameters
from mnist_ui.lessons import bench as benches
from mnist_ui.lessons.bench import Bench
from mnist_ui.lessons.step_tables import batch_html, describe, source_html
from mnist_ui.visitor import Visitor

PRESSES = 6  # lines of train_step


@pytest.fixture(scope="module")
def step(page_once_shown: None) -> ModuleType:
    """The lesson's module."""
    from mnist_ui.lessons import step

    return step


@pytest.fixture
def lesson(page: AppTest) -> AppTest:
    page.session_state["panel"] = "step"
    page.run()
    assert not page.exception
    return page


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def bench_of(page: AppTest) -> Bench:
    return visitor_of(page).notes["step"]


def words(page: AppTest) -> str:
    texts = [str(one.value) for kind in ("caption", "markdown", "info", "error") for one in getattr(page.main, kind)]
    return "\n".join(texts + [one.proto.body for one in page.main.get("html")])


def press(page: AppTest, key: str, times: int = 1) -> AppTest:
    for _ in range(times):
        page.button(key=key).click().run()
        assert not page.exception
    return page


def lines(page: AppTest, kind: str) -> list[str]:
    return [unescape(line).strip() for line in re.findall(rf'class="line {kind}"[^>]*>(.*?)</div>', words(page))]


def row(page: AppTest, first: str) -> list[str]:
    """The cells behind this one in the table that begins a row with it."""
    for cells in re.findall(r"<tr>(.*?)</tr>", words(page)):
        found = [unescape(re.sub("<br>.*|<.*?>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells)]
        if found and found[0] == first:
            return found[1:]
    raise AssertionError(f"no row {first!r}")


def test_nothing_is_copied_before_the_lesson_is_chosen(page) -> None:
    assert "step" not in visitor_of(page).notes


def test_the_lesson_begins_before_the_first_line(lesson) -> None:
    assert "A copy of the shipped network." in words(lesson)
    assert "Nothing has been run yet" in words(lesson)
    assert lines(lesson, "done") == []
    assert lines(lesson, "next") == ["optimizer.zero_grad()"]
    assert lesson.button(key="step_run").label == "Run `optimizer.zero_grad()`"
    assert row(lesson, "logits") == ["not there yet"]
    assert row(lesson, "images") == ["(16, 1, 28, 28) float32"]
    assert row(lesson, "model") == [f"DeepCNN with {count_parameters(load_model()):,} parameters"]
    assert words(lesson).count("<figcaption>") >= 16


def test_the_lines_are_run_one_a_press(lesson) -> None:
    expected = [
        ("optimizer.zero_grad()", "What an earlier batch had left"),
        ("logits = model(images)  # (N, 1, 28, 28) -> (N, 10)", "Forward: the images went through every layer"),
        ("loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()", "Logits and labels became one number"),
        ("loss.backward()", "Back from the loss through every layer"),
        ("optimizer.step()", "The optimizer has changed the weights"),
        ("return loss, logits", "go back to the training loop"),
    ]
    for count, (line, told) in enumerate(expected, start=1):
        assert lines(lesson, "next") == [line]
        press(lesson, "step_run")
        assert lines(lesson, "done") == [code for code, _ in expected[:count]]
        assert told in words(lesson)
        assert (row(lesson, "output")[-2] == "None") == (count < 4)
        assert (row(lesson, "output")[-1] == "0") == (count < 5)
        assert ("By hand:" in words(lesson)) == ("The loss on this batch" in words(lesson)) == (count >= 5)
    assert lesson.button(key="step_run").disabled
    assert row(lesson, "logits")[0].startswith("(16, 11) float32, grad_fn=")


def test_every_line_of_train_step_is_explained(step) -> None:
    model = trainable_copy(build_model("mlp"))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    stepper = Stepper(model, torch.zeros(2, 1, 28, 28), torch.zeros(2).long(), nn.CrossEntropyLoss(), optimizer)
    assert [one.does for one in stepper.statements] == list(step.EXPLAINED)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many threads as the page computes with: with more, sums differ in the last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_the_numbers_are_those_of_train_step_itself(lesson) -> None:
    press(lesson, "step_run", PRESSES)
    digits = load_mnist("train").first(16)
    model = trainable_copy(load_model())
    optimizer = OPTIMIZERS["sgd"](model.parameters(), TrainConfig(optimizer="sgd", learning_rate=0.01))
    shown = model.output.weight.numel() // 2  # the weight that the page begins with
    before = model.output.weight.flatten()[shown].item()
    images = normalize(digits.images)
    loss, _ = train_step(model, images, digits.labels, nn.CrossEntropyLoss(), optimizer)
    with torch.no_grad():
        after = nn.CrossEntropyLoss()(model(images), digits.labels).item()
    grad = model.output.weight.grad.flatten()[shown].item()
    assert row(lesson, "loss")[0].startswith(f"{loss.item():.5g}, () float32, grad_fn=")
    assert f"**{loss.item():.5g}** before the step, **{after:.5g}** after it" in words(lesson)
    assert after < loss.item()
    assert "went too far" not in words(lesson)
    assert row(lesson, "at the start") == [f"{before:.7g}", "None"]
    assert row(lesson, "loss.backward()") == [f"{before:.7g}", f"{grad:.5g}"]
    changed = model.output.weight.flatten()[shown].item()
    assert row(lesson, "optimizer.step()") == [f"{changed:.7g}", f"{grad:.5g}"]
    assert f"− 0.01 × ({grad:.5g}) = **{changed:.7g}**" in words(lesson)
    assert f"The network has **{changed:.7g}**." in words(lesson)


def test_a_step_that_goes_too_far_is_called_so(lesson) -> None:
    lesson.selectbox(key="en_step_optimizer").set_value("adam")
    lesson.select_slider(key="step_rate").set_value(1.0).run()
    press(lesson, "step_run", PRESSES)
    assert "It has risen, for the step went too far" in words(lesson)


@pytest.mark.parametrize("optimizer", BY_HAND)
def test_each_optimizer_can_be_recalculated(lesson, optimizer) -> None:
    lesson.selectbox(key="en_step_optimizer").set_value(optimizer).run()
    assert bench_of(lesson).optimizer_name == optimizer
    press(lesson, "step_run", PRESSES)
    by_hand, has = re.search(r"= \*\*(.*?)\*\*\. The network has \*\*(.*?)\*\*", words(lesson)).groups()
    assert float(by_hand) == pytest.approx(float(has), abs=1e-5)
    assert ("√" in words(lesson)) == optimizer.startswith("adam")
    assert "New weight = weight − learning rate × " in words(lesson)


def test_back_to_the_start_gives_the_same_numbers_again(lesson) -> None:
    press(lesson, "step_run", PRESSES)
    first = words(lesson)
    press(lesson, "step_restart")
    assert lines(lesson, "done") == []
    assert row(lesson, "output")[-2] == "None"
    press(lesson, "step_run", PRESSES)
    assert words(lesson) == first


def test_another_batch_goes_on_and_meets_the_gradients_of_the_one_before(lesson) -> None:
    press(lesson, "step_run", PRESSES)
    weights = bench_of(lesson).stepper.moments[-1].weights
    gradient = row(lesson, "output")[-2]
    press(lesson, "step_batch")
    assert "Batch 2 of the training set" in words(lesson)
    assert "the batch before has left them" in words(lesson)
    assert all(
        torch.equal(weights[name], tensor) for name, tensor in bench_of(lesson).stepper.moments[0].weights.items()
    )
    assert row(lesson, "output")[-2] == gradient
    press(lesson, "step_run")
    assert row(lesson, "output")[-2] == "None"
    press(lesson, "step_restart")
    assert "Batch 2 of the training set" in words(lesson)
    assert "Nothing has been run yet" in words(lesson)


def test_any_weight_can_be_chosen_also_afterwards(lesson) -> None:
    press(lesson, "step_run", PRESSES)
    name = next(one for one in lesson.main.selectbox if str(one.key).startswith("step_name_"))
    name.set_value("features.0.0.weight").run()
    index = next(one for one in lesson.main.number_input if str(one.key).startswith("step_index_"))
    assert (index.min, index.max, index.label) == (0, 799, "Which of its 800")
    index.set_value(7).run()
    moments = bench_of(lesson).stepper.moments
    start, end = (moments[at].weights["features.0.0.weight"].flatten()[7].item() for at in (0, -1))
    assert row(lesson, "at the start")[0] == f"{start:.7g}"
    assert row(lesson, "return loss, logits")[0] == f"{end:.7g}"


def test_an_untrained_network_is_of_the_kind_in_the_sidebar(lesson) -> None:
    next(one for one in lesson.main.get("button_group") if one.key == "step_network").set_value("untrained")
    lesson.run()
    assert "A new network, of the kind that the sidebar says" in words(lesson)
    assert row(lesson, "model")[0].startswith("FastCNN with ")
    press(lesson, "step_run", 3)
    assert 1.8 < float(row(lesson, "loss")[0].split(",")[0]) < 3.2  # guessing among ten: ln 10 = 2.3
    next(one for one in lesson.sidebar.selectbox if str(one.key).endswith("setting_model")).set_value("mlp").run()
    assert row(lesson, "model") == ["MLP with 101,770 parameters"]
    assert lines(lesson, "done") == []


def test_a_network_too_large_to_copy_is_not_copied(lesson, monkeypatch) -> None:
    visitor_of(lesson).notes.clear()
    monkeypatch.setattr(benches, "LARGEST", 1000)
    lesson.selectbox(key="en_step_optimizer").set_value("adam").run()
    assert not lesson.exception
    assert "too many to copy" in words(lesson)


def test_the_shipped_network_and_other_visitors_are_left_alone(lesson, open_page) -> None:
    before = [parameter.clone() for parameter in load_model().parameters()]
    other = open_page()
    other.session_state["panel"] = "step"
    other.run()
    press(lesson, "step_run", PRESSES)
    assert lines(other.run(), "done") == []
    shipped = visitor_of(lesson).answering_model()[2]
    assert all(torch.equal(*pair) for pair in zip(before, shipped.parameters(), strict=True))
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in shipped.parameters())


def test_my_network_is_copied_and_stays_until_it_is_copied_again(lesson, wait_until) -> None:
    for name, value in {"epochs": 1000, "train_images": 1000, "batch_size": 50}.items():
        next(one for one in lesson.sidebar.number_input if str(one.key).endswith(f"setting_{name}")).set_value(value)
    lesson.run()
    next(one for one in lesson.main.button if one.key == "train").click().run()
    run = visitor_of(lesson).run
    wait_until(lambda: run.latest_step)
    lesson.run()
    steps = bench_of(lesson).steps
    assert f"A copy of my network after {steps:,} steps." in words(lesson)
    wait_until(lambda: run.latest_step > steps)
    run.stop()
    press(lesson.run(), "step_run")
    assert bench_of(lesson).steps == steps
    assert lesson.button(key="step_newer").label == f"Copy it again, now at step {run.latest_step:,}"
    del visitor_of(lesson).notes["step"]  # as a second press finds it that comes before the page is drawn anew
    press(lesson, "step_newer")
    assert f"A copy of my network after {run.latest_step:,} steps." in words(lesson)
    assert not [one for one in lesson.main.button if one.key == "step_newer"]


def test_the_choices_outlive_the_lesson(lesson) -> None:
    lesson.selectbox(key="en_step_optimizer").set_value("adam").run()
    press(lesson, "step_run", 2)
    lesson.session_state["panel"] = None
    lesson.run()
    assert "en_step_optimizer" not in lesson.session_state
    lesson.session_state["panel"] = "step"
    lesson.run()
    assert lesson.selectbox(key="en_step_optimizer").value == "adam"
    assert len(lines(lesson, "done")) == 2


def shown_strangely(model: Any, images: Any, labels: Any, loss_fn: Any, optimizer: Any) -> Any:
    logits = "<b>" if images is None else '"&'
    return logits


def test_the_source_is_shown_as_text() -> None:
    model = build_model("mlp")
    stepper = Stepper(model, None, None, None, None, function=shown_strangely)
    html = source_html(stepper)
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "&amp;" in html
    assert html.count('aria-current="step"') == 1


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (torch.tensor(2.5), "2.5, () float32"),
        (torch.zeros(2, 3), "(2, 3) float32"),
        (torch.arange(3), "(3,) int64: 0, 1, 2"),
        (torch.arange(7), "(7,) int64: 0, 1, 2, 3, 4, 5 ..."),
        (nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
        (nn.Linear(2, 3), "Linear with 9 parameters"),
        (torch.ones(2, requires_grad=True).sum(), "2, () float32, grad_fn=SumBackward0"),
    ],
)
def test_what_a_variable_holds_in_words(value, held) -> None:
    assert describe(value) == held


def test_a_network_for_colours_gets_a_batch_in_colour(lesson) -> None:
    config = TrainConfig(model="mlp", model_options={"input_channels": 3, "input_size": 32})
    source = build_model(config.model, **config.model_options)
    bench = Bench(("untrained",), source, 0, "sgd", 0.01)
    images = bench.stepper.variables["images"]
    assert images.shape == (16, 3, 32, 32)
    assert not torch.equal(images[:, 0], images[:, 1])
    while not bench.stepper.is_over:
        bench.stepper.run_next()
    assert batch_html(bench.digits()).count("<img") == 16
