"""Logs: one line an event on standard error, as JSON for machines or in colours for people.

Forbidden here: what is logged.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from warren.settings import Settings


def configure(settings: Settings) -> None:
    """Send the logs of this process, those of its libraries too, to standard error in the form the settings ask for."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shape = _shape(settings.log_format)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_SAID, *shape],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *_SAID],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shape],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    # Each try to connect again is told by aio_pika; aiormq beneath it would tell it once more.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)


_SAID: Final = (structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True))


def _shape(log_format: str) -> Sequence[structlog.typing.Processor]:
    """Return what makes a line of an event; tracebacks come without local variables, which hold users' payloads."""
    if log_format == "json":
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return (structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer())
    return (structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),)
