"""Steps that are wrong, each whole and named as a confession: what becomes of `train_step` when a line is not right.

All of them take and return what `train_step` does, and none of them raises: they fail silently.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.optim import Optimizer

from mnist_core.training import Batches, train_step


def stepped_before_backward(
    model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer
) -> tuple[Tensor, Tensor]:
    """Step while the gradients are still cleared: no weight ever moves."""
    optimizer.zero_grad()
    logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
    loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
    optimizer.step()
    loss.backward()
    return loss, logits


def stepped_with_old_gradients(
    model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer
) -> tuple[Tensor, Tensor]:
    """Step with the gradients that the batch before has left behind."""
    logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
    loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss, logits


def cleared_after_backward(
    model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer
) -> tuple[Tensor, Tensor]:
    """Clear the gradients just before they would be used."""
    logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
    loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss, logits


def forgot_zero_grad(
    model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer
) -> tuple[Tensor, Tensor]:
    """Never clear the gradients: each batch's are added to those of all batches before."""
    logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
    loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
    loss.backward()
    optimizer.step()
    return loss, logits


def forgot_backward(
    model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer
) -> tuple[Tensor, Tensor]:
    """Never compute a gradient."""
    optimizer.zero_grad()
    logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
    loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
    optimizer.step()
    return loss, logits


def applied_softmax_twice(
    model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer
) -> tuple[Tensor, Tensor]:
    """Give probabilities to a loss that expects logits and takes the softmax itself."""
    optimizer.zero_grad()
    logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
    loss = loss_fn(logits.softmax(dim=1), labels)  # (N, 10), (N,) -> ()
    loss.backward()
    optimizer.step()
    return loss, logits


def ascended_the_loss(
    model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer
) -> tuple[Tensor, Tensor]:
    """Walk uphill: a minus in the wrong place."""
    optimizer.zero_grad()
    logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
    loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
    (-loss).backward()
    optimizer.step()
    return loss, logits


def learn_batch_by_batch(
    model: nn.Module, batches: Batches, loss_fn: nn.Module, optimizer: Optimizer
) -> Iterator[tuple[Tensor, Tensor]]:
    """The loop with the step written out in it; yields what `train_step` returns for each batch."""
    for images, labels in batches:
        optimizer.zero_grad()
        logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
        loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
        loss.backward()
        optimizer.step()
        yield loss, logits


def cleared_once_before_the_loop(
    model: nn.Module, batches: Batches, loss_fn: nn.Module, optimizer: Optimizer
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same loop, the gradients cleared only before its first batch."""
    optimizer.zero_grad()
    for images, labels in batches:
        logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
        loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
        loss.backward()
        optimizer.step()
        yield loss, logits


def learn_in_train_mode(
    model: nn.Module, batches: Batches, loss_fn: nn.Module, optimizer: Optimizer
) -> Iterator[tuple[Tensor, Tensor]]:
    """The loop for a network that has just been tested, and so is in eval mode."""
    model.train()
    for images, labels in batches:
        yield train_step(model, images, labels, loss_fn, optimizer)


def forgot_train(
    model: nn.Module, batches: Batches, loss_fn: nn.Module, optimizer: Optimizer
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same loop, the network left in eval mode."""
    for images, labels in batches:
        yield train_step(model, images, labels, loss_fn, optimizer)
