"""What the server's log need not say."""

from __future__ import annotations

import logging

# Streamlit, which was just sending to a page that is closed, closes the connection once more; nobody is harmed.
CLOSED_TWICE = 'Cannot call "send" once a close message has been sent.'


def is_news(record: logging.LogRecord) -> bool:
    """Whether a record tells of more than a page that was closed while the server was sending to it."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, RuntimeError) and str(error) == CLOSED_TWICE)


def leave_out_closed_pages() -> None:
    """Log no traceback for a page that is closed in the middle of a tick."""
    logging.getLogger("uvicorn.error").addFilter(is_news)
