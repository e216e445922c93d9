"""One training on several processes, as `torchrun` starts them: each learns from its share of every batch.

Every process has the whole network. After each backward, DistributedDataParallel adds up their gradients, so that all
take the same step: the one that a single process would take for the whole batch, but for the rounding of sums. What
differs: batch norm sees the means of its own share; its running means are those of the first process. Dropout and
random changes of images are drawn by each process for itself.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Sampler

from mnist_core.data import Digits
from mnist_core.devices import find_device
from mnist_core.errors import ConfigError, DataError, DigitPlaygroundError, TrainingError
from mnist_core.messages import say

if TYPE_CHECKING:
    from mnist_core.training import BatchDone, EpochDone, Evaluation

    Loader = DataLoader[tuple[Tensor, Tensor]]


class Alone:
    """A training in one process, which has nothing to share and nobody to agree with."""

    rank, size = 0, 1

    def seed(self, seed: int) -> int:
        """The seed of what each process draws for itself."""
        return seed

    def share(self, loader: Loader) -> Loader:
        """This process's part of every batch of a loader."""
        return loader

    def part(self, digits: Digits) -> Digits:
        """This process's part of a test set."""
        return digits

    def connect(self, network: nn.Module) -> nn.Module:
        """The network, its gradients those of the whole batch."""
        return network

    def merge(self, done: BatchDone) -> BatchDone:
        """What is known of a batch when all parts of it are taken together."""
        return done

    def merge_tests(self, tested: Evaluation) -> Evaluation:
        """The evaluation of a whole test set, of those of its parts."""
        return tested

    def align(self, model: nn.Module) -> None:
        """Give the model's buffers, which is what batch norm counts, the same values everywhere."""

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """What only one process of a machine may do at a time: downloads into one folder."""
        yield

    def follow(self, events: Iterable[BatchDone | EpochDone]) -> Iterable[BatchDone | EpochDone]:
        """The events of a training; a TrainingError when another process has gone."""
        return events


ALONE = Alone()


class SharedBatches(Sampler[list[int]]):
    """The batches of another sampler, of each only every `size`-th index, from the `rank`-th on.

    A batch of fewer images than processes leaves some with none. They take its first image, with the weight 0.

    Attributes:
        weight: the share of the whole batch's images that the last one had.
    """

    def __init__(self, batches: Sampler[list[int]], rank: int, size: int) -> None:
        self._batches, self._rank, self._size = batches, rank, size
        self.weight = 0.0

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            share = batch[self._rank :: self._size]
            self.weight = len(share) / len(batch)
            yield share or batch[:1]


class Together(Alone):
    """One of several processes that train one network; made by `joined`.

    Attributes:
        rank: which one this is, 0 ... size - 1; the first one speaks for all. size: how many there are.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = device
        self._batches: SharedBatches | None = None
        self._seen = (0.0, 0.0, 0.0)  # in this epoch: the sum of the images' losses, right answers, images
        self._shall_stop = False
        for order in (signal.SIGINT, signal.SIGTERM):  # torchrun passes Ctrl+C on as either
            signal.signal(order, self._note)

    def _note(self, *_: object) -> None:
        self._shall_stop = True  # all stop after the same step: see merge

    def seed(self, seed: int) -> int:
        """A seed of its own for each process; the first one's is that of a training alone."""
        return (seed + self.rank) % 2**63

    def share(self, loader: Loader) -> Loader:
        """This process's part of every batch; all processes shuffle alike, as the loader's seed says.

        Raises:
            ConfigError: when batches have fewer images than there are processes.
        """
        if loader.batch_size is not None and loader.batch_size < self.size:
            raise ConfigError(
                "batch_size", loader.batch_size, say("at least {size}, for each process one", size=self.size)
            )
        assert loader.batch_sampler is not None
        self._batches = SharedBatches(loader.batch_sampler, self.rank, self.size)  # type: ignore[arg-type]
        # Without workers, which fetch ahead: the weight that is noted must be that of the batch in work.
        return DataLoader(
            loader.dataset, batch_sampler=self._batches, generator=loader.generator, collate_fn=loader.collate_fn
        )

    @property
    def _weight(self) -> float:
        assert self._batches is not None
        return self._batches.weight

    def part(self, digits: Digits) -> Digits:
        """Every `size`-th image of a test set, from the `rank`-th on.

        Raises:
            DataError: when there are fewer images than processes.
        """
        if len(digits) < self.size:
            raise DataError(say("{size} processes need at least as many test images.", size=self.size))
        return Digits(digits.images[self.rank :: self.size], digits.labels[self.rank :: self.size], digits.transform)

    def connect(self, network: nn.Module) -> nn.Module:
        """The network with weights from the first process, and the whole batch's gradients in each backward.

        DistributedDataParallel itself takes the plain mean over the processes, as if all shares were equally large.
        """
        # The same memory under two names: where there is but one channel, it is no matter which index comes first.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        connected = DistributedDataParallel(network)
        connected.register_comm_hook(None, lambda _, bucket: self._add_up(bucket.buffer()))
        return connected

    def _add_up(self, gradients: Tensor) -> torch.futures.Future[Tensor]:
        gradients.mul_(self._weight)  # of the mean loss over the share -> its part of that over the whole batch
        # Waiting here leaves no Python to be run by gloo's own threads, which at the process's end would abort it.
        dist.all_reduce(gradients)
        summed: torch.futures.Future[Tensor] = torch.futures.Future(
            devices=[gradients.device] if gradients.is_cuda else None
        )
        summed.set_result(gradients)
        return summed

    def merge(self, done: BatchDone) -> BatchDone:
        """The means over whole batches and their images; the times are this process's.

        Raises:
            KeyboardInterrupt: when any of the processes was told to stop.
        """
        if done.batch == 1:
            self._seen = (0.0, 0.0, 0.0)
        if self._weight:  # else its one image stood in for none
            self._seen = (done.running_loss * done.images, done.running_accuracy * done.images, done.images)
        loss, running_loss, correct, images, stops = self._sums(done.loss * self._weight, *self._seen, self._shall_stop)
        if stops:
            raise KeyboardInterrupt
        return replace(
            done,
            loss=loss,
            running_loss=running_loss / images,
            running_accuracy=correct / images,
            images=round(images),
        )

    def merge_tests(self, tested: Evaluation) -> Evaluation:
        """The whole test set's loss, accuracy and confusion."""
        images = int(tested.confusion.sum())
        loss, images_in_all, *counts = self._sums(tested.loss * images, images, *tested.confusion.flatten().tolist())
        confusion = torch.tensor(counts).round().long().reshape(tested.confusion.shape)
        return replace(
            tested,
            loss=loss / images_in_all,
            accuracy=confusion.diagonal().sum().item() / images_in_all,
            confusion=confusion,
        )

    def _sums(self, *numbers: float) -> list[float]:
        """Each number added up over the processes."""
        sums = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        dist.all_reduce(sums)
        return sums.tolist()

    def align(self, model: nn.Module) -> None:
        """Take over the first process's buffers."""
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process of each machine, then the others, which find its downloads there."""
        is_first = os.environ["LOCAL_RANK"] == "0"
        with self._explaining():
            if not is_first:
                dist.barrier()
            yield
            if is_first:
                dist.barrier()

    def follow(self, events: Iterable[BatchDone | EpochDone]) -> Iterator[BatchDone | EpochDone]:
        """The events, and a TrainingError when the connection to the others breaks."""
        with self._explaining():
            yield from events

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except DigitPlaygroundError:
            raise
        except RuntimeError as error:  # all that torch raises when a process that it waits for has gone
            raise TrainingError(
                f"Process {self.rank} of {self.size} cannot go on without the others ({error}). Did one of them fail?"
            ) from error


@contextmanager
def joined(device_name: str) -> Iterator[Alone]:
    """The team of processes that torchrun has started, or a process alone; once in a process.

    Args:
        device_name: of a configuration; with "cuda" each process of a machine has a GPU of its own.

    Raises:
        TrainingError: when there are fewer GPUs than processes, or when they cannot reach one another.
    """
    if "LOCAL_RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield ALONE
        return
    device = find_device(device_name)
    if device.type == "cuda":
        local_rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local_rank >= gpus:
            raise TrainingError(
                f"Process {local_rank} of this machine has no GPU: there are {gpus}. "
                "Start as many processes (--nproc-per-node), or choose the device cpu."
            )
        torch.cuda.set_device(local_rank)
    # What DistributedDataParallel else imports once there is a group, and then keeps it as a default argument. Gloo's
    # threads would live on with it, and one that still has a tensor to release when Python ends aborts the process.
    from torch.distributed.nn import functional  # noqa: F401

    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"The processes cannot reach one another ({error}). Were they started by torchrun?"
        ) from error
    try:
        yield Together(device)
    finally:
        dist.destroy_process_group()
