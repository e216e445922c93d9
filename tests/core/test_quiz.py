"""The quiz: each right answer is worked out once more by hand, and no choice says the same as another."""

from __future__ import annotations

import ast
import math
import re
import subprocess
import sys
from collections.abc import Callable
from random import Random

import pytest
import torch

from mnist_core.lessons.quiz import TOPICS, Question, ask
from mnist_core.lessons.quiz.loop import ORDERS, learns
from mnist_core.lessons.quiz.question import Choice, Draft, error_of, pose, result_of, settled
from mnist_core.messages import say

KINDS = [(topic, kind) for topic, about in TOPICS.items() for kind in about.kinds]
SEEDS = range(40)


def numbers(text: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", "").replace("_", ""))]


def whole(text: str) -> list[int]:
    return [int(one) for one in numbers(text)]


def given(question: Question, name: str) -> float:
    return question.text.values[name]


def convolved(question: Question) -> str:
    channels, side, stride, padding, images = whole(question.code)[2:7]
    assert re.search(r"Conv2d\(1, ", question.code)
    size = (28 + 2 * padding - side) // stride + 1
    return f"`({images}, {channels}, {size}, {size})`"


def flattened(question: Question) -> str:
    images, channels, side, _ = whole(question.code)
    return f"`({images}, {channels * side**2})`"


def confused(question: Question) -> str:
    rows = ast.literal_eval(question.code.split("tensor(")[1].split(")")[0])
    return f"{100 * sum(rows[at][at] for at in range(3)) / sum(map(sum, rows)):.1f} %"


def answered_rightly(question: Question) -> str:
    logits, labels = (ast.literal_eval(found) for found in re.findall(r"tensor\((.*)\)\n", question.code))
    right = [max(range(3), key=row.__getitem__) == label for row, label in zip(logits, labels, strict=True)]
    return f"{100 * sum(right) / len(right):.0f} %"


def parameters_of_convolution(question: Question) -> str:
    inputs, outputs, side = re.search(r"Conv2d\((\d+), (\d+), kernel_size=(\d+)\)", question.code).groups()
    return f"{int(outputs) * (int(inputs) * int(side) ** 2 + 1):,}"


def parameters_of_linear(question: Question) -> str:
    inputs, outputs = map(int, re.search(r"Linear\((\d+), (\d+)\)", question.code).groups())
    return f"{inputs * outputs + outputs:,}"


def seen_parameters(question: Question) -> str:
    size = int(re.search(r"Linear\((\d+), 10\)", question.code)[1])
    return f"{size * 10 + 10:,}"


def doubled_gradient(question: Question) -> str:
    return f"{question.code.count('backward()') * 2 * whole(question.code)[0]}"


def one_step(question: Question) -> str:
    weight, rate = (numbers(question.code)[at] for at in (0, 2))
    real = torch.nn.Parameter(torch.tensor(weight))
    optimizer = torch.optim.SGD([real], lr=rate)
    (3 * real).backward()
    optimizer.step()
    return f"{round(real.item(), 4):g}"


def class_loss(question: Question) -> str:
    return f"{math.log(given(question, 'classes')):.2f}"


def pale_loss(question: Question) -> str:
    return f"{math.log(math.e + 9) - 1:.2f}"


# How the right answer is known without running what the quiz runs: by hand, or because torch documents it.
ORACLES: dict[str, str | Callable[[Question], str]] = {
    "without_module": "`AttributeError`: it has no `parameters`",
    "layers_in_a_list": seen_parameters,
    "hidden_layers_of_the_mlp": "So that `parameters()` and `state_dict()` contain them",
    "parameters_of_linear": parameters_of_linear,
    "parameters_of_convolution": parameters_of_convolution,
    "without_super_init": "`AttributeError`: no layer can be given to it yet",
    "what_super_init_prepares": "It prepares the lists in which layers and weights are noted",
    "before_super_init": "`self.size = 784`",
    "call_or_forward": "The call also runs the hooks that were registered, then `forward`",
    "misspelt_forward": "At the first `model(images)`, as a `NotImplementedError`",
    "shape_after_convolution": convolved,
    "shape_after_flatten": flattened,
    "order_of_a_step": "`zero_grad → forward → backward → step`",
    "gradients_add_up": doubled_gradient,
    "one_step_of_sgd": one_step,
    "what_backward_changes": "The `.grad` of every weight",
    "batches_in_an_epoch": lambda question: f"{math.ceil(given(question, 'images') / given(question, 'batch')):,}",
    "size_of_the_last_batch": lambda question: f"{given(question, 'images') % given(question, 'batch')}",
    "steps_in_a_run": lambda question: (
        f"{given(question, 'epochs') * math.ceil(given(question, 'images') / given(question, 'batch')):,}"
    ),
    "what_eval_changes": "Dropout lets everything through, and batch norm uses what it has remembered",
    "what_no_grad_changes": "No graph is kept for `backward`; that saves memory and time",
    "dropout_in_training": lambda question: f"{1 / (1 - numbers(question.code)[0]):g}",
    "gradients_in_eval_mode": lambda question: f"{numbers(question.code)[2]:g}",
    "why_both": "The model is in eval mode, and no graph is kept",
    "learnt_by_heart": "100 %",
    "which_accuracy_counts": lambda question: f"{given(question, 'test'):.1f} %",
    "best_of_many": "About 50 %",
    "what_evaluate_changes": "Nothing: no weight moves",
    "wrong_at_an_accuracy": lambda question: f"{round(10_000 * (1 - given(question, 'share') / 100)):,}",
    "accuracy_of_a_confusion": confused,
    "accuracy_from_logits": answered_rightly,
    "softmax_of_equals": lambda question: f"{1 / given(question, 'classes'):g}",
    "softmax_shifted": "They stay the same",
    "loss_of_a_guess": class_loss,
    "softmax_before_the_loss": pale_loss,
    "labels_of_the_loss": "`()`",
}


@pytest.mark.parametrize(("topic", "kind"), KINDS, ids=[kind.__name__ for _, kind in KINDS])
def test_the_right_answer_is_right_and_every_other_one_is_wrong(topic, kind) -> None:
    oracle = ORACLES[kind.__name__]
    for seed in SEEDS:
        question = pose(topic, kind, Random(seed))
        expected = oracle if isinstance(oracle, str) else oracle(question)
        assert [choice.text == expected for choice in question.choices] == [
            at == question.right for at in range(len(question.choices))
        ], (expected, question)


@pytest.mark.parametrize(("topic", "kind"), KINDS, ids=[kind.__name__ for _, kind in KINDS])
def test_there_are_three_or_four_different_choices_each_with_its_explanation(topic, kind) -> None:
    for seed in SEEDS:
        question = pose(topic, kind, Random(seed))
        assert 3 <= len(question.choices) <= 4
        assert len({choice.text for choice in question.choices}) == len(question.choices)
        assert all(len(choice.because) > 20 for choice in question.choices)
        assert question.text.endswith((".", "?", ")"))


@pytest.mark.parametrize(("topic", "kind"), KINDS, ids=[kind.__name__ for _, kind in KINDS])
def test_the_right_answer_stands_anywhere_and_equal_chance_gives_equal_questions(topic, kind) -> None:
    assert len({pose(topic, kind, Random(seed)).right for seed in SEEDS}) >= 3
    assert pose(topic, kind, Random(7)) == pose(topic, kind, Random(7))


@pytest.mark.parametrize(("topic", "kind"), KINDS, ids=[kind.__name__ for _, kind in KINDS])
def test_the_shown_code_is_python(topic, kind) -> None:
    ast.parse(pose(topic, kind, Random(3)).code)


def test_there_is_much_to_ask() -> None:
    assert len(TOPICS) >= 8
    assert len(KINDS) >= 26
    assert all(len(topic.kinds) >= 3 for topic in TOPICS.values())
    names = [kind.__name__ for _, kind in KINDS]
    assert sorted(names) == sorted(set(names)) == sorted(ORACLES)


def test_numbers_vary_from_one_round_to_the_next() -> None:
    asked = [{(one := pose(topic, kind, Random(seed))).text + one.code for seed in SEEDS} for topic, kind in KINDS]
    assert sum(len(variants) > 1 for variants in asked) >= 18


def test_questions_are_spread_over_the_topics() -> None:
    for seed in SEEDS:
        questions = ask(list(TOPICS), 5, Random(seed))
        assert len({question.topic for question in questions}) == 5
        assert {question.topic for question in ask(["loop", "loss"], 5, Random(seed))} == {"loop", "loss"}


def test_no_kind_comes_twice_while_there_are_others() -> None:
    for seed in SEEDS:
        kinds = [question.kind for question in ask(["loop"], 4, Random(seed))]
        assert len(set(kinds)) == 4
        again = [question.kind for question in ask(["loop"], 2, Random(seed), asked_before=kinds[:2])]
        assert sorted(again) == sorted(kinds[2:])
    assert len(ask(["batches"], 7, Random(0))) == 7  # with other numbers then


def test_asking_leaves_torch_s_generator_unseeded() -> None:
    states = set()
    for _ in range(2):
        ask(list(TOPICS), len(KINDS), Random(1))
        states.add(torch.rand(1).item())
    assert len(states) == 2


@pytest.mark.parametrize("truths", [(False, False), (True, True)])
def test_a_question_of_which_not_just_one_choice_is_true_is_none(truths) -> None:
    choices = [Choice(say("one"), say("because")), Choice(say("two"), say("because"))]
    with pytest.raises(ValueError, match="choices are true"):
        settled(say("Which?"), dict(zip(choices, truths, strict=True)))


def test_a_wrong_choice_that_says_the_same_as_another_is_dropped() -> None:
    def kind(chance: Random) -> Draft:
        one, two, three = (Choice(say(text), say("because")) for text in ("1", "2", "3"))
        return Draft(say("How many?"), one, [two, Choice(say("1"), say("wrongly")), three, two])

    question = pose("loop", kind, Random(0))
    assert sorted(choice.text for choice in question.choices) == ["1", "2", "3"]
    assert question.choices[question.right].because == "because"


@pytest.mark.parametrize("order", ORDERS)
def test_the_right_order_of_a_step_is_the_one_that_learns_with_torch_s_own_optimizer(order) -> None:
    assert learns(order, torch.optim.SGD) == (order == ("zero_grad", "forward", "backward", "step"))


def test_asking_imports_nothing_that_a_server_would_have_to_carry() -> None:
    code = (
        "import sys; from random import Random; from mnist_core.lessons.quiz import TOPICS, ask;"
        "ask(list(TOPICS), 40, Random(1)); print([name for name in ('torch._dynamo', 'triton') if name in sys.modules])"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


def test_the_last_line_of_code_is_its_result() -> None:
    assert result_of("a = 2\nb = torch.ones(3)\na * b.sum().item()") == 6.0
    assert result_of("a + 1", {"a": 1}) == 2
    assert error_of(lambda: result_of("a + 1")) == "NameError"
    assert error_of(lambda: None) == ""
