"""Muon against the singular value decomposition and against torch's own, which takes matrices only."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mnist_core import RECIPES, build_model
from mnist_core.muon import Muon, orthogonal
from mnist_core.training import build_seeded_model


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (12, 12), (1, 5)])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_orthogonal_keeps_the_directions_and_makes_all_equally_long(shape, size) -> None:
    matrix = size * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    lengths = left.T @ orthogonal(matrix) @ right.T  # diagonal, when the directions are the same
    off_diagonal = lengths - lengths.diagonal().diag()
    assert off_diagonal.abs().max() < 1e-3
    assert lengths.diagonal().min() > 0.3  # what was nearly 0 is not yet 1 after five iterations
    assert lengths.diagonal().max() < 1.3


def test_a_hidden_matrix_goes_where_torchs_own_muon_takes_it() -> None:
    first = torch.randn(16, 40, generator=torch.Generator().manual_seed(2))
    target = torch.randn(16, 40, generator=torch.Generator().manual_seed(3))
    ours, theirs, last = nn.Parameter(first.clone()), nn.Parameter(first.clone()), nn.Parameter(torch.zeros(10, 16))
    our_muon = Muon([ours, last], learning_rate=0.02, weight_decay=0.1, momentum=0.9)
    their_muon = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.9, nesterov=True)
    for _ in range(5):
        for weight, optimizer in ((ours, our_muon), (theirs, their_muon)):
            optimizer.zero_grad()
            ((weight - target) ** 2).sum().backward()
            optimizer.step()
    assert (ours - first).norm() > 0.3
    assert (ours - theirs).norm() < 0.03 * (ours - first).norm()  # theirs iterates in bfloat16


def test_kernels_are_matrices_and_the_rest_goes_as_adamw_takes_it() -> None:
    model, twin = (build_seeded_model(RECIPES["best"]) for _ in range(2))
    muon = Muon(model.parameters(), learning_rate=0.01, weight_decay=0.05)
    adamw = torch.optim.AdamW(twin.parameters(), lr=0.01, weight_decay=0.05)
    chance = torch.Generator().manual_seed(4)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for weight, other in zip(model.parameters(), twin.parameters(), strict=True):
        weight.grad = torch.randn(weight.shape, generator=chance)
        other.grad = weight.grad.clone()
    muon.step()
    adamw.step()

    hidden = {f"features.{number}.0.weight" for number in (1, 3, 4, 5)}  # all convolutions but the first
    for (name, weight), other in zip(model.named_parameters(), twin.parameters(), strict=True):
        if name in hidden:
            step = before[name] * (1 - 0.01 * 0.05) - weight.detach()
            assert torch.linalg.matrix_norm(step.flatten(1), 2) == pytest.approx(0.01, rel=0.3)
        else:
            torch.testing.assert_close(weight, other)


def test_a_schedule_changes_all_of_its_rates() -> None:
    muon = Muon(build_model("cnn").parameters(), learning_rate=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(muon, step_size=1, gamma=0.5)
    muon.step()  # without gradients nothing changes
    schedule.step()
    assert [group["lr"] for group in muon.param_groups] == [0.005, 0.005]
