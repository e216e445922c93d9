"""The server's settings in .streamlit/config.toml are those of a page that strangers may open."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from streamlit import config

from mnist_core.pictures import LARGEST_FILE
from mnist_core.server_settings import ServerSettings, read_settings

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def settings() -> dict[str, dict[str, Any]]:
    return tomllib.loads(CONFIG.read_text())


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("server", "enableXsrfProtection", True),
        ("server", "enableCORS", True),
        ("server", "enableWebsocketCompression", False),
        ("server", "enableStaticServing", False),
        ("server", "enableAgentApi", False),
        ("server", "fileWatcherType", "none"),
        ("browser", "gatherUsageStats", False),
        ("runner", "magicEnabled", False),
        ("client", "showErrorDetails", "none"),
        ("client", "showErrorLinks", False),
        ("client", "toolbarMode", "minimal"),
    ],
)
def test_a_setting_that_protects_the_page_or_its_visitors_is_made(settings, section, name, value) -> None:
    assert settings[section][name] == value


def test_every_setting_is_one_that_this_streamlit_knows(settings) -> None:
    known = set(config.get_config_options())
    ours = {f"{section}.{name}" for section in ("server", "browser", "runner", "client", "logger")
            for name in settings[section]}  # fmt: skip
    assert ours <= known


def test_what_may_be_uploaded_covers_the_largest_widget(settings) -> None:
    largest = settings["server"]["maxUploadSize"] * 2**20
    assert largest >= LARGEST_FILE
    for told in ({}, {"DIGIT_PLAYGROUND_PUBLIC": "yes"}):
        assert read_settings(told).upload_bytes <= largest
    assert ServerSettings().upload_bytes <= largest


def test_messages_are_bounded_but_hold_a_full_canvas(settings) -> None:
    strokes, picture = 2_000_000, 300_000 * 4 / 3 + 1000  # as canvas.py allows them, the picture in base64
    told, message = settings["server"]["maxWidgetStateSize"], settings["server"]["maxMessageSize"]
    assert strokes + picture < told * MEGABYTE
    assert told < message <= 10


def test_no_secret_lies_in_the_repository(settings) -> None:
    assert not {"cookieSecret", "sslKeyFile"} & settings["server"].keys()
    assert not (CONFIG.parent / "secrets.toml").exists()
    assert "secrets.toml" in (CONFIG.parents[1] / ".gitignore").read_text()
