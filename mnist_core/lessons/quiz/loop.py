"""Questions about the training loop: the order of its lines, gradients, steps and batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from mnist_core.lessons.quiz.question import (
    Choice,
    Draft,
    Topic,
    code_text,
    error_of,
    number,
    result_of,
    settled,
    source_of,
)
from mnist_core.messages import say
from mnist_core.training import train_step

ORDERS = {  # the lines of a step, wrongly put
    ("zero_grad", "forward", "backward", "step"): say(
        "Old gradients away, then the answer and its loss, the new gradients, and a step along them."
    ),
    ("zero_grad", "forward", "step", "backward"): say(
        "When the step comes, the gradients have just been cleared: the weights never move."
    ),
    ("forward", "backward", "zero_grad", "step"): say(
        "The new gradients are cleared before the step can use them: the weights never move."
    ),
    ("zero_grad", "backward", "forward", "step"): say(
        "`backward` goes back through a forward pass, and there has been none yet: an error."
    ),
}
LINES = {
    "zero_grad": "optimizer.zero_grad()",
    "forward": "loss = loss_fn(model(images), labels)",
    "backward": "loss.backward()",
    "step": "optimizer.step()",
}


class PlainSGD:
    """What torch.optim.SGD does; the first real optimizer of a process would bring 160 MB into the server."""

    def __init__(self, weights: Iterable[nn.Parameter], learning_rate: float) -> None:
        self.weights, self.learning_rate = list(weights), learning_rate

    def zero_grad(self) -> None:
        for weights in self.weights:
            weights.grad = None

    def step(self) -> None:
        with torch.no_grad():
            for weights in self.weights:
                if weights.grad is not None:
                    weights.sub_(self.learning_rate * weights.grad)


def learns(order: Sequence[str], make_optimizer: Callable[..., Any] = PlainSGD) -> bool:
    """Whether the loss on one batch falls when a small network makes twenty steps with its lines in this order."""
    model, images, labels = nn.Linear(4, 2), torch.eye(4), torch.tensor([0, 1, 0, 1])
    optimizer, loss_fn = make_optimizer(model.parameters(), 0.5), nn.CrossEntropyLoss()
    before = loss_fn(model(images), labels).item()
    code = "\n".join(["for _ in range(20):", *(f"    {LINES[name]}" for name in order), "None"])
    given = {"model": model, "optimizer": optimizer, "loss_fn": loss_fn, "images": images, "labels": labels}
    failed = error_of(lambda: result_of(code, given)) != ""
    return not failed and loss_fn(model(images), labels).item() < before


def order_of_a_step(chance: Random) -> Draft:
    return settled(
        say("In which order does a step learn? (`forward` is the line with `model(images)` and the loss.)"),
        {Choice(code_text(" → ".join(order)), because): learns(order) for order, because in ORDERS.items()},
    )


def gradients_add_up(chance: Random) -> Draft:
    weight, times = chance.randint(2, 9), chance.choice([2, 3])
    code = f"weight = torch.tensor({weight}.0, requires_grad=True)\n"
    code += "(weight**2).backward()\n" * times + "weight.grad.item()"
    once = 2 * weight
    return Draft(
        say("`backward` is called {times} times, `zero_grad` never. What does the last line give?", times=times),
        Choice(
            number(result_of(code), "g"),
            say(
                "The slope of the square is 2 x {weight} = {once}, and each `backward` adds it to what is in `.grad`: "
                "{times} x {once}. That is why a step begins with `zero_grad`.",
                weight=weight, once=once, times=times,
            ),
        ),
        [
            Choice(number(once, "g"), say("That is after one `backward`. `.grad` is added to, not overwritten.")),
            Choice(number(once**times, "g"), say("The gradients are added, not multiplied.")),
            Choice(number(0, "g"), say("Only `zero_grad` would clear it.")),
            Choice(number(weight**2, "g"), say("That is the value of the square; `.grad` holds its slope.")),
        ],
        code,
    )  # fmt: skip


def one_step_of_sgd(chance: Random) -> Draft:
    weight, rate = chance.randint(2, 9), chance.choice([0.1, 0.25, 0.5])
    code = f"""weight = torch.tensor({weight}.0, requires_grad=True)
(3 * weight).backward()
with torch.no_grad():
    weight -= {rate} * weight.grad  # what torch.optim.SGD does in its step
round(weight.item(), 4)"""
    return Draft(
        say("What is the weight after this step?"),
        Choice(
            number(result_of(code), "g"),
            say("New weight = weight - learning rate x gradient, and the gradient of 3 x weight is 3."),
        ),
        [
            Choice(number(weight + 3 * rate, "g"), say("The step goes against the gradient, downhill: subtract.")),
            Choice(number(weight - 3, "g"), say("The step is the gradient times the learning rate.")),
            Choice(number(weight - rate, "g"), say("The gradient belongs to it as well: here it is 3.")),
            Choice(number(weight, "g"), say("The step changes the weight itself, in place.")),
        ],
        code,
    )  # fmt: skip


def what_backward_changes(chance: Random) -> Draft:
    layer = nn.Linear(3, 1)
    weights = layer.weight.detach().clone()
    no_gradient_before = layer.weight.grad is None
    layer(torch.ones(1, 3)).sum().backward()
    moved, filled = not torch.equal(weights, layer.weight), no_gradient_before and layer.weight.grad is not None
    return settled(
        say("`loss.backward()` was called, `optimizer.step()` not yet. What has changed?"),
        {
            Choice(
                say("The `.grad` of every weight"),
                say("`backward` works out the gradients and puts them there. The optimizer moves the weights."),
            ): filled and not moved,
            Choice(
                say("The weights"), say("Not yet: only `optimizer.step()` moves them, and needs the gradients for it.")
            ): moved and not filled,
            Choice(
                say("Both"), say("`backward` fills `.grad`. The weights wait for `optimizer.step()`.")
            ): moved and filled,
            Choice(
                say("Nothing, until the next batch"), say("The gradients are there at once, in `.grad` of each weight.")
            ): not moved and not filled,
        },
        source_of(train_step),
    )  # fmt: skip


def batches_in_an_epoch(chance: Random) -> Draft:
    images, batch = chance.choice([(60_000, 64), (60_000, 128), (10_000, 64), (50_000, 256), (1000, 32)])
    batches = len(DataLoader(range(images), batch_size=batch))  # type: ignore[arg-type]
    return Draft(
        say("How many batches of {batch} are {images:,} images, when none is left out?", batch=batch, images=images),
        Choice(
            number(batches),
            say(
                "{images:,} / {batch} = {quotient:,.2f}, rounded up: the last batch is not full, but it is one.",
                images=images, batch=batch, quotient=images / batch,
            ),
        ),
        [
            Choice(number(images // batch), say("The images that are left over make one more, smaller batch.")),
            Choice(number(batch), say("That is how many images are in a batch.")),
            Choice(number(images), say("That would be batches of one image.")),
        ],
    )  # fmt: skip


def size_of_the_last_batch(chance: Random) -> Draft:
    images, batch = chance.choice([(60_000, 64), (60_000, 128), (10_000, 64), (1000, 32), (500, 64)])
    last = [len(one) for one in DataLoader(range(images), batch_size=batch, collate_fn=list)][-1]  # type: ignore[arg-type]
    return Draft(
        say("{images:,} images in batches of {batch}: how many are in the last one?", batch=batch, images=images),
        Choice(
            number(last),
            say(
                "{full:,} full batches take {taken:,} images; {last} are left.",
                full=images // batch, taken=images // batch * batch, last=last,
            ),
        ),
        [
            Choice(number(batch), say("Only when the batch size divides the number of images without a rest.")),
            Choice(number(batch - last), say("So many are missing in the last batch.")),
            Choice(number(0), say("A batch without images is none: the loader would not give it.")),
        ],
    )  # fmt: skip


def steps_in_a_run(chance: Random) -> Draft:
    images, batch, epochs = chance.choice([1000, 6000, 60_000]), chance.choice([50, 64, 128]), chance.randint(3, 10)
    batches = len(DataLoader(range(images), batch_size=batch))  # type: ignore[arg-type]
    return Draft(
        say(
            "How often does a run call `train_step`: {epochs} epochs, {images:,} images, batches of {batch}?",
            epochs=epochs, images=images, batch=batch,
        ),
        Choice(
            number(epochs * batches),
            say(
                "Once for each batch: {batches:,} in an epoch, {epochs} times.", batches=batches, epochs=epochs
            ),
        ),
        [
            Choice(number(epochs), say("In an epoch there is a step for each batch.")),
            Choice(number(images * epochs), say("So many images are shown; a step takes a whole batch of them.")),
            Choice(number(batches), say("So many steps make one epoch.")),
        ],
        source_of(train_step),
    )  # fmt: skip


LOOP = {
    "loop": Topic(
        say("The training loop"), (order_of_a_step, gradients_add_up, one_step_of_sgd, what_backward_changes)
    ),
    "batches": Topic(say("Batches and epochs"), (batches_in_an_epoch, size_of_the_last_batch, steps_in_a_run)),
}
