"""JSON lines on stderr, one event each, with the correlation id where there is one."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog

from kept.observe.correlation import correlation_id


def _add_correlation(_: Any, __: str, event: Any) -> Any:
    current = correlation_id.get()
    if current:
        event.setdefault("correlation_id", current)
    return event


def configure_logs(process: str, level: int = logging.INFO) -> None:
    """Set up logging for this process. Values that are logged are ids, counts and codes: no personal data."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _add_correlation,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
