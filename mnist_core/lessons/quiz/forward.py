"""Questions about forward: who calls it, and which shapes come out."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor, nn

from mnist_core.lessons.quiz.question import Choice, Draft, Topic, code_text, error_of, result_of, settled, source_of
from mnist_core.messages import say


class Misspelt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10)

    def froward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))  # type: ignore[no-any-return]


def call_or_forward(chance: Random) -> Draft:
    layer, noticed = nn.Linear(2, 1), []
    layer.register_forward_hook(lambda *told: noticed.append(told))
    image = torch.ones(1, 2)
    same = bool((layer(image) == layer.forward(image)).all())
    hook_ran_once = len(noticed) == 1  # the call told it, forward did not
    return settled(
        say("Why do we write `model(images)` and not `model.forward(images)`?"),
        {
            Choice(
                say("The call also runs the hooks that were registered, then `forward`"),
                say("So tools that watch a network, such as those for its layers, see nothing of a `forward`."),
            ): same and hook_ran_once,
            Choice(
                say("Only the call gives gradients"),
                say("Both give the same numbers and the same graph for `backward`."),
            ): not layer.forward(image).requires_grad,
            Choice(
                say("`forward` uses other weights"),
                say("Both use the weights that are there, and give the same numbers."),
            ): not same,
            Choice(
                say("`forward` is private and raises an error"),
                say("It can be called. But whoever does so passes by the hooks."),
            ): bool(error_of(lambda: layer.forward(image))),
        },
    )


def misspelt_forward(chance: Random) -> Draft:
    made, called = error_of(Misspelt), error_of(lambda: Misspelt()(torch.zeros(1, 1, 28, 28)))
    return settled(
        say("A letter went wrong here: `froward`. When is that noticed?"),
        {
            Choice(
                say("At the first `model(images)`, as a `NotImplementedError`"),
                say("The call finds the `forward` of `nn.Module`, which only says that there is none."),
            ): (made, called) == ("", "NotImplementedError"),
            Choice(
                say("As soon as the class is defined, as a `SyntaxError`"),
                say("To Python it is a method like any other: it has a name and a body."),
            ): error_of(lambda: result_of(f"{source_of(Misspelt)}\nMisspelt")) != "",
            Choice(
                say("At `Misspelt()`, when the layers are made"),
                say("Making the network needs `__init__` only; `forward` is looked for when an image comes."),
            ): made != "",
            Choice(
                say("Never: `model(images)` calls the method that is there"),
                say("The name is the agreement: `nn.Module` calls `forward` and nothing else."),
            ): called == "",
        },
        source_of(Misspelt),
    )


def shape_after_convolution(chance: Random) -> Draft:
    images, channels, side = chance.choice([32, 64, 128]), chance.choice([8, 16, 32]), chance.choice([3, 5])
    padding, stride = chance.choice([0, side // 2]), chance.choice([1, 2])
    code = (
        f"layer = nn.Conv2d(1, {channels}, kernel_size={side}, stride={stride}, padding={padding})\n"
        f"layer(torch.zeros({images}, 1, 28, 28)).shape"
    )
    shape = tuple(result_of(code))
    size, other = shape[-1], (28 - side + 2 * (side // 2 - padding)) // stride + 1
    return Draft(
        say("Which shape comes out?"),
        Choice(
            code_text(shape),
            say(
                "{images} images stay {images}; each filter gives a channel, {channels} of them; the filter fits "
                "{size} times along each side.",
                images=images, channels=channels, size=size,
            ),
        ),
        [
            Choice(
                code_text((images, channels, other, other)),
                say("Count again: padding adds pixels at both edges, and the filter needs room for itself."),
            ),
            Choice(
                code_text((images, channels, 28 // (3 - stride), 28 // (3 - stride))),
                say("Only a stride of 2 halves the sides, and only enough padding keeps them."),
            ),
            Choice(
                code_text((channels, images, size, size)),
                say("The first number is always the images of the batch; channels come second."),
            ),
            Choice(
                code_text((images, 1, size, size)),
                say("Each filter makes a channel of its own, so there are as many as filters."),
            ),
        ],
        code,
    )  # fmt: skip


def shape_after_flatten(chance: Random) -> Draft:
    images, channels, side = chance.choice([16, 64, 100]), chance.choice([1, 3, 8]), chance.choice([7, 14, 28])
    code = f"nn.Flatten()(torch.zeros({images}, {channels}, {side}, {side})).shape"
    pixels = channels * side * side
    return Draft(
        say("Which shape comes out?"),
        Choice(
            code_text(tuple(result_of(code))),
            say(
                "`nn.Flatten` leaves the first dimension, the batch, and lays the rest in a row: {channels} x {side} x "
                "{side} = {pixels:,}.",
                channels=channels, side=side, pixels=pixels,
            ),
        ),
        [
            Choice(code_text((images * pixels,)), say("That would mix the images; it begins after the batch.")),
            Choice(
                code_text((images, channels, side * side)),
                say("The channels are laid in the row as well: `nn.Flatten` leaves only the batch."),
            ),
            Choice(code_text((pixels, images)), say("The batch stays in front: one row for each image.")),
        ],
        code,
    )  # fmt: skip


FORWARD = Topic(
    say("`forward` and the call"), (call_or_forward, misspelt_forward, shape_after_convolution, shape_after_flatten)
)
