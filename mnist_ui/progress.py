"""The training panel: Train, Pause, Stop training, how far it is, the curves, the epochs, the weights."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mnist_core.curves import batch_curve, observe
from mnist_core.messages import say
from mnist_core.runs import DONE, FAILED, PAUSED, STOPPED, TrainingRun
from mnist_core.weights import FORMATS, weights_bytes
from mnist_ui import open_weights, waiting
from mnist_ui.language import _, duration
from mnist_ui.table import written_numbers
from mnist_ui.visitor import Visitor

DECIMALS = {
    say("Train loss"): 4,
    say("Test loss"): 4,
    say("Train accuracy in %"): 2,
    say("Test accuracy in %"): 2,
    say("Images/s"): 0,
    say("Seconds"): 1,
}


def show(visitor: Visitor) -> None:
    """The panel; while a run is going on it refreshes itself twice a second, in the queue once."""
    st.fragment(show_progress, run_every=visitor.progress_tick_seconds)(visitor)


def show_progress(visitor: Visitor) -> None:
    """Buttons, bar and curves as they are now."""
    visitor.take_turn()
    if visitor.wants_training or visitor.drawn_following != visitor.following:
        st.rerun()  # a run shall begin, or has ended: the whole page takes note
    show_buttons(visitor)
    show_queue(visitor)
    open_weights.show_opened(visitor)
    run = visitor.run
    if run is None:
        if visitor.waiting_run is None:
            images = visitor.config.images
            st.info(_("Press **Train**: a new network learns from {images:,} images, and you see how.", images=images))
        open_weights.show(visitor)
        return
    show_state(run)
    show_curves(run)
    show_epochs(run)
    if run.is_over:
        with st.container(horizontal=True, key="downloads"):
            show_downloads(run)
            open_weights.show(visitor)


def show_buttons(visitor: Visitor) -> None:
    """Train, or Pause and Stop training while a run is going on, or the way out of the queue."""
    run = visitor.run
    with st.container(horizontal=True, vertical_alignment="center", key="train_buttons"):
        st.subheader(_("Watch it learn"), anchor=False, width="content")
        if visitor.waiting_run is not None:
            st.button(_("Leave the queue"), icon=":material/logout:", key="leave_queue", on_click=visitor.leave_queue)
            return
        if run is None or run.is_over:
            st.button(
                _("Train") if run is None else _("Train again"),
                type="primary",
                icon=":material/play_arrow:",
                key="train",
                on_click=visitor.wish_training,
                disabled=not visitor.may_train,
            )
            return
        paused = run.state == PAUSED
        st.button(
            _("Go on") if paused else _("Pause"),
            icon=":material/resume:" if paused else ":material/pause:",
            key="pause",
            on_click=run.resume if paused else run.pause,
        )
        st.button(_("Stop training"), icon=":material/stop:", on_click=run.stop)


def show_queue(visitor: Visitor) -> None:
    """Where the next run waits, or why there is none."""
    if visitor.waiting_run is not None:
        waiting.show(visitor, visitor.waiting_run)
    elif visitor.lost_place is not None:
        st.warning(_(visitor.lost_place), icon=":material/hourglass_disabled:")
    if visitor.config_problem is not None:
        st.warning(_(visitor.config_problem), icon=":material/block:")


def show_state(run: TrainingRun) -> None:
    """The progress bar with its words, and how the run ended."""
    st.progress(run.progress, text=progress_words(run))
    if run.state == FAILED:
        st.error(_(run.error or say("The training failed.")), icon=":material/error:")
    elif run.state == STOPPED:
        words = run.stopped_because or say("Stopped. What it had learnt is kept: draw, and your network answers.")
        st.info(_(words), icon=":material/stop_circle:")
    elif run.state == DONE:
        words = " ".join(filter(None, [_("Done."), summary(run), _("Draw, and your network answers.")]))
        st.success(words, icon=":material/check_circle:")
    elif run.epochs and run.epochs[-1].stalled:
        st.info(_("The test accuracy stands still: you may stop here."), icon=":material/trending_flat:")


def progress_words(run: TrainingRun) -> str:
    """Where the run is: epoch, speed, time left."""
    last = run.last_batch
    if last is None:
        count = run.config.made_images
        if run.is_over:
            return _("No step was made.")
        return _("Making {count:,} more drawings to learn from ...", count=count) if count else _("Starting ...")
    words = [
        _("epoch {epoch} of {epochs}", epoch=last.epoch, epochs=run.config.epochs),
        _("step {step:,}", step=last.step),
        _("{speed:,.0f} images/s", speed=last.images / last.seconds),
    ]
    if run.state == PAUSED:
        words.append(_("paused"))
    elif not run.is_over and run.seconds_left is not None:
        words.append(_("{duration} left", duration=duration(run.seconds_left)))
    return ", ".join(words)


def summary(run: TrainingRun) -> str:
    """What came of a finished run, in one sentence or two."""
    epochs = run.epochs
    if not epochs or epochs[-1].test_accuracy is None:
        return ""
    seconds = sum(epoch.seconds + epoch.test_seconds for epoch in epochs)
    early = _("It stopped by itself after epoch {epoch}: the test accuracy stood still.", epoch=len(epochs))
    result = _(
        "It reads {share:.2f} % of the test images after {duration}.",
        share=100 * epochs[-1].test_accuracy,
        duration=duration(seconds),
    )
    return result if len(epochs) == run.config.epochs else f"{early} {result}"


def show_curves(run: TrainingRun) -> None:
    """Loss per batch, and accuracy in training and on the test set, over the steps of the run."""
    history = list(run.history)
    last = run.last_batch
    if last is None or not history:
        return
    curve = batch_curve(history)
    epochs = list(run.epochs)
    last_step = run.config.epochs * last.batches if not run.is_over else last.step
    from mnist_ui.charts import accuracy_chart, loss_chart  # see start_up

    left, right = st.columns(2, gap="medium")
    with left:
        words = _(
            "Loss {first:.2f} at first, {now:.3f} now (thin: each batch; thick: smoothed).",
            first=curve.smoothed[0],
            now=curve.smoothed[-1],
        )
        st.caption(words)
        loss_chart(curve, last_step).show(alt=words, key="loss_chart")
    with right:
        words = accuracy_words(100 * curve.accuracy[-1], epochs[-1].test_accuracy if epochs else None)
        st.caption(words)
        accuracy_chart(curve, epochs, last_step).show(alt=words, key="accuracy_chart")


def accuracy_words(training: float, test_accuracy: float | None) -> str:
    """How accurate a run is: in training, in percent, and on the test set, 0..1, when it has been tested."""
    if test_accuracy is None:
        return _("Accuracy {training:.1f} % on training images.", training=training)
    return _(
        "Accuracy {training:.1f} % on training images, {test:.2f} % on test images.",
        training=training,
        test=100 * test_accuracy,
    )


def show_epochs(run: TrainingRun) -> None:
    """A row for each epoch, newest first, with what there is to say about it."""
    epochs = list(run.epochs)
    if not epochs:
        return
    rows = [
        {
            _("Epoch"): epoch.epoch,
            _("Train loss"): epoch.train_loss,
            _("Test loss"): epoch.test_loss,
            _("Train accuracy in %"): 100 * epoch.train_accuracy,
            _("Test accuracy in %"): None if epoch.test_accuracy is None else 100 * epoch.test_accuracy,
            _("Images/s"): epoch.images_per_second,
            _("Seconds"): epoch.seconds,
            _("What this says"): _(observe(epochs[:count])),
        }
        for count, epoch in enumerate(epochs, start=1)
    ]
    table, columns = written_numbers(pd.DataFrame(rows[::-1]), {_(name): places for name, places in DECIMALS.items()})
    columns[_("What this says")] = st.column_config.TextColumn(width="large")
    st.dataframe(table, hide_index=True, column_config=columns, height=min(38 * (len(rows) + 1), 320))


def show_downloads(run: TrainingRun) -> None:
    """The weights as files, as torch saves them and as safetensors."""
    model = run.latest_model
    if model is None:
        return
    for ending in FORMATS:
        st.download_button(
            _("Weights as {ending}", ending=ending),
            data=lambda ending=ending: weights_bytes(model, ending),
            file_name=f"model_weights{ending}",
            mime="application/octet-stream",
            on_click="ignore",
            icon=":material/download:",
        )
