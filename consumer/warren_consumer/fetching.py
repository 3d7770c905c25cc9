"""A task's payload, brought to its handler from where it lies.

Forbidden here: what the payload means.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warren_consumer.patience import insist_for

if TYPE_CHECKING:
    from warren.payloads import Payloads
    from warren.tasks import Payload
    from warren_consumer.handler import Context, Handler

PATIENCE_SECONDS: Final = 20.0
"""How long an attempt waits for a storage that is away before it counts as failed: the work has not even begun, and
most tasks have one attempt only."""


async def with_payload(handler: Handler, context: Context, payloads: Payloads) -> Payload:
    """Run the handler with the payload at hand; a large one is fetched from object storage, in the attempt's time."""
    given = context.task.payload
    if given.reference is None:
        return await handler(context)
    fetched = await insist_for(PATIENCE_SECONDS, lambda: payloads.fetch(given), what="fetching a payload")
    return await handler(replace(context, task=replace(context.task, payload=fetched)))
