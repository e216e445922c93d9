"""Questions about networks as PyTorch has them: why nn.Module, and what super().__init__() is for."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor, nn

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
from mnist_core.models import MLP

# What is shown and tried. Each is wrong, or odd, in the way that its question is about.


class NoModule:
    def __init__(self) -> None:
        self.layer = nn.Linear(784, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))  # type: ignore[no-any-return]


class NoInit(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(784, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))  # type: ignore[no-any-return]


class Watched(nn.Module):
    def __init__(self) -> None:
        self.calls = 0
        super().__init__()

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return images


def without_module(chance: Random) -> Draft:
    error = error_of(lambda: torch.optim.SGD(NoModule().parameters(), 0.1))  # type: ignore[attr-defined]
    return settled(
        say("This network is no `nn.Module`. What happens at `SGD(NoModule().parameters(), lr=0.1)`?"),
        {
            Choice(
                say("`AttributeError`: it has no `parameters`"),
                say("`parameters()` comes from `nn.Module`, which keeps a list of every layer given to it."),
            ): error == "AttributeError",
            Choice(
                say("It trains, but more slowly"),
                say("It does not come to training: the optimizer needs the weights, and nothing here can list them."),
            ): error == "",
            Choice(
                say("`ValueError`: the optimizer got an empty list"),
                say("That happens to a module without layers. This class does not even have the method."),
            ): error == "ValueError",
            Choice(
                say("`NotImplementedError`: it has no `forward`"),
                say("`forward` is there. And making an optimizer does not call it."),
            ): error == "NotImplementedError",
        },
        source_of(NoModule),
    )


def layers_in_a_list(chance: Random) -> Draft:
    size, layers = chance.choice([16, 32, 64]), chance.randint(2, 4)
    code = f"""class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear({size}, {size}) for _ in range({layers})]
        self.output = nn.Linear({size}, 10)

sum(weights.numel() for weights in Net().parameters())"""
    hidden, output = layers * (size * size + size), size * 10 + 10
    return Draft(
        say("How many parameters will the optimizer get from this network?"),
        Choice(
            number(result_of(code)),
            say(
                "Only those of `output`. `nn.Module` notices layers that are its attributes, but does not look into a "
                "Python list; `nn.ModuleList` is the list that it knows."
            ),
        ),
        [
            Choice(
                number(hidden + output),
                say("So many there are, but those in the Python list stay unknown: they would never be trained."),
            ),
            Choice(number(0), say("`output` is an attribute of the module, so it is noticed.")),
            Choice(number(hidden), say("The other way round: these are the ones that are not noticed.")),
        ],
        code,
    )


def hidden_layers_of_the_mlp(chance: Random) -> Draft:
    return settled(
        say("Why does our MLP keep its hidden layers in `nn.ModuleList` and not in a plain list?"),
        {
            Choice(
                say("So that `parameters()` and `state_dict()` contain them"),
                say("A plain list would run just as well, but its layers would be neither trained nor saved."),
            ): any("hidden" in name for name in MLP().state_dict()),
            Choice(
                say("So that they are called one after the other by themselves"),
                say("That is `nn.Sequential`. `nn.ModuleList` has no `forward`: the loop in `forward` does it."),
            ): error_of(lambda: MLP().hidden(torch.zeros(1, 784))) == "",
            Choice(
                say("So that their weights start at zero"),
                say("The list does nothing to the weights: each `nn.Linear` draws its own at random."),
            ): not any(weights.any() for weights in MLP().hidden.parameters()),
        },
        source_of(MLP),
    )


def parameters_of_linear(chance: Random) -> Draft:
    inputs, outputs = chance.choice([784, 128, 256, 64]), chance.choice([10, 32, 100, 128])
    code = f"layer = nn.Linear({inputs}, {outputs})\nsum(weights.numel() for weights in layer.parameters())"
    return Draft(
        say("How many parameters has this layer?"),
        Choice(
            number(result_of(code)),
            say(
                "{inputs} x {outputs} weights, one for each pair, and {outputs} biases, one for each output.",
                inputs=inputs, outputs=outputs,
            ),
        ),
        [
            Choice(number(inputs * outputs), say("These are the weights. Each output has a bias as well.")),
            Choice(number(inputs * outputs + inputs), say("The biases belong to the outputs, not to the inputs.")),
            Choice(number(inputs + outputs), say("Every output is joined with every input: multiply, do not add.")),
        ],
        code,
    )  # fmt: skip


def parameters_of_convolution(chance: Random) -> Draft:
    inputs, outputs, side = chance.choice([1, 3, 16]), chance.choice([8, 16, 32]), chance.choice([3, 5])
    code = (
        f"layer = nn.Conv2d({inputs}, {outputs}, kernel_size={side})\n"
        "sum(weights.numel() for weights in layer.parameters())"
    )
    weights = outputs * inputs * side * side
    return Draft(
        say("How many parameters has this convolution?"),
        Choice(
            number(result_of(code)),
            say(
                "Each of the {outputs} filters has {inputs} x {side} x {side} weights and one bias. The size of the "
                "picture does not matter: the same filter is used everywhere.",
                outputs=outputs, inputs=inputs, side=side,
            ),
        ),
        [
            Choice(number(weights), say("These are the weights. Each filter has a bias as well.")),
            Choice(
                number(weights * 28 * 28 + outputs),
                say("The same filter is moved over the whole picture; it does not have other weights at each place."),
            ),
            Choice(
                number(outputs * side * side + outputs * inputs),
                say("A filter looks at all channels below it, with weights of its own for each."),
            ),
        ],
        code,
    )  # fmt: skip


def without_super_init(chance: Random) -> Draft:
    error = error_of(NoInit)
    return settled(
        say("Here `super().__init__()` was forgotten. What does `NoInit()` do?"),
        {
            Choice(
                say("`AttributeError`: no layer can be given to it yet"),
                say("`super().__init__()` prepares the lists in which `nn.Module` notes its layers."),
            ): error == "AttributeError",
            Choice(
                say("It works: `super().__init__()` is only good manners"),
                say("Try it: the line `self.layer = ...` already fails."),
            ): error == "",
            Choice(
                say("It works, but `parameters()` stays empty"),
                say("It does not come to that: the very first layer is refused."),
            ): error == "" and not list(NoInit().parameters()),
            Choice(
                say("`NotImplementedError` at the first image"),
                say("There is a `forward`, and no image is needed: making the network fails."),
            ): error == "NotImplementedError",
        },
        source_of(NoInit),
    )


def what_super_init_prepares(chance: Random) -> Draft:
    bare, made = MLP.__new__(MLP), nn.Module()
    prepares = "_modules" not in vars(bare) and "_modules" in vars(made)
    return settled(
        say("What does `super().__init__()` do in a network of ours?"),
        {
            Choice(
                say("It prepares the lists in which layers and weights are noted"),
                say("Every `self.name = layer` afterwards is noted there, and `parameters()` reads from there."),
            ): prepares,
            Choice(
                say("It draws the first weights at random"),
                say("Each layer does that itself when it is made; `nn.Module` alone has no weight."),
            ): bool(list(made.parameters())),
            Choice(
                say("It calls `forward` once, to learn the shapes"),
                say("`forward` runs only when images come; the shapes stand in the layers."),
            ): Watched().calls != 0,
            Choice(
                say("It moves the network to the GPU if there is one"),
                say("Only `.to(device)` moves a network; it is made on the CPU."),
            ): any(weights.is_cuda for weights in MLP().parameters()),
        },
    )


BEFORE_INIT = {  # lines that somebody wrote before super().__init__()
    "self.size = 784": say("A plain number is no layer and no weight: Python keeps it, `nn.Module` does not mind."),
    "self.layer = nn.Linear(784, 10)": say("A layer must be noted, and the list for it is not there yet."),
    "self.scale = nn.Parameter(torch.ones(1))": say("A parameter must be noted, and the list for it is not there yet."),
    'self.register_buffer("mean", torch.zeros(1))': say("A buffer must be noted, and the list is not there yet."),
}


def before_super_init(chance: Random) -> Draft:
    def works(line: str) -> bool:
        code = f"class Net(nn.Module):\n    def __init__(self):\n        {line}\n        super().__init__()\nNet()"
        return error_of(lambda: result_of(code)) == ""

    return settled(
        say("Which of these lines may stand before `super().__init__()`?"),
        {Choice(code_text(line), because): works(line) for line, because in BEFORE_INIT.items()},
    )


NETWORKS = {
    "module": Topic(
        say("Why `nn.Module`"),
        (without_module, layers_in_a_list, hidden_layers_of_the_mlp, parameters_of_linear, parameters_of_convolution),
    ),
    "init": Topic(say("`super().__init__()`"), (without_super_init, what_super_init_prepares, before_super_init)),
}
