"""Webhooks in this process: over the entries of the records in memory.

Forbidden here: semantics that the Lua steps do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from warren.records.ledger import Entry, Ledger
from warren.records.webhooks import CLAIM_SECONDS
from warren.webhook import MOST_ATTEMPTS_KEPT, Delivery, DueWebhook, DueWebhooks, Webhook, WebhookState, standing


class MemoryWebhooks:
    """The webhooks of a ledger; `now` is its clock, and fails when the records are away."""

    def __init__(self, ledger: Ledger, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._now = now

    async def take(self, *, limit: int, seconds: float = CLAIM_SECONDS) -> DueWebhooks:
        """Take webhooks whose time has come."""
        now, listed = self._now(), self._ledger.webhooks
        late = sorted((at, task_id) for task_id, at in listed.items() if at <= now)[:limit]
        taken = []
        for _, task_id in late:
            entry = self._ledger.entry(task_id)
            url = entry.record.callback_url if entry else None
            if entry is None or url is None:
                del listed[task_id]
                continue
            listed[task_id] = now + seconds
            entry.webhook.claim += 1
            noted, caller = entry.webhook, entry.record.caller or None
            taken.append(DueWebhook(task_id, url, noted.tries, noted.claim, caller))
        return DueWebhooks(taken, len(listed))

    async def put_off(self, webhooks: Sequence[DueWebhook], *, after_seconds: float) -> None:
        """Leave webhooks that were taken for later."""
        at = self._now() + after_seconds
        for webhook in webhooks:
            if self._give_up_claim(webhook):
                self._ledger.webhooks[webhook.task_id] = at

    async def note(
        self, webhook: DueWebhook, delivery: Delivery, *, again_seconds: float | None, state: WebhookState
    ) -> None:
        """Note an attempt, and what follows from it."""
        now, entry = self._now(), self._ledger.entry(webhook.task_id)
        if entry is None:
            return
        noted = entry.webhook
        if noted.attempts[-1:] != [delivery]:
            noted.attempts = [*noted.attempts, delivery][-MOST_ATTEMPTS_KEPT:]
        if not self._give_up_claim(webhook):
            return
        noted.tries += 1
        if again_seconds is not None:
            self._ledger.webhooks[webhook.task_id] = now + again_seconds
            return
        del self._ledger.webhooks[webhook.task_id]
        noted.state = state
        self._ledger.live(entry, now, noted.life)

    async def read(self, task_id: str) -> Webhook | None:
        """Return a task's webhook."""
        self._now()
        entry = self._ledger.entry(task_id)
        return self._seen(entry) if entry and entry.record.callback_url else None

    async def again(self, task_id: str) -> Webhook | None:
        """Send an ended task's webhook once more."""
        now, entry = self._now(), self._ledger.entry(task_id)
        if entry is None or entry.record.callback_url is None:
            return None
        if not entry.open:
            self._ledger.list_webhook(entry, now)
        return self._seen(entry)

    def _give_up_claim(self, webhook: DueWebhook) -> bool:
        """Return whether the claim was the newest one; from now on it is not."""
        entry = self._ledger.entry(webhook.task_id)
        if entry is None or webhook.task_id not in self._ledger.webhooks or entry.webhook.claim != webhook.claim:
            return False
        entry.webhook.claim += 1
        return True

    def _seen(self, entry: Entry) -> Webhook:
        record, noted = entry.record, entry.webhook
        return Webhook(
            record.id,
            record.state,
            standing(record.state, noted.state),
            (*noted.attempts,),
            self._ledger.webhooks.get(record.id),
        )
