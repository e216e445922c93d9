"""Questions about softmax and cross-entropy."""

from __future__ import annotations

import math
from random import Random

import torch

from mnist_core.lessons.quiz.question import Choice, Draft, Topic, code_text, number, result_of, settled
from mnist_core.messages import say


def softmax_of_equals(chance: Random) -> Draft:
    classes, logit = chance.choice([2, 4, 5, 10]), chance.choice([-3.0, 0.0, 2.0, 7.0])
    code = f"torch.full(({classes},), {logit}).softmax(dim=0)[0].item()"
    return Draft(
        say("All {classes} logits are the same. What does softmax make of each?", classes=classes),
        Choice(
            number(round(result_of(code), 4), "g"),
            say("The probabilities are equal and add up to 1, whatever the logits are."),
        ),
        [
            Choice(number(logit, "g"), say("Softmax makes probabilities: from 0 to 1, and 1 in all.")),
            Choice(number(1, "g"), say("Then they would add up to {classes}.", classes=classes)),
            Choice(number(0, "g"), say("Then they would add up to 0, but probabilities add up to 1.")),
        ],
        code,
    )  # fmt: skip


def softmax_shifted(chance: Random) -> Draft:
    logits, shift = [float(value) for value in chance.sample(range(-2, 5), 3)], chance.choice([1.0, 10.0, 100.0])
    now, then = (torch.tensor(logits, dtype=torch.float64) + added for added in (0.0, shift))
    return settled(
        say("{shift:g} is added to every logit. What becomes of the probabilities?", shift=shift),
        {
            Choice(
                say("They stay the same"),
                say("Softmax looks at the differences between logits only: e to the shift cancels out."),
            ): torch.allclose(now.softmax(0), then.softmax(0)),
            Choice(
                say("All become larger"), say("They always add up to 1, so not all of them can grow.")
            ): bool((then.softmax(0) > now.softmax(0) + 1e-9).all()),
            Choice(
                say("The largest becomes larger still"),
                say("That happens when all logits are multiplied by something above 1, not when something is added."),
            ): bool(then.softmax(0).max() > now.softmax(0).max() + 1e-9),
        },
        f"torch.tensor({logits}).softmax(dim=0)",
    )  # fmt: skip


def loss_of_a_guess(chance: Random) -> Draft:
    classes = chance.choice([2, 4, 10, 100])
    code = f"loss_fn = nn.CrossEntropyLoss()\nloss_fn(torch.zeros(1, {classes}), torch.tensor([0])).item()"
    return Draft(
        say("An untrained network gives the same logit to each of {classes} classes. What is its cross-entropy?",
            classes=classes),
        Choice(
            number(result_of(code), ".2f"),
            say("The logarithm of {classes}: minus log of the probability 1/{classes} of the right class. "
                "A curve of the loss begins about there.", classes=classes),
        ),
        [
            Choice(number(1 / classes, ".2f"), say("That is the probability; the loss is minus its logarithm.")),
            Choice(number(0, ".2f"), say("0 is the loss of one who is right and quite certain.")),
            Choice(number(math.log10(classes), ".2f"), say("Near, but with the natural logarithm, not to base 10.")),
            Choice(number(classes, ".2f"), say("The logarithm is still missing.")),
        ],
        code,
    )  # fmt: skip


def softmax_before_the_loss(chance: Random) -> Draft:
    certain = chance.choice([20.0, 30.0, 50.0])
    code = f"""logits = torch.zeros(1, 10)
logits[0, 3] = {certain}  # quite certain of the 3, and it is a 3
probabilities = logits.softmax(dim=1)
nn.CrossEntropyLoss()(probabilities, torch.tensor([3])).item()"""
    without = result_of(code.replace("(probabilities,", "(logits,"))
    return Draft(
        say("Somebody put a softmax before `nn.CrossEntropyLoss`. How small does the loss get at best?"),
        Choice(
            number(result_of(code), ".2f"),
            say(
                "The loss takes logits and does the softmax itself. A second softmax makes probabilities, at most 1 "
                "apart, pale: even who is right and certain is punished, and learns slowly."
            ),
        ),
        [
            Choice(number(without, ".2f"), say("That is what the logits themselves would give.")),
            Choice(number(1, ".2f"), say("1 is the probability that goes in, not the loss that comes out.")),
            Choice(number(math.log(10), ".2f"), say("That is the loss of a mere guess among ten.")),
        ],
        code,
    )  # fmt: skip


def labels_of_the_loss(chance: Random) -> Draft:
    images = chance.choice([16, 32, 64])
    code = f"""logits = torch.zeros({images}, 10)
labels = torch.zeros({images}, dtype=torch.int64)
nn.CrossEntropyLoss()(logits, labels).shape"""
    return Draft(
        say("Which shape has the loss of a batch?"),
        Choice(
            code_text(tuple(result_of(code))),
            say("One number: the mean over the batch. Only from one number can `backward` begin."),
        ),
        [
            Choice(code_text((images,)), say("By default `nn.CrossEntropyLoss` takes the mean over the images.")),
            Choice(code_text((images, 10)), say("That is the shape of the logits that go in.")),
            Choice(code_text((10,)), say("The classes are looked at for each image, and the images averaged.")),
        ],
        code,
    )  # fmt: skip


LOSS = Topic(
    say("Softmax and loss"),
    (softmax_of_equals, softmax_shifted, loss_of_a_guess, softmax_before_the_loss, labels_of_the_loss),
)
