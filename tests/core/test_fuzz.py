"""Whatever strangers send is read or refused, never more; benchmarks/fuzz.py asks the same of 100,000 inputs."""

from __future__ import annotations

import random

import pytest
from fuzz_targets import TARGETS, Target
from hypothesis import given, settings
from hypothesis import strategies as st

ALONE = {name: target for name, target in TARGETS.items() if not target.needs_page}


@pytest.mark.parametrize("name", ALONE)
@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_sent_is_read_or_refused(name: str, seed: int) -> None:
    TARGETS[name].try_one(random.Random(seed))


def tries(target: Target, count: int) -> int:
    """How many of so many inputs are taken."""
    return sum(target.try_one(random.Random(seed)) for seed in range(count))


@pytest.mark.parametrize("name", ALONE)
def test_the_inputs_are_neither_all_refused_nor_all_taken(name: str) -> None:
    taken = tries(TARGETS[name], 100)
    assert taken >= 3
    assert taken <= 97 or TARGETS[name].refusals == ()
