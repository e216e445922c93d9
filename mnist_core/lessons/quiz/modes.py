"""Questions about eval and no_grad: what they do and what they do not."""

from __future__ import annotations

from random import Random

import torch
from torch import nn

from mnist_core.lessons.quiz.question import Choice, Draft, Topic, code_text, number, result_of, settled, source_of
from mnist_core.messages import say
from mnist_core.training import evaluation_mode


def what_eval_changes(chance: Random) -> Draft:
    model = nn.Sequential(nn.Linear(1000, 1000), nn.BatchNorm1d(1000), nn.Dropout(0.5)).eval()
    answers = [model(torch.ones(1, 1000)) for _ in range(2)]
    in_company = model(torch.stack([torch.ones(1000), torch.zeros(1000)]))[:1]
    alike = torch.equal(*answers) and torch.allclose(answers[0], in_company, atol=1e-5)
    return settled(
        say("What does `model.eval()` do?"),
        {
            Choice(
                say("Dropout lets everything through, and batch norm uses what it has remembered"),
                say("These two kinds of layers work in another way in training; `eval` and `train` switch them over."),
            ): alike,
            Choice(
                say("It switches the gradients off"),
                say("That is `torch.no_grad()`. In eval mode `backward` still works."),
            ): not answers[0].requires_grad,
            Choice(
                say("It freezes the weights, so that an optimizer cannot change them"),
                say("The weights stay as they were: they still want gradients, and an optimizer would move them."),
            ): not all(weights.requires_grad for weights in model.parameters()),
            Choice(
                say("It works out the accuracy on the test set"),
                say("It gives back the model itself. The measuring is done by `evaluate` in this project."),
            ): not isinstance(model.eval(), nn.Module),
        },
    )


def what_no_grad_changes(chance: Random) -> Draft:
    model = nn.Sequential(nn.Linear(1000, 1000), nn.Dropout(0.5)).train()
    with torch.no_grad():
        answers = [model(torch.ones(1, 1000)) for _ in range(2)]
    return settled(
        say("What does `with torch.no_grad():` do to a model in training mode?"),
        {
            Choice(
                say("No graph is kept for `backward`; that saves memory and time"),
                say("The answers are the same numbers, but nothing leads back from them to the weights."),
            ): not answers[0].requires_grad,
            Choice(
                say("Dropout is switched off"),
                say("That is `model.eval()`. Under `no_grad` dropout goes on leaving features out."),
            ): torch.equal(*answers),
            Choice(
                say("The gradients in `.grad` are set to zero"),
                say("That is `optimizer.zero_grad()`. `no_grad` leaves `.grad` alone."),
            ): model[0].weight.grad is not None,
            Choice(
                say("`requires_grad` of the weights becomes `False`"),
                say("The weights are not touched; when the block is left, everything is as before."),
            ): not model[0].weight.requires_grad,
        },
    )  # fmt: skip


def dropout_in_training(chance: Random) -> Draft:
    share = chance.choice([0.2, 0.5, 0.75, 0.9])
    code = f"dropout = nn.Dropout({share}).train()\nround(dropout(torch.ones(10_000)).max().item(), 4)"
    return Draft(
        say("Dropout leaves some of the ones out. What becomes of those that stay?"),
        Choice(
            number(result_of(code), "g"),
            say(
                "They are divided by 1 - {share:g}, so that the sum stays about the same as with all of them.",
                share=share,
            ),
        ),
        [
            Choice(number(1, "g"), say("Then the next layer would get less in training than afterwards.")),
            Choice(number(1 - share, "g"), say("The other way round: divided by this, not multiplied.")),
            Choice(number(round(1 / share, 4), "g"), say("Divided by the share that stays, not by the one that goes.")),
            Choice(number(0, "g"), say("That is what becomes of the others.")),
        ],
        code,
    )  # fmt: skip


def gradients_in_eval_mode(chance: Random) -> Draft:
    weight = chance.randint(2, 9)
    code = f"""layer = nn.Linear(1, 1).eval()
layer(torch.tensor([[{weight}.0]])).sum().backward()
layer.weight.grad.item()"""
    return Draft(
        say("The layer is in eval mode, and `backward` is called. What is in `.grad`?"),
        Choice(
            number(result_of(code), "g"),
            say("Eval mode does not touch gradients: that of weight x {input} is {input}.", input=weight),
        ),
        [
            Choice(number(0, "g"), say("Gradients are worked out in eval mode as in training mode.")),
            Choice(code_text(None), say("That is so before `backward`, or under `torch.no_grad()`.")),
            Choice(number(1, "g"), say("That is the gradient of the bias.")),
        ],
        code,
    )  # fmt: skip


def why_both(chance: Random) -> Draft:
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5))
    with evaluation_mode(model):
        answer, in_training = model(torch.ones(1, 8)), model.training
    return settled(
        say("This is how our project measures. What is true between `try` and `finally`?"),
        {
            Choice(
                say("The model is in eval mode, and no graph is kept"),
                say("Both are wanted for measuring, and neither brings the other with it."),
            ): not in_training and not answer.requires_grad,
            Choice(
                say("The model is in eval mode, and a graph is kept"),
                say("`with torch.no_grad():` surrounds what is measured."),
            ): not in_training and answer.requires_grad,
            Choice(
                say("The model is in training mode, and no graph is kept"),
                say("`training` is set to `False` on every module first."),
            ): in_training and not answer.requires_grad,
            Choice(
                say("The model stays in eval mode for ever"),
                say("What stands under `finally` gives every module back the mode that it was found in."),
            ): not model.training,
        },
        source_of(evaluation_mode),
    )  # fmt: skip


MODES = Topic(
    say("`eval` and `no_grad`"),
    (what_eval_changes, what_no_grad_changes, dropout_in_training, gradients_in_eval_mode, why_both),
)
