"""The events of all tasks as they happen, for programs inside the trust domain.

Forbidden here: waiting for tasks; `watch` does that, by records, which miss nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from warren.errors import InvalidRequestError, UnavailableError

if TYPE_CHECKING:
    from warren.broker import Broker

EVERY_TASK: Final = "task.#"
LONGEST_PATTERN: Final = 255
"""AMQP's limit, in bytes."""

RECONNECT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    key: str
    """Its routing key: `task.<state>.<task name>`, or `pool.wake.<pool>`."""
    document: dict[str, Any]
    """How the task stood then, without its result; of a wake hint the pool."""


async def listen(
    broker: Broker, patterns: Sequence[str] = (EVERY_TASK,), *, lost: Callable[[str], None] = lambda _: None
) -> AsyncGenerator[Event, None]:
    """Yield the events that fit one of the topic patterns (`task.failed.*`, `pool.#`), for as long as it is asked.

    Events are best effort. What happens while the connection is away is not told; `lost` is called with the reason, and
    listening begins anew as soon as it can. What others publish there that is no event is passed over.

    Raises:
        InvalidRequestError: a pattern is longer than any event's key.
        UnavailableError: the broker does not answer at the beginning, or its topology was not applied.

    """
    if too_long := [pattern for pattern in patterns if len(pattern.encode()) > LONGEST_PATTERN]:
        raise InvalidRequestError(f"a pattern has {LONGEST_PATTERN} bytes at most: {too_long[0][:50]!r}...")
    heard_before = False
    while True:
        try:
            async with broker.listen(patterns) as deliveries:
                heard_before = True
                async for delivery in deliveries:
                    if (document := _document(delivery.message.body)) is not None:
                        yield Event(delivery.message.type or "", document)
            lost("the connection was lost")
        except UnavailableError as error:
            if not heard_before:
                raise
            lost(error.detail)
        await asyncio.sleep(RECONNECT_SECONDS)


def _document(body: bytes) -> dict[str, Any] | None:
    """Return what an event holds; None if it is none: whoever may send wake hints may send anything."""
    try:
        document = orjson.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
