"""The server's log tells of errors, and of nothing else."""

from __future__ import annotations

import logging

import pytest

from mnist_ui.server_log import CLOSED_TWICE, leave_out_closed_pages


@pytest.mark.parametrize(
    ("error", "logged"),
    [(RuntimeError(CLOSED_TWICE), 0), (RuntimeError("something else"), 1), (ValueError(CLOSED_TWICE), 1)],
)
def test_a_page_closed_in_mid_tick_is_not_in_the_log_and_every_error_is(error, logged, caplog) -> None:
    leave_out_closed_pages()
    logger = logging.getLogger("uvicorn.error")
    with caplog.at_level(logging.INFO, logger="uvicorn.error"):
        logger.error("Exception in ASGI application\n", exc_info=error)
    assert len(caplog.records) == logged


def test_what_has_no_error_is_logged(caplog) -> None:
    leave_out_closed_pages()
    with caplog.at_level(logging.INFO, logger="uvicorn.error"):
        logging.getLogger("uvicorn.error").info("Started")
    assert caplog.messages == ["Started"]
