"""The mistakes to try out, by name: what is done wrong, how right and wrong are compared, and why that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mnist_core.lessons import broken_habits, broken_steps, comparisons
from mnist_core.lessons.comparisons import Facts, Findings, Material
from mnist_core.lessons.loud_mistakes import LOUD_MISTAKES, LoudMistake
from mnist_core.lessons.outcomes import LEARNING, MEMORY, READING, READING_ALL_DIGITS, SCORE, Comparison
from mnist_core.messages import Message, say
from mnist_core.training import train_step


@dataclass(frozen=True)
class Experiment:
    """A mistake that fails silently.

    Attributes:
        group, name: where it happens, and what. mistake: what is done wrong, in a sentence.
        right, broken: the two functions, whole. comparison: how they are held against each other.
        explanation: why that comes of it, with the names of what was found; see `in_percent`.
    """

    group: Message
    name: Message
    mistake: Message
    right: Callable[..., Any]
    broken: Callable[..., Any]
    comparison: Comparison
    explanation: Message


def run_experiment(experiment: Experiment, material: Material) -> Facts:
    """Run both sides and tell what is measured, as it happens; to stop, stop asking.

    Torch's global generator is seeded for what draws from it, so a server does this in a process of its own.
    """
    material = replace(material, train=material.train.first(comparisons.IMAGES))
    yield from experiment.comparison.compare(experiment.right, experiment.broken, material)


def in_percent(findings: Findings) -> dict[str, float]:
    """The numbers as texts show them: accuracies, probabilities and shares (0..1) in percent, all else as it is."""
    shares = ("_accuracy", "_share", "_least", "_most", "_spread")
    return {name: 100 * value if name.endswith(shares) else value for name, value in findings.items()}


IN_STEP, AROUND, IN_TEST = say("In the step"), say("Data and settings"), say("In the test")

SILENT_MISTAKES: dict[str, Experiment] = {
    "stepped_before_backward": Experiment(
        IN_STEP,
        say("step before backward"),
        say("`backward` and `step` have changed places; `zero_grad` still comes first."),
        train_step,
        broken_steps.stepped_before_backward,
        LEARNING,
        say(
            "`step` found the gradients that `zero_grad` had just cleared, so no weight moved. `backward` computed "
            "good ones afterwards, and the next `zero_grad` threw them away. The loss wavers, because each batch has "
            "other images, but it stays near 2.30, that of ten equal guesses: {broken_loss:.2f} at the end."
        ),
    ),
    "stepped_with_old_gradients": Experiment(
        IN_STEP,
        say("step, zero_grad, then backward"),
        say(
            "`backward` and `step` have changed places, and `zero_grad` stands between them. The network has one layer."
        ),
        train_step,
        broken_steps.stepped_with_old_gradients,
        replace(LEARNING, compare=comparisons.compare_steps_of_one_layer),
        say(
            "Each step used the gradients of the batch before. They point nearly the same way, so the network learns "
            "all the same, {broken_accuracy:.1f} % against {right_accuracy:.1f} %: such a mistake can live on for "
            "years. It is silent only with a single layer. With two, PyTorch notices that weights have changed between "
            "forward and backward: see the last of the loud mistakes."
        ),
    ),
    "cleared_after_backward": Experiment(
        IN_STEP,
        say("zero_grad after backward"),
        say("The gradients are cleared between `backward` and `step`."),
        train_step,
        broken_steps.cleared_after_backward,
        LEARNING,
        say(
            "`backward` computed the gradients, `zero_grad` cleared them, and `step` had nothing left to go by. No "
            "weight moved in {steps:.0f} steps. `zero_grad` may stand anywhere but there."
        ),
    ),
    "forgot_zero_grad": Experiment(
        IN_STEP,
        say("zero_grad never"),
        say("The gradients are never cleared."),
        train_step,
        broken_steps.forgot_zero_grad,
        LEARNING,
        say(
            "`backward` adds to the gradients that are there. So each step followed the sum of all batches so far, "
            "also of those that pointed elsewhere long ago, and the steps grew: at its worst the loss was "
            "{broken_highest_loss:,.0f}. The network read {broken_accuracy:.1f} % in the end."
        ),
    ),
    "cleared_once_before_the_loop": Experiment(
        IN_STEP,
        say("zero_grad once, before the loop"),
        say("The gradients are cleared once, before the first batch."),
        broken_steps.learn_batch_by_batch,
        broken_steps.cleared_once_before_the_loop,
        replace(LEARNING, compare=comparisons.compare_loops),
        say(
            "Before the first batch there is nothing to clear. From the second on the gradients piled up as if "
            "`zero_grad` were missing: at its worst the loss was {broken_highest_loss:,.0f}, and {broken_accuracy:.1f} "
            "% were read in the end."
        ),
    ),
    "forgot_backward": Experiment(
        IN_STEP,
        say("No backward"),
        say("The loss is computed, but nobody asks for its gradients."),
        train_step,
        broken_steps.forgot_backward,
        LEARNING,
        say(
            "Without `backward` every weight's `.grad` is None, and `step` passes over such weights without a word. "
            "The network is as it was before the first step: {broken_accuracy:.1f} %."
        ),
    ),
    "applied_softmax_twice": Experiment(
        IN_STEP,
        say("Softmax before cross-entropy"),
        say("The loss function gets probabilities instead of logits."),
        train_step,
        broken_steps.applied_softmax_twice,
        LEARNING,
        say(
            "`CrossEntropyLoss` takes the softmax itself. Taken of probabilities, which lie between 0 and 1, it gives "
            "no digit more than 23 %, so this loss cannot fall below 1.46, and its gradients are small. The network "
            "learns, but more slowly: {broken_accuracy:.1f} % against {right_accuracy:.1f} %, with a loss of "
            "{broken_loss:.2f}."
        ),
    ),
    "ascended_the_loss": Experiment(
        IN_STEP,
        say("Up instead of down"),
        say("A minus stands before the loss: every step makes it larger."),
        train_step,
        broken_steps.ascended_the_loss,
        LEARNING,
        say(
            "A loss has a floor, but no ceiling. Each step made it larger, and the next gradient with it: the last "
            "finite one was {broken_highest_loss:.1e}. After that come infinity and numbers that are none."
        ),
    ),
    "shuffled_labels_alone": Experiment(
        AROUND,
        say("Labels shuffled"),
        say("The labels are in another order than their images."),
        broken_habits.load_digits_with_their_labels,
        broken_habits.shuffled_labels_alone,
        replace(LEARNING, compare=comparisons.compare_loaders),
        say(
            "The loop is right, but there is nothing to find out: which label an image bears is chance. The loss stays "
            "near 2.30 ({broken_loss:.2f} at the end), and {broken_accuracy:.1f} % of the test images are read."
        ),
    ),
    "forgot_to_normalize": Experiment(
        AROUND,
        say("Inputs not normalised"),
        say("The pixels go from 0 to 255 instead of about -0.4 to 2.8."),
        broken_habits.load_normalized,
        broken_habits.forgot_to_normalize,
        replace(LEARNING, compare=comparisons.compare_loaders),
        say(
            "Large inputs make large logits: the first loss was {broken_first_loss:.1f} instead of "
            "{right_first_loss:.2f}. The gradients grow with the inputs, so steps that suit normalised pixels are far "
            "too long here: at its worst the loss was {broken_highest_loss:,.0f}, and the network never recovered."
        ),
    ),
    "chose_far_too_high_a_rate": Experiment(
        AROUND,
        say("Learning rate far too high"),
        say("The learning rate is 10 instead of 0.1."),
        broken_habits.choose_learning_rate,
        broken_habits.chose_far_too_high_a_rate,
        replace(LEARNING, compare=comparisons.compare_optimizers),
        say(
            "A gradient says which way is down where the weights are, not a hundred times as far on. Steps that long "
            "jump across the valley and land higher up: at its worst the loss was {broken_highest_loss:,.0f}. The "
            "network reads {broken_accuracy:.1f} %."
        ),
    ),
    "forgot_train": Experiment(
        AROUND,
        say("train forgotten: batch norm"),
        say("The network has batch norm, has just been tested, and goes on learning in eval mode."),
        broken_steps.learn_in_train_mode,
        broken_steps.forgot_train,
        replace(LEARNING, compare=comparisons.compare_loops_after_a_test),
        say(
            "In eval mode batch norm does not measure the batch at hand, and gathers nothing: here it stays at mean 0 "
            "and variance 1, as if it were not there. The network learns, but more slowly: {broken_accuracy:.1f} % "
            "against {right_accuracy:.1f} % after {steps:.0f} steps. Dropout would be off too."
        ),
    ),
    "forgot_to_shuffle": Experiment(
        AROUND,
        say("Sorted data, not shuffled"),
        say("The images lie sorted by label, and the loader hands them out as they lie."),
        broken_habits.load_sorted_digits,
        broken_habits.forgot_to_shuffle,
        replace(READING_ALL_DIGITS, compare=comparisons.compare_loaders),
        say(
            "For hundreds of images on end there was one digit only, so the network learnt to answer that one, and "
            "forgot it for the next: the loss jumps wherever a digit begins, and falls again at once. In the end the "
            "network answers {broken_favourite:.0f} to {broken_favourite_share:.0f} % of the test images."
        ),
    ),
    "forgot_eval_with_dropout": Experiment(
        IN_TEST,
        say("eval forgotten: dropout"),
        say("The network has dropout and is still in training mode when it reads your drawing."),
        broken_habits.read_in_eval_mode,
        broken_habits.forgot_eval,
        READING,
        say(
            "In training mode dropout sets a random half of the hidden features to 0, at each reading another half. So "
            "the same drawing got from {broken_least:.1f} to {broken_most:.1f} %. In eval mode all features take part, "
            "and it is {right_most:.1f} % each time. While training this chance is wanted; in an answer it is a throw "
            "of dice."
        ),
    ),
    "forgot_eval_with_batch_norm": Experiment(
        IN_TEST,
        say("eval forgotten: batch norm"),
        say("The network has batch norm, and your drawing is read next to a test digit, each time another one."),
        broken_habits.read_in_eval_mode,
        broken_habits.forgot_eval,
        replace(READING, compare=comparisons.compare_readings_in_company),
        say(
            "In training mode batch norm measures mean and spread in the batch at hand. So the answer to your drawing "
            "depends on its neighbour: from {broken_least:.1f} to {broken_most:.1f} %. In eval mode it uses what it "
            "has gathered while training: {right_most:.1f} % each time. And each reading in training mode changes what "
            "was gathered."
        ),
    ),
    "forgot_no_grad": Experiment(
        IN_TEST,
        say("no_grad forgotten"),
        say("The test loss is added up with gradients switched on."),
        broken_habits.sum_test_loss,
        broken_habits.forgot_no_grad,
        MEMORY,
        say(
            "With gradients on, autograd keeps what every layer has computed, for a backward pass that never comes, "
            "and the sum of the losses holds on to all of it: {broken_first:.1f} MB for each batch of 20 images. The "
            "whole test set would take {broken_whole:,.0f} MB. The sum is the same on both sides ({right_sum:.1f} and "
            "{broken_sum:.1f}), so nothing looks wrong until the memory is full. Adding `loss.item()`, a plain number, "
            "lets go of it after each batch."
        ),
    ),
    "evaluated_on_training_images": Experiment(
        IN_TEST,
        say("Tested on the training set"),
        say("The network is tested on the images that it has learnt from."),
        broken_habits.evaluate_on_unseen_images,
        broken_habits.evaluated_on_training_images,
        SCORE,
        say(
            "With {weights:,.0f} weights for {images:.0f} images the network can learn each of them by heart: it reads "
            "{broken_accuracy:.1f} % of those, but {right_accuracy:.1f} % of images that it has never seen. Only the "
            "second number says how well it reads."
        ),
    ),
}

EXPERIMENTS: dict[str, Experiment | LoudMistake] = {**SILENT_MISTAKES, **LOUD_MISTAKES}
