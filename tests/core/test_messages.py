"""Texts that remember their values."""

from __future__ import annotations

import pickle

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
