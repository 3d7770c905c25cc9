"""Webhooks in Valkey or Redis: each step is one Lua script.

Forbidden here: deciding; the steps in `steps/` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from warren.record import State
from warren.records.fields import milliseconds
from warren.records.store import Store
from warren.records.webhooks import CLAIM_SECONDS
from warren.webhook import MOST_ATTEMPTS_KEPT, Delivery, DueWebhook, DueWebhooks, Webhook, WebhookState, standing


class RedisWebhooks:
    """The webhooks of the records in a store, whose keys begin with `prefix`."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def take(self, *, limit: int, seconds: float = CLAIM_SECONDS) -> DueWebhooks:
        """Take webhooks whose time has come."""
        taken, pending = await self._store.run("webhooks_take", [], limit, milliseconds(seconds))
        return DueWebhooks(
            [
                DueWebhook(task_id.decode(), url.decode(), int(tries), claim, caller.decode() or None)
                for task_id, url, tries, claim, caller in taken
            ],
            pending,
        )

    async def put_off(self, webhooks: Sequence[DueWebhook], *, after_seconds: float) -> None:
        """Leave webhooks that were taken for later."""
        named = chain.from_iterable((webhook.task_id, str(webhook.claim)) for webhook in webhooks)
        await self._store.run("webhooks_put_off", [], milliseconds(after_seconds), *named)

    async def note(
        self, webhook: DueWebhook, delivery: Delivery, *, again_seconds: float | None, state: WebhookState
    ) -> None:
        """Note an attempt, and what follows from it."""
        await self._store.run(
            "webhook_note",
            [self._prefix + webhook.task_id],
            webhook.claim,
            delivery.model_dump_json(exclude_none=True),
            -1 if again_seconds is None else milliseconds(again_seconds),
            state.value,
            MOST_ATTEMPTS_KEPT,
        )

    async def read(self, task_id: str) -> Webhook | None:
        """Return a task's webhook."""
        return _parse(task_id, await self._store.run("webhook_read", [self._prefix + task_id]))

    async def again(self, task_id: str) -> Webhook | None:
        """Send an ended task's webhook once more."""
        return _parse(task_id, await self._store.run("webhook_again", [self._prefix + task_id]))


def _parse(task_id: str, answer: Sequence[Any] | None) -> Webhook | None:
    if not answer:
        return None
    ended, noted, log, at = (part.decode() for part in answer)
    state = standing(State(ended), WebhookState(noted) if noted else None)
    attempts = tuple(map(Delivery.model_validate_json, log.splitlines()))
    return Webhook(task_id, State(ended), state, attempts, int(at) / 1000 or None)
