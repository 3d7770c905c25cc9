"""Logs: one line an event on standard error, as JSON for machines or in colours for people.

Forbidden here: what is logged.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from warren.settings import Settings


def configure(settings: Settings) -> None:
    """Send the logs of this process to standard error in the form that the settings ask for."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    if settings.log_format == "json":
        shape: list[structlog.typing.Processor] = [
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ]
    else:
        shape = [structlog.dev.ConsoleRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log by the standard way; what they say at warning and above is for operators too.
    logging.basicConfig(level=max(level, logging.WARNING), format="%(levelname)s %(name)s %(message)s", force=True)
