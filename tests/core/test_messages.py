"""Texts that remember their values."""

from __future__ import annotations

import pickle

import pytest

from mnist_core.config import TrainConfig
from mnist_core.errors import ConfigError, DataError
from mnist_core.messages import Message, say


def test_a_message_reads_as_its_english_text() -> None:
    assert say("{count:,} images, {share:.1f} %", count=1204, share=12.34) == "1,204 images, 12.3 %"
    assert say("a text with {braces} and no values") == "a text with {braces} and no values"


def test_a_message_keeps_template_and_values_across_a_pipe() -> None:
    inner = say("the {name}", name="cpu")
    message = pickle.loads(pickle.dumps(say("{device} is not there", device=inner)))
    assert message == "the cpu is not there"
    assert (message.template, message.values) == ("{device} is not there", {"device": inner})
    assert isinstance(message.values["device"], Message)
    assert message.values["device"].template == "the {name}"


def test_an_error_has_its_text_as_a_message() -> None:
    text = say("The {split} set is empty.", split=say("training"))
    error = DataError(text)
    assert str(error) == error.message == "The training set is empty."
    assert error.message.template == "The {split} set is empty."
    assert DataError("as it stands").message == "as it stands"
    assert DataError().message == ""


def test_a_wrong_setting_says_its_bound_as_a_message_too() -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(epochs=0)
    message = pickle.loads(pickle.dumps(caught.value.message))
    assert str(caught.value) == message == "epochs is 0, but it must be a whole number from 1 to 1,000."
    assert message.values["bound"].template == "a whole number from {least:,} to {most:,}"
