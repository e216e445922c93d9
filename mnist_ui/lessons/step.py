"""One step at a time: one batch through the real `train_step`, a line a press."""

from __future__ import annotations

import streamlit as st

from mnist_core.errors import WeightsError
from mnist_core.lessons.stepping import BY_HAND, Stepper, has_dropout, loss_now, measure_layers
from mnist_core.messages import say
from mnist_core.opened import OpenedNetwork
from mnist_ui.choice import choose_one
from mnist_ui.language import _
from mnist_ui.lessons import step_tables
from mnist_ui.lessons.bench import ANSWERING, BATCH_SIZE, LARGEST, NAME, UNTRAINED, Bench, find_bench, get_ready
from mnist_ui.session import set_widget_value, widget_value
from mnist_ui.sidebar import OPTIMIZER_NAMES
from mnist_ui.visitor import SHIPPED, Visitor

NETWORKS = {ANSWERING: say("The one that answers"), UNTRAINED: say("An untrained one")}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
FIRST_CHOICES = {"step_network": ANSWERING, "step_optimizer": "sgd", "step_rate": 0.01}

# What a line of train_step has done, by what it calls.
EXPLAINED = {
    "zero_grad": say(
        "What an earlier batch had left in `.grad` is gone. Without this line, `backward` would add to it. It is "
        "`None` rather than zeros: that needs no memory, and the optimizer leaves a weight without `.grad` alone."
    ),
    "model": say(
        "Forward: the images went through every layer, and logits came out, a row for each image. No weight and no "
        "`.grad` has changed, but PyTorch has noted how the logits came about: see their `grad_fn`."
    ),
    "loss_fn": say("Logits and labels became one number: the smaller, the better the digits were read."),
    "backward": say(
        "Back from the loss through every layer: the `.grad` of each weight now says how the loss would change if that "
        "weight grew. The weights themselves are still the same."
    ),
    "step": say(
        "The optimizer has changed the weights, each by its `.grad`. The `.grad` stays where it is until the next "
        "`zero_grad`."
    ),
    "return": say(
        "Loss and logits go back to the training loop, both from before the change. It takes another batch, and all "
        "begins again."
    ),
}
NOT_BEGUN = say("Nothing has been run yet. The marked line is the next; press the blue button to see what it does.")
LEFT_OVER = say(
    "Another batch for the same network. Look at the gradients: the batch before has left them. Now see what "
    "`zero_grad` is for."
)


def show(visitor: Visitor) -> None:
    """The lesson: whose network and which optimizer, the source with its marked line, and what is in memory."""
    with st.spinner(_("Getting PyTorch's optimizers ready ...")):
        get_ready()
    try:
        bench = find_bench(visitor, *show_choices(visitor))
    except WeightsError as error:
        st.error(_("No network can answer. {error}", error=error.message))
        return
    if bench is None:
        words = _(
            "This network has more than {count:,} parameters, too many to copy: choose a smaller one.", count=LARGEST
        )
        st.info(words)
        return
    st.caption(whose(bench))
    show_newer(visitor, bench)
    show_batch(bench)
    left, right = st.columns([1.25, 1], gap="medium")
    with left:
        st.html(step_tables.source_html(bench.stepper))
        show_buttons(bench)
        with st.container(key="step_told"):
            st.markdown(what_happened(bench.stepper))
    with right:
        st.caption(_("What each variable holds"))
        st.html(step_tables.variables_html(bench.stepper))
        show_losses(bench)
    left, right = st.columns([1.25, 1], gap="medium")
    with left:
        st.caption(_("Each layer: how many weights it has, and the norms of its weights, their .grad and their change"))
        moments = bench.stepper.moments
        st.html(step_tables.layers_html(measure_layers(bench.stepper.model, moments[0], moments[-1])))
    with right:
        show_weight(bench)


def show_choices(visitor: Visitor) -> tuple[str, str, float]:
    """Which network, which optimizer and which learning rate; they outlive the lesson's being closed."""
    kept = visitor.notes.setdefault(f"{NAME}_choices", dict(FIRST_CHOICES))
    for key in FIRST_CHOICES:
        if widget_value(key) is None:
            set_widget_value(key, kept[key])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        network = st.segmented_control(
            _("Network"),
            list(NETWORKS),
            format_func=lambda name: _(NETWORKS[name]),
            required=True,
            key="step_network",
            help=_("The step is made by a copy of it: the network itself stays as it is."),
        )
        optimizer = choose_one(
            _("Optimizer"),
            BY_HAND,
            format_func=lambda name: _(OPTIMIZER_NAMES[name]),
            key="step_optimizer",
            width=200,
            help=_("How the gradients become a change of the weights."),
        )
        rate = st.select_slider(
            _("Learning rate"),
            RATES,
            format_func=lambda rate: f"{rate:g}",
            key="step_rate",
            width=220,
            help=_("How far the weights go in one step."),
        )
    kept.update(step_network=network, step_optimizer=optimizer, step_rate=rate)
    return network, optimizer, rate


def whose(bench: Bench) -> str:
    """Which network is being trained here, in words."""
    if bench.kind[0] == UNTRAINED:
        words = _("A new network, of the kind that the sidebar says: its weights are random.")
    elif bench.kind[1] == SHIPPED:
        words = _("A copy of the shipped network.")
    elif isinstance(bench.kind[2], OpenedNetwork):
        words = _("A copy of my network from the file `{file}`.", file=bench.kind[2].name)
    else:
        words = _("A copy of my network after {steps:,} steps.", steps=bench.steps)
    if has_dropout(bench.source):
        words += " " + _("Dropout rests here, so that the loss before and after can be compared.")
    if getattr(bench.source, "refuses", False):
        words += " " + _("In training it has an eleventh logit, always 0, for what is no digit.")
    return words


def show_newer(visitor: Visitor, bench: Bench) -> None:
    """When the visitor's network has been trained further since it was copied: the button to copy it again."""
    if bench.kind[0] == UNTRAINED or bench.kind[1] == SHIPPED:
        return
    _name, steps, _model = visitor.answering_model()
    if steps != bench.steps:
        words = _("Copy it again, now at step {step:,}", step=steps)
        st.button(words, icon=":material/refresh:", key="step_newer", on_click=visitor.notes.pop, args=(NAME, None))


def show_batch(bench: Bench) -> None:
    """The batch's images with their labels."""
    st.caption(_("Batch {number} of the training set: {count} images with their labels", number=bench.batch + 1,
                 count=BATCH_SIZE))  # fmt: skip
    st.html(step_tables.batch_html(bench.digits()))


def show_buttons(bench: Bench) -> None:
    """Run the next line, back to the start, another batch."""
    stepper = bench.stepper
    with st.container(horizontal=True):
        code = stepper.statements[stepper.position].code if not stepper.is_over else ""
        st.button(
            _("Run `{code}`", code=code) if code else _("All lines have been run"),
            type="primary",
            icon=":material/play_arrow:",
            key="step_run",
            disabled=stepper.is_over,
            on_click=stepper.run_next,
        )
        st.button(
            _("Back to the start"),
            icon=":material/restart_alt:",
            key="step_restart",
            on_click=bench.restart,
            help=_("The same batch again, with the network as it was at first."),
        )
        st.button(
            _("Another batch"),
            icon=":material/skip_next:",
            key="step_batch",
            on_click=bench.go_to_next_batch,
            help=_("The network goes on with other images, as it does in training."),
        )


def what_happened(stepper: Stepper) -> str:
    """What the last line has done, in words."""
    if stepper.position == 0:
        left_over = any(grad is not None for grad in stepper.moments[0].grads.values())
        return _(LEFT_OVER if left_over else NOT_BEGUN)
    done = stepper.statements[stepper.position - 1]
    return f"`{done.code}`  \n" + _(EXPLAINED.get(done.does, ""))


def show_losses(bench: Bench) -> None:
    """When the optimizer has made its step: the loss on the same batch before and after."""
    stepper = bench.stepper
    done = [statement.does for statement in stepper.statements[: stepper.position]]
    if "step" not in done:
        return
    images, labels, loss_fn = (stepper.variables[name] for name in ("images", "labels", "loss_fn"))
    after = loss_now(stepper.model, images, labels, loss_fn)
    before = stepper.variables["loss"].item()
    words = _("The loss on this batch: **{before:.5g}** before the step, **{after:.5g}** after it.",
              before=before, after=after)  # fmt: skip
    if after > before:
        words += " " + _("It has risen, for the step went too far: try a smaller learning rate.")
    st.markdown(words)


def show_weight(bench: Bench) -> None:
    """One weight through all lines so far, and its update calculated by hand."""
    stepper = bench.stepper
    names = list(stepper.moments[0].weights)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            _("One weight, from"), names, index=len(names) - 2, key=f"step_name_{names}", width=220,
            help=_("The layer's weights and biases, by their names in the model."),
        )  # fmt: skip
        count = stepper.moments[0].weights[name].numel()
        index = st.number_input(
            _("Which of its {count:,}", count=count), 0, count - 1, min(count - 1, count // 2),
            key=f"step_index_{name}_{count}", width=160, help=_("Counted from 0, as they lie in memory."),
        )  # fmt: skip
    st.html(step_tables.weight_html(stepper, name, int(index)))
    update = step_tables.update_words(stepper, bench.optimizer, name, int(index))
    if update:
        st.markdown(update)
