"""Questions about what a network is worth: test data and accuracy."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor

from mnist_core.data import load_mnist
from mnist_core.lessons.quiz.question import Choice, Draft, Topic, number, percent, result_of, settled, source_of
from mnist_core.messages import Message, say
from mnist_core.models import MLP
from mnist_core.training import evaluate


def nearest(known: Tensor, asked: Tensor) -> Tensor:
    """Which of the known images is most like each one asked for."""
    return torch.cdist(asked, known).argmin(dim=1)


def learnt_by_heart(chance: Random) -> Draft:
    count = chance.choice([200, 300, 500])
    generator = torch.Generator().manual_seed(chance.randrange(2**31))
    images, others = torch.rand(2, count, 20, generator=generator)
    labels, other_labels = torch.randint(10, (2, count), generator=generator)
    known = (labels[nearest(images, images)] == labels).float().mean().item()
    new = (labels[nearest(images, others)] == other_labels).float().mean().item()
    return Draft(
        say(
            "The labels of {count} images were drawn by lot, so there is nothing to learn. A reader looks for the most "
            "similar image that it knows and says its label. How well does it read the images that it knows?",
            count=count,
        ),
        Choice(
            percent(known),
            say(
                "We tried: it knows every one of them by heart. Of {count} new images it read {new:.0f} %, as often as "
                "a guess. That is why accuracy is measured on images that were not learnt from.",
                count=count, new=100 * new,
            ),
        ),
        [
            Choice(percent(0.1), say("So it does on new images. Those that it knows it only has to look up.")),
            Choice(percent(0.5), say("Each image that it knows is most similar to itself, and that label is right.")),
            Choice(percent(0), say("It says the label that belongs to the very same image.")),
        ],
    )  # fmt: skip


def which_accuracy_counts(chance: Random) -> Draft:
    train, test = chance.randint(990, 999) / 1000, chance.randint(940, 975) / 1000
    return Draft(
        say("After a run the training accuracy is {train:.1f} % and the test accuracy {test:.1f} %. "
            "What is to be expected of new digits of the same kind?", train=100 * train, test=100 * test),
        Choice(
            Message("{value:.1f} %", value=100 * test),
            say("The test images were new to the network, just as the next ones will be."),
        ),
        [
            Choice(
                Message("{value:.1f} %", value=100 * train),
                say("The network has seen these images again and again; part of it is knowing them by heart."),
            ),
            Choice(
                Message("{value:.1f} %", value=50 * (train + test)),
                say("A mean with what was learnt from is still too good."),
            ),
            Choice(
                Message("{value:.1f} %", value=100 * (train - test)),
                say("The difference tells how much was learnt by heart, not how well new digits are read."),
            ),
        ],
    )  # fmt: skip


def best_of_many(chance: Random) -> Draft:
    guessers, images = chance.choice([50, 100, 200]), chance.choice([40, 50, 100])
    generator = torch.Generator().manual_seed(chance.randrange(2**31))
    right = torch.randint(2, (guessers, images), generator=generator).float().mean(dim=1)  # (guessers,)
    best = right.max().item()
    new = torch.randint(2, (1_000_000,), generator=generator).float().mean().item()
    return Draft(
        say(
            "{guessers} networks toss a coin for each of {images} test images with two classes. The best of them gets "
            "{best:.0f} % right. How many will it get right of new images?",
            guessers=guessers, images=images, best=100 * best,
        ),
        Choice(
            say("About {share:.0f} %", share=100 * new),
            say(
                "We tossed a million times more: half. It was chosen for its luck with these images. Whoever chooses "
                "by the test set needs other images to measure with."
            ),
        ),
        [
            Choice(say("About {share:.0f} %", share=100 * best), say("Its luck with the test images is no skill.")),
            Choice(
                say("About {share:.0f} %", share=50 * (0.5 + best)),
                say("There is nothing in it but the coin, and coins do not remember."),
            ),
            Choice(say("About {share:.0f} %", share=100 * (1 - best)), say("Luck is not followed by bad luck either.")),
        ],
    )  # fmt: skip


def what_evaluate_changes(chance: Random) -> Draft:
    model, images, labels = MLP(hidden_sizes=(8,)), torch.rand(6, 1, 28, 28), torch.arange(6)
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    evaluate(model, [(images, labels)], "cpu")
    moved = any(not torch.equal(weights, before[name]) for name, weights in model.state_dict().items())
    gradients = any(weights.grad is not None for weights in model.parameters())
    return settled(
        say("After each epoch our loop calls `evaluate` on the test images. What does the network learn from them?"),
        {
            Choice(
                say("Nothing: no weight moves"),
                say("There is no `backward` and no `step` in it. We tried: all weights are the same as before."),
            ): not moved and not gradients,
            Choice(
                say("A little: one step for each epoch"), say("A step needs a gradient, and none is made here.")
            ): moved,
            Choice(
                say("Nothing yet, but the gradients are kept for the next step"),
                say("`evaluation_mode` brings `torch.no_grad()` with it: there are no gradients to keep."),
            ): not moved and gradients,
        },
        source_of(evaluate),
    )  # fmt: skip


def wrong_at_an_accuracy(chance: Random) -> Draft:
    images = len(load_mnist("test"))
    share = chance.choice([970, 975, 984, 991, 995]) / 1000
    wrong = images - round(images * share)
    return Draft(
        say("A network reads {share:.1f} % of MNIST's {images:,} test images. How many does it read wrongly?",
            share=100 * share, images=images),
        Choice(
            number(wrong),
            say("{rest:.1f} % of {images:,}. From here on, each tenth of a percent is ten images.",
                rest=100 * (1 - share), images=images),
        ),
        [
            Choice(number(round(images * share)), say("Those are the ones that it reads rightly.")),
            Choice(number(wrong * 6), say("That would be of 60,000: the training images.")),
            Choice(number(wrong / 10, "g"), say("Ten times more: one percent of 10,000 is 100.")),
        ],
    )  # fmt: skip


def accuracy_of_a_confusion(chance: Random) -> Draft:
    rows = [[chance.randint(1, 4) for _ in range(3)] for _ in range(3)]
    for at, row in enumerate(rows):
        row[at] = chance.randint(20, 40)
    code = f"confusion = torch.tensor({rows})  # [label, answer]\n"
    accuracy = result_of(code + "(confusion.diagonal().sum() / confusion.sum()).item()")
    matrix = torch.tensor(rows).double()
    first_row, first_column = (matrix[0, 0] / matrix[0].sum()).item(), (matrix[0, 0] / matrix[:, 0].sum()).item()
    return Draft(
        say("Three kinds of digits were counted by what they are (rows) and what was answered (columns). "
            "What is the accuracy?"),
        Choice(
            percent(accuracy, 1),
            say("On the diagonal stand the right answers: their sum, divided by the sum of everything."),
        ),
        [
            Choice(percent(1 - accuracy, 1), say("That is the share of the wrong answers.")),
            Choice(percent(first_row, 1), say("That is the recall of the first digit; the others count too.")),
            Choice(percent(first_column, 1), say("That is the precision of the first answer; the others count too.")),
            Choice(percent(matrix.diagonal().sum().item() / 300, 1), say("Divide by how many there are, not by 300.")),
        ],
        code.strip(),
    )  # fmt: skip


def accuracy_from_logits(chance: Random) -> Draft:
    count = chance.choice([4, 5])
    logits = [[float(value) for value in chance.sample(range(-3, 6), 3)] for _ in range(count)]
    best = torch.tensor(logits).argmax(dim=1).tolist()
    wrong_at = set(chance.sample(range(count), chance.randint(1, 2)))
    labels = [(digit + 1 + chance.randrange(2)) % 3 if at in wrong_at else digit for at, digit in enumerate(best)]
    code = f"""logits = torch.tensor({logits})
labels = torch.tensor({labels})
(logits.argmax(dim=1) == labels).float().mean().item()"""
    right = result_of(code)
    others = [share / count for share in range(count + 1) if abs(share / count - right) > 0.01]
    chance.shuffle(others)
    return Draft(
        say("What accuracy does the last line give?"),
        Choice(
            percent(right),
            say(
                "The largest logits stand at {places}; {right} of {count} are the labels.",
                places=", ".join(map(str, best)), right=count - len(wrong_at), count=count,
            ),
        ),
        [
            Choice(
                percent(other),
                say(
                    "That would be {right} of {count}. Line by line: the place of the largest logit, counted from 0, "
                    "is the answer. Is it the label?",
                    right=round(other * count), count=count,
                ),
            )
            for other in others
        ],
        code,
    )  # fmt: skip


MEASURING = {
    "test": Topic(
        say("Why separate test data"), (learnt_by_heart, which_accuracy_counts, best_of_many, what_evaluate_changes)
    ),
    "accuracy": Topic(say("Accuracy"), (wrong_at_an_accuracy, accuracy_of_a_confusion, accuracy_from_logits)),
}
