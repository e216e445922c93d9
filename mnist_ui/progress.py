"""The training panel: Train, Pause, Stop training, how far it is, the curves, the epochs, the weights."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mnist_core import TrainConfig
from mnist_core.curves import batch_curve, observe
from mnist_core.runs import DONE, FAILED, PAUSED, STOPPED, TrainingRun
from mnist_core.weights import FORMATS, weights_bytes
from mnist_ui.charts import accuracy_chart, loss_chart
from mnist_ui.visitor import Visitor

DECIMALS = {
    "Train loss": 4,
    "Test loss": 4,
    "Train accuracy in %": 2,
    "Test accuracy in %": 2,
    "Images/s": 0,
    "Seconds": 1,
}


def show(visitor: Visitor) -> None:
    """The panel; while a run is going on it refreshes itself twice a second."""
    st.fragment(show_progress, run_every=visitor.tick_seconds)(visitor)


def show_progress(visitor: Visitor) -> None:
    """Buttons, bar and curves as they are now."""
    if visitor.wants_training or visitor.ticking != visitor.is_training:
        st.rerun()  # a run shall begin, or has ended: the whole page takes note
    show_buttons(visitor)
    run = visitor.run
    if run is None:
        images = (visitor.config.train_images or 60_000) + made_images(visitor.config)
        st.info(f"Press **Train**: a new network learns from {images:,} images, and you see how.")
        return
    show_state(run)
    show_curves(run)
    show_epochs(run)
    if run.is_over:
        show_downloads(run)


def made_images(config: TrainConfig) -> int:
    """How many images are drawn for a run before it begins."""
    return config.made_digits + config.non_digits


def show_buttons(visitor: Visitor) -> None:
    """Train, or Pause and Stop training while a run is going on."""
    run = visitor.run
    with st.container(horizontal=True, vertical_alignment="center", key="train_buttons"):
        st.subheader("Watch it learn", anchor=False, width="content")
        if run is None or run.is_over:
            st.button(
                "Train" if run is None else "Train again",
                type="primary",
                icon=":material/play_arrow:",
                key="train",
                on_click=visitor.wish_training,
            )
            return
        paused = run.state == PAUSED
        st.button(
            "Go on" if paused else "Pause",
            icon=":material/resume:" if paused else ":material/pause:",
            on_click=run.resume if paused else run.pause,
        )
        st.button("Stop training", icon=":material/stop:", on_click=run.stop)


def show_state(run: TrainingRun) -> None:
    """The progress bar with its words, and how the run ended."""
    st.progress(run.progress, text=progress_words(run))
    if run.state == FAILED:
        st.error(run.error or "The training failed.", icon=":material/error:")
    elif run.state == STOPPED:
        st.info("Stopped. What it had learnt is kept: draw, and your network answers.", icon=":material/stop_circle:")
    elif run.state == DONE:
        st.success(f"Done. {summary(run)} Draw, and your network answers.", icon=":material/check_circle:")
    elif run.epochs and run.epochs[-1].stalled:
        st.info("The test accuracy stands still: you may stop here.", icon=":material/trending_flat:")


def progress_words(run: TrainingRun) -> str:
    """Where the run is: epoch, speed, time left."""
    last = run.last_batch
    if last is None:
        count = made_images(run.config)
        making = f"Making {count:,} more drawings to learn from ..." if count else "Starting ..."
        return "No step was made." if run.is_over else making
    words = [f"epoch {last.epoch} of {run.config.epochs}", f"step {last.step:,}"]
    words.append(f"{last.images / last.seconds:,.0f} images/s")
    if run.state == PAUSED:
        words.append("paused")
    elif not run.is_over and run.seconds_left is not None:
        words.append(f"{duration(run.seconds_left)} left")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """A length of time in words: "6 s", "2 min 5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary(run: TrainingRun) -> str:
    """What came of a finished run, in one sentence."""
    epochs = run.epochs
    if not epochs or epochs[-1].test_accuracy is None:
        return ""
    seconds = sum(epoch.seconds + epoch.test_seconds for epoch in epochs)
    early = f"It stopped by itself after epoch {len(epochs)}: the test accuracy stood still. "
    result = f"It reads {100 * epochs[-1].test_accuracy:.2f} % of the test images after {duration(seconds)}."
    return result if len(epochs) == run.config.epochs else early + result


def show_curves(run: TrainingRun) -> None:
    """Loss per batch, and accuracy in training and on the test set, over the steps of the run."""
    history = list(run.history)
    last = run.last_batch
    if last is None:
        return
    curve = batch_curve(history)
    epochs = list(run.epochs)
    last_step = run.config.epochs * last.batches if not run.is_over else last.step
    left, right = st.columns(2, gap="medium")
    with left:
        words = (
            f"Loss {curve.smoothed[0]:.2f} at first, {curve.smoothed[-1]:.3f} now (thin: each batch; thick: smoothed)."
        )
        st.caption(words)
        st.altair_chart(loss_chart(curve, last_step), alt=words, key="loss_chart")
    with right:
        words = f"Accuracy {100 * curve.accuracy[-1]:.1f} % on training images"
        if epochs and epochs[-1].test_accuracy is not None:
            words += f", {100 * epochs[-1].test_accuracy:.2f} % on test images"
        st.caption(words + ".")
        st.altair_chart(accuracy_chart(curve, epochs, last_step), alt=words + ".", key="accuracy_chart")


def show_epochs(run: TrainingRun) -> None:
    """A row for each epoch, newest first, with what there is to say about it."""
    epochs = list(run.epochs)
    if not epochs:
        return
    rows = [
        {
            "Epoch": epoch.epoch,
            "Train loss": epoch.train_loss,
            "Test loss": epoch.test_loss,
            "Train accuracy in %": 100 * epoch.train_accuracy,
            "Test accuracy in %": None if epoch.test_accuracy is None else 100 * epoch.test_accuracy,
            "Images/s": epoch.images_per_second,
            "Seconds": epoch.seconds,
            "What this says": observe(epochs[: number + 1]),
        }
        for number, epoch in enumerate(epochs)
    ]
    columns = {name: st.column_config.NumberColumn(format=f"%.{places}f") for name, places in DECIMALS.items()}
    columns["What this says"] = st.column_config.TextColumn(width="large")
    st.dataframe(
        pd.DataFrame(rows[::-1]), hide_index=True, column_config=columns, height=min(38 * (len(rows) + 1), 320)
    )


def show_downloads(run: TrainingRun) -> None:
    """The weights as files, as torch saves them and as safetensors."""
    model = run.latest_model
    if model is None:
        return
    with st.container(horizontal=True, key="downloads"):
        for ending in FORMATS:
            st.download_button(
                f"Weights as {ending}",
                data=lambda ending=ending: weights_bytes(model, ending),
                file_name=f"model_weights{ending}",
                mime="application/octet-stream",
                on_click="ignore",
                icon=":material/download:",
            )
