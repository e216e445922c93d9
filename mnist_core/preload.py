"""Imported once by the process that training processes are forked from, so that they start within milliseconds."""

from contextlib import suppress

import torch

torch.set_num_threads(1)  # before any work: a child forked from a process with OpenMP threads would hang

import mnist_core.lessons.experiment_runs  # noqa: E402, F401
from mnist_core.errors import DigitPlaygroundError  # noqa: E402
from mnist_core.worker import cached_digits  # noqa: E402

# The first optimizer takes a second: it imports torch._dynamo.
torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
for split in ("train", "test"):
    with suppress(DigitPlaygroundError):  # a child meets it again and tells
        cached_digits("mnist", split)
