"""The webhooks of tasks, as the API tells of them: what became of each attempt, and sending once more.

Forbidden here: HTTP, imports of adapters.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from warren.client.caller import ByCaller
from warren.errors import NotEndedError, NoWebhookError, TaskNotFoundError
from warren.webhook import Delivery, Webhook, WebhookState, event_type, webhook_id

if TYPE_CHECKING:
    from warren.records import Records


class DeliveryDocument(BaseModel):
    """One attempt to deliver a webhook."""

    model_config = ConfigDict(frozen=True)

    at: Annotated[datetime, Field(description="When it began.")]
    milliseconds: Annotated[int, Field(description="How long it took.")]
    status: Annotated[int | None, Field(description="What the receiver answered.")] = None
    error: Annotated[str | None, Field(description="What went wrong.")] = None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Return the document of an attempt."""
        at = datetime.fromtimestamp(delivery.at, UTC)
        return cls(at=at, milliseconds=delivery.milliseconds, status=delivery.status, error=delivery.error)


class WebhookDocument(BaseModel):
    """What is known about a task's webhook."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21",
                    "status": "pending",
                    "type": "task.succeeded",
                    "webhook_id": "0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21_succeeded",
                    "next_attempt_at": "2026-11-21T08:05:05Z",
                    "attempts": [
                        {
                            "at": "2026-11-21T08:00:00Z",
                            "milliseconds": 41,
                            "status": 500,
                            "error": "the receiver answered 500",
                        }
                    ],
                }
            ]
        },
    )

    id: Annotated[str, Field(description="The task's id.")]
    status: Annotated[
        WebhookState,
        Field(
            description="waiting: the task has not ended. skipped: its end is none of `callback_events`. pending: to "
            "be sent. delivered. stopped: the receiver answered 410. failed: given up."
        ),
    ]
    type: Annotated[str | None, Field(description="What the receiver is told: `task.succeeded`, ...")] = None
    webhook_id: Annotated[str | None, Field(description="The header `webhook-id`, the same at each attempt.")] = None
    next_attempt_at: Annotated[datetime | None, Field(description="When it is sent (again).")] = None
    attempts: Annotated[list[DeliveryDocument], Field(description="The newest 50, the oldest of them first.")] = Field(
        default_factory=list
    )

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """Return the document of a webhook."""
        ended = webhook.state is not WebhookState.WAITING
        return cls(
            id=webhook.task_id,
            status=webhook.state,
            type=event_type(webhook.ended) if ended else None,
            webhook_id=webhook_id(webhook.task_id, webhook.ended) if ended else None,
            next_attempt_at=None if webhook.next_at is None else datetime.fromtimestamp(webhook.next_at, UTC),
            attempts=list(map(DeliveryDocument.of, webhook.attempts)),
        )

    def json_bytes(self) -> bytes:
        """Return the document as JSON, without the fields that do not apply."""
        return self.model_dump_json(exclude_none=True).encode()


class Deliveries(ByCaller):
    """Tells of webhooks, and has them sent once more."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def read(self, task_id: str) -> WebhookDocument:
        """Return what is known about a task's webhook.

        Raises:
            TaskNotFoundError: there is no such task.
            NoWebhookError: it has no `callback_url`.

        """
        await self._check(task_id)
        return WebhookDocument.of(await self._known(task_id, await self._records.webhooks.read(task_id)))

    async def again(self, task_id: str) -> WebhookDocument:
        """Send an ended task's webhook from now on, whatever became of it before, under the same `webhook-id`.

        Raises:
            TaskNotFoundError: there is no such task.
            NoWebhookError: it has no `callback_url`.
            NotEndedError: there is nothing to tell yet.

        """
        await self._check(task_id)
        webhook = await self._known(task_id, await self._records.webhooks.again(task_id))
        if webhook.state is WebhookState.WAITING:
            raise NotEndedError(f"the task {task_id} is {webhook.ended}: its webhook is sent when it has ended")
        return WebhookDocument.of(webhook)

    async def _check(self, task_id: str) -> None:
        """Return if the task is there for the caller."""
        if self._caller.sees_all:
            return
        [record] = await self._records.read([task_id])
        if record is None or not self._caller.sees(record):
            raise _not_found(task_id)

    async def _known(self, task_id: str, webhook: Webhook | None) -> Webhook:
        if webhook is not None:
            return webhook
        [record] = await self._records.read([task_id])
        if record is None:
            raise _not_found(task_id)
        raise NoWebhookError(f"the task {task_id} asked for no webhook: it was submitted without callback_url")


def _not_found(task_id: str) -> TaskNotFoundError:
    return TaskNotFoundError(f"no task has the id {task_id!r}")
