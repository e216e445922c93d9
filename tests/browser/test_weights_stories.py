"""Somebody takes their network home as a file, and brings it back."""

from __future__ import annotations

import re
from pathlib import Path

from playground import SEVEN, Playground
from playwright.sync_api import expect


def open_file(playground: Playground, path: Path) -> None:
    """Choose a file of weights."""
    if not playground.page.get_by_test_id("stFileUploader").is_visible():
        playground.press("Open weights")
    playground.page.get_by_test_id("stFileUploaderDropzoneInput").last.set_input_files(path)


def test_a_network_is_saved_opened_again_and_closed(playground: Playground, tmp_path: Path) -> None:
    playground.draw(SEVEN)
    playground.set_number("Training images", 2000)
    playground.train()
    playground.says("Done.")
    with playground.page.expect_download() as download:
        playground.press("Weights as .pth")
    path = tmp_path / "mine.pth"
    download.value.save_as(path)
    broken = tmp_path / "broken.pth"
    broken.write_bytes(path.read_bytes()[:-5000])

    open_file(playground, broken)
    playground.says("This file was not opened.")
    playground.says("This is not a file of weights, or it is damaged")
    open_file(playground, path)
    playground.says("Answered by my network from the file")
    playground.says("31,954 parameters. It reads")
    expect(playground.page.get_by_test_id("stFileUploader")).to_have_count(0)
    playground.page.get_by_role("radio", name="Errors").click()
    playground.says("test images correctly")
    playground.says(re.compile("^My network from the file mine.pth reads"))

    playground.press("Close file")
    playground.says("Answered by my network after")
