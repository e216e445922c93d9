"""Loud mistakes really raise what the lesson shows, and the mended functions do not."""

from __future__ import annotations

import pytest
import torch

from mnist_core.lessons.loud_mistakes import ERRORS, LOUD_MISTAKES, meet, other_device

RAISED = {
    "left_the_model_on_the_cpu": (RuntimeError, "device"),
    "gave_float64": (RuntimeError, "Double and Float"),
    "forgot_super_init": (AttributeError, r"before Module.__init__\(\) call"),
    "forgot_to_flatten": (RuntimeError, "1792x28 and 784x128"),
    "counted_the_digits_from_one": (IndexError, "Target 10 is out of bounds"),
    "gave_the_loss_its_arguments_too_early": (RuntimeError, "Boolean value of Tensor"),
    "stepped_between_forward_and_backward": (RuntimeError, "is at version 2; expected version 1"),
}


def test_an_error_is_promised_for_every_loud_mistake() -> None:
    assert RAISED.keys() == LOUD_MISTAKES.keys()
    assert {error.__name__ for error, _ in RAISED.values()} <= set(ERRORS)


@pytest.mark.parametrize("name", LOUD_MISTAKES)
def test_the_mistake_raises_what_is_promised(name) -> None:
    error, words = RAISED[name]
    with pytest.raises(error, match=words):
        LOUD_MISTAKES[name].broken()
    assert type(meet(LOUD_MISTAKES[name].broken)) is error


@pytest.mark.parametrize("name", LOUD_MISTAKES)
def test_the_mended_function_raises_nothing(name) -> None:
    assert meet(LOUD_MISTAKES[name].right) is None


@pytest.mark.parametrize("name", LOUD_MISTAKES)
def test_torch_s_settings_are_as_they_were(name) -> None:
    before = torch.get_default_dtype(), torch.is_grad_enabled()
    meet(LOUD_MISTAKES[name].broken)
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == before


def test_the_other_device_is_one_that_this_machine_has() -> None:
    assert other_device() != "cpu"
    assert torch.zeros(1, device=other_device()).device.type == other_device()
