"""Hears the producers' hints that work comes for a pool, so that one that sleeps starts at once.

They are best effort: one that is lost costs the time until the figures show the task.

Forbidden here: what follows from a hint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import WarrenError
from warren.event import WAKE_PREFIX
from warren.topology import TASKS

if TYPE_CHECKING:
    from warren.broker import Broker

_LOG = structlog.get_logger(__name__)
_PATTERN: Final = f"{WAKE_PREFIX}#"
_PAUSE_SECONDS: Final = 1.0
"""After a connection that was lost, or a topology that is not there yet."""


class Wakes:
    """Passes each hint on, with the name of the queue that somebody publishes to.

    Whenever it begins to listen, it says that there may have been hints before.
    """

    def __init__(self, broker: Broker, heard: Callable[[str], Awaitable[None]], missed: Callable[[], None]) -> None:
        self._broker = broker
        self._heard = heard
        self._missed = missed

    async def run(self) -> None:
        """Listen until canceled."""
        async with asyncio.TaskGroup() as errands:  # what one pool's hint has to wait for holds up no other's
            deaf = False
            while True:
                try:
                    async with self._broker.listen([_PATTERN]) as hints:
                        deaf = False
                        self._missed()
                        async for hint in hints:
                            errands.create_task(self.pass_on((hint.message.type or "").removeprefix(WAKE_PREFIX)))
                except WarrenError as error:
                    if not deaf:
                        _LOG.warning("hints of producers are not heard", reason=error.code, detail=error.detail)
                    deaf = True
                except Exception:  # noqa: BLE001 - a library's fault must not leave the operator deaf for good
                    _LOG.exception("hints of producers are not heard")
                await asyncio.sleep(_PAUSE_SECONDS)

    async def pass_on(self, pool: str) -> None:
        """Say that somebody publishes to the pool. Nothing that goes wrong with one hint ends the listening."""
        try:
            await self._heard(f"{TASKS}.{pool}")
        except WarrenError as error:
            _LOG.warning("a pool was not woken", pool=pool, reason=error.code, detail=error.detail)
        except Exception:  # noqa: BLE001 - whatever it is, the next hint may do better
            _LOG.exception("a pool was not woken", pool=pool)
