"""Devices: only those that are there, and plain words about the others."""

from __future__ import annotations

import os
import sys

import pytest
import torch

from mnist_core.devices import available_devices, computes_bfloat16, find_device
from mnist_core.errors import TrainingError
from mnist_core.processor import cpu_cores


def test_a_cpu_is_always_there_and_has_a_name() -> None:
    description = available_devices()["cpu"]
    assert description.endswith(f"{cpu_cores()} cores")
    assert len(description) > len(f", {cpu_cores()} cores")


@pytest.mark.parametrize(
    ("name", "is_there"),
    [("cuda", torch.cuda.is_available), ("mps", torch.backends.mps.is_available)],
)
def test_gpus_are_listed_exactly_when_torch_has_them(name, is_there) -> None:
    assert (name in available_devices()) == is_there()


@pytest.mark.parametrize("name", available_devices())
def test_a_device_that_is_there_can_compute(name) -> None:
    assert torch.ones(3, device=find_device(name)).sum().item() == 3


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    others = [name for name in available_devices() if name != "cpu"]
    assert find_device("auto").type == (others[0] if others else "cpu")


@pytest.mark.parametrize("name", [*sorted({"cuda", "mps"} - available_devices().keys()), "tpu", ""])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name) -> None:
    with pytest.raises(TrainingError) as caught:
        find_device(name)
    assert repr(name) in str(caught.value)
    assert all(there in str(caught.value) for there in available_devices())


def test_no_more_cores_are_counted_than_the_machine_has() -> None:
    assert 1 <= cpu_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux can take cores away from a process")
def test_cores_that_were_taken_away_are_not_counted() -> None:
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert cpu_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the processor does not tell")
def test_bfloat16_is_computed_where_torch_finds_the_instructions() -> None:
    assert computes_bfloat16(torch.device("cpu")) == torch.cpu.get_capabilities().get("avx512_bf16", False)


def test_bfloat16_is_not_expected_of_other_devices() -> None:
    assert not computes_bfloat16(torch.device("mps"))
