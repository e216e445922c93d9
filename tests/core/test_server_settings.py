"""The owner's settings, from environment variables."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from mnist_core.errors import ConfigError
from mnist_core.server_settings import KINDS, PUBLIC, ServerSettings, default_runs, read_settings


def test_every_setting_can_be_read_and_every_public_value_is_a_setting():
    names = {one.name for one in fields(ServerSettings)}
    assert set(KINDS) == names
    assert set(PUBLIC) < names


def test_a_server_of_ones_own_has_no_limits():
    own = read_settings({"PATH": "/bin"})
    assert own == ServerSettings()
    assert own.runs == default_runs() >= 1
    assert (own.epochs, own.parameters, own.run_seconds, own.store, own.scheduler) == (None,) * 5


def test_a_public_server_has_limits_and_each_can_be_set_by_itself():
    public = read_settings({"DIGIT_PLAYGROUND_PUBLIC": "1"})
    assert public.public
    assert {name: getattr(public, name) for name in PUBLIC} == PUBLIC
    changed = read_settings({
        "DIGIT_PLAYGROUND_EPOCHS": "3", "DIGIT_PLAYGROUND_PUBLIC": "yes", "DIGIT_PLAYGROUND_RUN_SECONDS": " none ",
        "DIGIT_PLAYGROUND_RUNS": "4", "DIGIT_PLAYGROUND_GRACE_SECONDS": "2.5", "DIGIT_PLAYGROUND_STORE": "a/b.sqlite",
    })  # fmt: skip
    assert (changed.epochs, changed.run_seconds, changed.runs, changed.grace_seconds) == (3, None, 4, 2.5)
    assert changed.store == Path("a/b.sqlite")
    assert changed.parameters == PUBLIC["parameters"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PUBLIC", "perhaps"), ("RUNS", "0"), ("RUNS", "two"), ("RUNS", ""), ("EPOCHS", "-1"), ("EPOCHS", "1.5"),
        ("GRACE_SECONDS", "nan"), ("GRACE_SECONDS", "inf"), ("GRACE_SECONDS", "-1"), ("UPLOAD_BYTES", "none"),
        ("STORE", " "), ("SCHEDULER", ""), ("EPOCS", "3"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_by_name(variable, value):
    with pytest.raises(ConfigError, match=f"DIGIT_PLAYGROUND_{variable} is {value!r}, but it must be "):
        read_settings({f"DIGIT_PLAYGROUND_{variable}": value})


def test_the_table_for_owners_is_complete_and_true():
    text = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text()
    rows = dict(re.findall(r"^\| `DIGIT_PLAYGROUND_(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert [name.lower() for name in rows] == list(KINDS)
    for name, value in PUBLIC.items():
        usual, public = rows[name.upper()].split(" | ")[1:]
        own = getattr(ServerSettings(), name)
        assert (usual, public) == ("none" if own is None else str(own), str(value))
