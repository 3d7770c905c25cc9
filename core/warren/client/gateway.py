"""What a client needs, whichever way it reaches Warren.

Forbidden here: imports of adapters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warren.client.batch import BatchItem, Fate
    from warren.client.dead_letter import (
        DeadLetter,
        DeadLetterDetail,
        DeadLetterPage,
        DeadLetterQuery,
        DiscardMany,
        Replay,
        ReplayMany,
        Treatment,
    )
    from warren.client.deliveries import WebhookDocument
    from warren.client.documents import TaskDocument, TaskRequest
    from warren.prediction import PredictResponse
    from warren.tasks import Payload

POLL_SECONDS: Final = 20.0
"""The longest single wait for a task that is asked for; a longer one is several of these."""


class TaskGateway(Protocol):
    """A way to tasks that were submitted."""

    async def read(self, task_id: str, wait_seconds: float) -> TaskDocument:
        """Return how a task stands, when it has ended or when the seconds are over; or sooner, to be asked again."""

    async def result(self, task_id: str) -> Payload:
        """Return the bytes that a task returned, of whatever size."""

    async def cancel(self, task_id: str) -> TaskDocument:
        """Cancel a task unless it has ended; return how it stands."""

    async def deliveries(self, task_id: str) -> WebhookDocument:
        """Return what became of a task's webhook."""

    async def redeliver(self, task_id: str) -> WebhookDocument:
        """Send the webhook of a task that has ended once more."""


class Gateway(TaskGateway, Protocol):
    """A way to Warren. Its faults are those of `warren.errors`, whichever way it is."""

    async def open(self) -> None:
        """Get ready."""

    async def close(self) -> None:
        """Let go of all connections."""

    async def submit(self, request: TaskRequest, key: str | None) -> str:
        """Accept a task, once per idempotency key, and return its id. Without a key, a call is a task of its own."""

    async def submit_many(self, items: Sequence[BatchItem]) -> list[Fate[str]]:
        """Accept tasks, each for itself and once per its idempotency key; return their ids, or why not, in order."""

    async def predict(self, model: str, payload: Payload, seconds: float) -> PredictResponse:
        """Run a model on inputs, within the seconds."""

    async def dead_letters(self, query: DeadLetterQuery) -> DeadLetterPage:
        """Return a page of the dead letters."""

    async def dead_letter(self, task_id: str) -> DeadLetterDetail:
        """Return all that is known of a dead letter."""

    async def replay(self, task_id: str, how: Replay) -> TaskDocument:
        """Submit a failed task anew; return how the new one stands."""

    async def replay_many(self, which: ReplayMany) -> Treatment:
        """Submit failed tasks anew."""

    async def discard(self, task_id: str) -> DeadLetter:
        """Strike a dead letter off and drop its payload."""

    async def discard_many(self, which: DiscardMany) -> Treatment:
        """Strike dead letters off and drop their payloads."""
