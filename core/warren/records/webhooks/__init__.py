"""What is kept of webhooks, beside the records: when each is to be sent next, and what became of every attempt.

A webhook is listed by the very step that ends its task. It is struck off by the step that notes its last outcome; until
then the record's life does not begin to run out. `redis` and `memory` have the same semantics.

Forbidden here: deciding when to try again, and sending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warren.webhook import Delivery, DueWebhook, DueWebhooks, Webhook, WebhookState

CLAIM_SECONDS: Final = 120.0
"""How long what was taken is left to whoever took it."""


class Webhooks(Protocol):
    """The webhooks of all tasks, in one atomic step a call.

    Every method raises `RecordsUnavailableError` within about a second when the store does not answer.
    """

    async def take(self, *, limit: int, seconds: float = CLAIM_SECONDS) -> DueWebhooks:
        """Take webhooks whose time has come, the most overdue first; nobody else is given them for that long."""

    async def put_off(self, webhooks: Sequence[DueWebhook], *, after_seconds: float) -> None:
        """Leave webhooks that were taken for later, untried."""

    async def note(
        self, webhook: DueWebhook, delivery: Delivery, *, again_seconds: float | None, state: WebhookState
    ) -> None:
        """Note an attempt, and that the webhook is to be sent again after that time, or is over (None) in this state.

        Only the newest claim decides about what follows; what others tried is in the log all the same.
        """

    async def read(self, task_id: str) -> Webhook | None:
        """Return a task's webhook; None if there is no such task, or it asked for none."""

    async def again(self, task_id: str) -> Webhook | None:
        """Send an ended task's webhook (once more), from now on, whatever became of it; None as for `read`.

        It stays WAITING if the task has not ended.
        """
