"""The sidebar: a recipe, and everything in it that can be changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from mnist_core import MODELS, RECIPES, TrainConfig
from mnist_core.config import ALL_IMAGES, LOSSES, OPTIMIZERS, SCHEDULES
from mnist_core.devices import available_devices
from mnist_core.limits import bounds, within_limits
from mnist_core.links import LEARNING_RATES, OFFERED_NUMBERS
from mnist_core.messages import Message, say
from mnist_core.models import ACTIVATIONS, CHANNELS, DROPOUT, HIDDEN_LAYERS, HIDDEN_SIZE, STAGES, count_model_parameters
from mnist_core.server_settings import ServerSettings, server_settings
from mnist_ui import colour_examples, colours, header
from mnist_ui.choice import choose_one
from mnist_ui.language import _, _n, duration
from mnist_ui.session import read_settings, setting_key, write_settings
from mnist_ui.visitor import Visitor

RECIPE_NAMES = {
    "fast": say("Fast: 99 % in seconds"),
    "course": say("Course: the network of a first lesson"),
    "best": say("Best: slower, right more often"),
}
MODEL_NAMES = {
    "mlp": say("MLP (linear layers)"),
    "mlp_sequential": say("MLP as nn.Sequential"),
    "cnn": say("Small CNN"),
    "fast_cnn": say("Fast CNN"),
    "deep_cnn": say("Deep CNN"),
}
OPTIMIZER_NAMES = {"sgd": "SGD", "momentum": say("SGD with momentum"), "adam": "Adam", "adamw": "AdamW", "muon": "Muon"}
LOSS_NAMES = {"cross_entropy": say("Cross-entropy"), "mse": say("Mean squared error")}
SCHEDULE_NAMES = {
    "constant": say("Constant"),
    "one_cycle": say("One cycle: up, then down"),
    "step": say("Step: x 0.7 each epoch"),
}
PLAIN_SETTINGS = (  # the fields of TrainConfig that a widget holds as they are
    *("model", "epochs", "learning_rate", "batch_size", "optimizer", "loss", "schedule", "augment", "made_digits"),
    *("non_digits", "weight_decay", "label_smoothing", "seed", "stop_when_stalled", "precision", "device"),
)


def show(visitor: Visitor) -> None:
    """The settings; `visitor.config` follows them, and when Train was pressed, a run with them begins."""
    with st.sidebar:
        header.show_in_sidebar()
        in_colour = colours.choose()
        examples = st.container()
        choose_one(
            _("Recipe"),
            list(RECIPES),
            format_func=in_words(RECIPE_NAMES),
            key=setting_key("recipe", "fast"),
            on_change=follow_recipe,
            help=_("A named set of all the settings below; change any of them afterwards."),
        )
        train = st.container()
        visitor.take_config(choose_config(in_colour))
        if in_colour:
            with examples:
                colour_examples.show(visitor.config)
        visitor.train_if_wished()
        train.button(
            _("Train"),
            type="primary",
            icon=":material/play_arrow:",
            key="train_sidebar",
            width="stretch",
            disabled=not visitor.may_train,
            on_click=visitor.wish_training,
        )
        with train:
            show_limits(server_settings())
    visitor.settings = read_settings()


def show_limits(settings: ServerSettings) -> None:
    """What this server allows of a run, in a line; nothing where it sets no limits."""
    limits = []
    if settings.epochs is not None:
        limits.append(_n("{count} epoch", "{count:,} epochs", settings.epochs))
    if settings.parameters is not None:
        limits.append(_n("{count} parameter", "{count:,} parameters", settings.parameters))
    if settings.run_seconds is not None:
        limits.append(_("{duration} a run", duration=duration(settings.run_seconds)))
    if limits:
        st.caption(_("On this server at most {limits}.", limits=", ".join(limits)))


def in_words(names: Mapping[str, str]) -> Callable[[str], str]:
    """How a widget shows a choice: by its name in the page's language."""
    return lambda choice: _(names[choice])


def follow_recipe() -> None:
    """Set every widget to what the chosen recipe says."""
    recipe = RECIPES[read_settings()["recipe"]]
    write_settings({**recipe_settings(recipe), **option_settings(recipe.model_options)})


def recipe_settings(recipe: TrainConfig) -> dict[str, Any]:
    """The values of the widgets, but for those of the model's options, that make up a recipe, as far as allowed."""
    plain = within_limits(recipe, server_settings()).as_dict()
    return {**{name: plain[name] for name in PLAIN_SETTINGS}, "train_images": plain["train_images"] or ALL_IMAGES}


def option_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The values of the widgets that make up a model's options."""
    settings: dict[str, Any] = {name: options[name] for name in ("dropout", "activation", "refuses") if name in options}
    for name, count in (("hidden_sizes", "hidden_layers"), ("channels", "stages")):
        if name in options:
            settings[count] = len(options[name])
            settings |= {f"{name}_{at}": width for at, width in enumerate(options[name])}
    return settings


def choose_config(in_colour: bool) -> TrainConfig:
    """The widgets below the recipe, and the configuration that they and the switch for colour add up to."""
    first = RECIPES["fast"]
    start = {**recipe_settings(first), **option_settings(first.model_options)}

    def key(name: str) -> str:
        return setting_key(name, start[name])

    def offered(name: str) -> tuple[int, int]:
        return bounds(name, server_settings())

    model = choose_one(
        _("Model"), list(MODELS), format_func=in_words(MODEL_NAMES), key=key("model"), on_change=forget_options,
        help=_("The network that learns. A CNN looks at neighbouring pixels together; an MLP does not know which are."),
    )  # fmt: skip
    options = choose_options(model)
    all_options = TrainConfig(model=model, model_options=options, colour=in_colour).model_options
    st.caption(_("{count:,} parameters to learn", count=count_model_parameters(model, **all_options)))
    epochs = st.number_input(
        _("Epochs"),
        *offered("epochs"),
        key=key("epochs"),
        help=_("How often the network sees every training image."),
    )
    learning_rate = st.select_slider(
        _("Learning rate"), LEARNING_RATES, format_func=lambda rate: f"{rate:g}", key=key("learning_rate"),
        help=_("How far each step moves the weights. Too low learns nothing in time, too high runs away."),
    )  # fmt: skip
    batch_size = st.number_input(
        _("Batch size"), *offered("batch_size"), key=key("batch_size"),
        help=_("How many images the network sees before each step."),
    )  # fmt: skip
    optimizer = choose_one(
        _("Optimizer"), list(OPTIMIZERS), format_func=in_words(OPTIMIZER_NAMES), key=key("optimizer"),
        help=_(
            "The rule that turns gradients into steps. Muon looks at a whole matrix of weights, the others at each "
            "weight by itself."
        ),
    )  # fmt: skip
    with st.expander(_("More settings"), key="more_settings"):
        loss = choose_one(
            _("Loss"), list(LOSSES), format_func=in_words(LOSS_NAMES), key=key("loss"),
            help=_(
                "What is made small: how surprised the network is (cross-entropy), or how far its probabilities are "
                "from 0 and 1 (mean squared error)."
            ),
        )  # fmt: skip
        label_smoothing = st.slider(
            _("Label smoothing"), *OFFERED_NUMBERS["label_smoothing"], step=0.01, key=key("label_smoothing"),
            help=_(
                "How much of each label is spread over all ten digits, so that the network does not grow too certain. "
                "It is part of the cross-entropy, so the loss can then not fall to 0."
            ),
        )  # fmt: skip
        weight_decay = st.number_input(
            _("Weight decay"), *OFFERED_NUMBERS["weight_decay"], step=0.01, format="%.4f", key=key("weight_decay"),
            help=_("How strongly each step pulls the weights towards 0."),
        )  # fmt: skip
        schedule = choose_one(
            _("Learning rate schedule"), list(SCHEDULES), format_func=in_words(SCHEDULE_NAMES), key=key("schedule"),
            help=_("How the learning rate changes along the way."),
        )  # fmt: skip
        augment = st.toggle(
            _("Augmentation"), key=key("augment"),
            help=_(
                "Turns, bends, thins and thickens every training image anew each time, so that other hands are read."
            ),
        )  # fmt: skip
        train_images = st.number_input(
            _("Training images"), *offered("train_images"), step=100, key=key("train_images"),
            help=_("How many of MNIST's 60,000 training images are used; the 10,000 test images never are."),
        )  # fmt: skip
        made_digits = st.number_input(
            _("Made digits"), *offered("made_digits"), step=1000, key=key("made_digits"),
            help=_(
                "How many digits in styles that MNIST lacks, drawn by a generator, are added to the training images: "
                "the slashed zero, the one with a foot, the crossed seven. Making 1,000 takes about a second."
            ),
        )  # fmt: skip
        non_digits = 0
        if options.get("refuses"):
            non_digits = st.number_input(
                _("Non-digits"), *offered("non_digits"), step=1000, key=key("non_digits"),
                help=_(
                    "How many drawings that are no digit are added, letters, doodles, scribbles, so that the network "
                    "learns to say that it sees none."
                ),
            )  # fmt: skip
        seed = st.number_input(
            _("Seed"),
            *offered("seed"),
            key=key("seed"),
            help=_("Where chance begins: equal seeds give equal runs."),
        )
        stop_when_stalled = st.toggle(
            _("Stop by itself"), key=key("stop_when_stalled"),
            help=_("Ends the run when the test accuracy has not become better for three epochs."),
        )  # fmt: skip
        precision = st.selectbox(
            _("Precision"), ["auto", "float32", "bfloat16"], key=key("precision"),
            help=_(
                "bfloat16 halves the digits of the forward pass: faster where the hardware knows it (auto decides)."
            ),
        )  # fmt: skip
        devices = available_devices()
        device = choose_one(
            _("Device"), ["auto", *devices], key=key("device"),
            format_func=lambda name: _("auto: the fastest") if name == "auto" else f"{name}: {_(devices[name])}",
            help=_("Where the network is trained; what this machine has."),
        )  # fmt: skip
    return TrainConfig(
        model=model, model_options=options, epochs=epochs, learning_rate=learning_rate, batch_size=batch_size,
        optimizer=optimizer, weight_decay=weight_decay, loss=loss, label_smoothing=label_smoothing,
        schedule=schedule, augment=augment, colour=in_colour,
        train_images=None if train_images == ALL_IMAGES else train_images, made_digits=made_digits,
        non_digits=non_digits, seed=seed, device=device, precision=precision, stop_when_stalled=stop_when_stalled,
    )  # fmt: skip


def forget_options() -> None:
    """Give the options of a newly chosen model their own defaults."""
    model = read_settings()["model"]
    write_settings(option_settings(TrainConfig(model=model).model_options))


def choose_options(model: str) -> dict[str, Any]:
    """The widgets for the options of one model, and the options that they add up to."""
    defaults = option_settings(TrainConfig(model=model).model_options)
    options: dict[str, Any] = {}
    if "hidden_layers" in defaults:
        layers = st.slider(
            _("Hidden layers"), *HIDDEN_LAYERS, key=setting_key("hidden_layers", defaults["hidden_layers"]),
            help=_("Layers between the pixels and the ten answers."),
        )  # fmt: skip
        options["hidden_sizes"] = choose_widths(
            "hidden_sizes", say("Size of layer {number}"), HIDDEN_SIZE, [128] * layers
        )
    if "stages" in defaults:
        fewest, most = STAGES[model]
        stages = fewest
        if fewest < most:
            stages = st.slider(
                _("Convolutions"), fewest, most, key=setting_key("stages", defaults["stages"]),
                help=_("Each looks at a larger part of the picture than the one before."),
            )  # fmt: skip
        widths = [defaults.get(f"channels_{at}", 32) for at in range(stages)]
        options["channels"] = choose_widths("channels", say("Channels of stage {number}"), CHANNELS, widths)
    with st.expander(_("More about the model"), key="more_about_the_model"):
        options["dropout"] = st.slider(
            _("Dropout"), *DROPOUT, step=0.05, key=setting_key("dropout", defaults["dropout"]),
            help=_("The share of features that is set to 0 at random while training, so that none is relied on alone."),
        )  # fmt: skip
        options["activation"] = st.selectbox(
            _("Activation"), list(ACTIVATIONS), key=setting_key("activation", defaults["activation"]),
            help=_("What bends the straight line between two layers; without it they would be one."),
        )  # fmt: skip
        if "refuses" in defaults:
            options["refuses"] = st.toggle(
                _("Can see that it is no digit"), key=setting_key("refuses", defaults["refuses"]),
                help=_("Besides the ten digits it learns an eleventh answer, none of them, from the non-digits below."),
            )  # fmt: skip
    return options


def choose_widths(name: str, label: Message, bounds: tuple[int, int], defaults: list[int]) -> list[int]:
    """A number for each layer, side by side; the label has a place for the layer's {number}."""
    widths = []
    with st.container(horizontal=True):
        for at, default in enumerate(defaults):
            key = setting_key(f"{name}_{at}", default)
            widths.append(int(st.number_input(_(label, number=at + 1), *bounds, key=key, width=108)))
    return widths
