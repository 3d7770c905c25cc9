"""What a client needs, whichever way it reaches Warren.

Forbidden here: imports of adapters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from warren.client.documents import TaskDocument, TaskRequest
    from warren.prediction import PredictResponse
    from warren.tasks import Payload


class Gateway(Protocol):
    """A way to Warren. Its faults are those of `warren.errors`, whichever way it is."""

    async def open(self) -> None:
        """Get ready."""

    async def close(self) -> None:
        """Let go of all connections."""

    async def submit(self, request: TaskRequest, key: str) -> TaskDocument:
        """Accept a task, once per idempotency key."""

    async def read(self, task_id: str, wait_seconds: float) -> TaskDocument:
        """Return how a task stands, when it has ended or when the seconds are over."""

    async def cancel(self, task_id: str) -> TaskDocument:
        """Cancel a task unless it has ended; return how it stands."""

    async def predict(self, model: str, payload: Payload, seconds: float) -> PredictResponse:
        """Run a model on inputs, within the seconds."""
