"""One attempt to deliver a webhook: a signed request, as Standard Webhooks says, and what the receiver answers.

Forbidden here: deciding what follows, and any word of a URL but its host in what is logged or kept.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson
import structlog

from warren.client.documents import TaskDocument
from warren.errors import UnreachableError, UrlRefusedError
from warren.tasks import JSON
from warren.webhook import Delivery, event_type, webhook_id
from warren_consumer.system.webhooks.verdict import Attempt

if TYPE_CHECKING:
    from warren.clock import Clock
    from warren.outbound.transport import Outbound
    from warren.record import Record
    from warren_consumer.system.webhooks.signature import Signer

LARGEST_RESULT: Final = 64 * 1024
"""Results over this size are told by where they are read: many receivers take no more than 100 kB."""
MOST_READ: Final = 64 * 1024
"""How much of an answer's body is read, and thrown away."""
LONGEST_ERROR: Final = 300

log = structlog.get_logger(__name__)


class Post:
    """Sends webhooks."""

    def __init__(self, outbound: Outbound, signer: Signer, clock: Clock) -> None:
        self._outbound = outbound
        self._signer = signer
        self._clock = clock

    async def send(self, url: str, record: Record) -> tuple[Attempt, Delivery]:
        """Tell the receiver at `url` how the task ended; return how that went, and what is kept of it."""
        at, begin = self._clock.now(), time.monotonic()
        try:
            attempt = await self._send(url, record, at)
        except Exception:
            log.exception("a webhook met a fault of Warren's own", task=record.id)
            attempt = Attempt(error="Warren could not send it: a fault of its own, which is in the system pool's log")
        milliseconds = round((time.monotonic() - begin) * 1000)
        problem = attempt.problem and attempt.problem[:LONGEST_ERROR]
        return attempt, Delivery(at=round(at, 3), milliseconds=milliseconds, status=attempt.status, error=problem)

    async def _send(self, url: str, record: Record, at: float) -> Attempt:
        body = payload(record)
        status, after = None, None
        try:
            async with self._outbound.send(
                "POST", url, headers=self._headers(record, at, body), content=body, payer=record.caller
            ) as answer:
                status, after = answer.status, answer.retry_after()
                await answer.read(MOST_READ)
        except UrlRefusedError as error:
            return Attempt(error=error.detail, refused=True)
        except UnreachableError as error:
            if status is None:
                return Attempt(error=error.detail)
        return Attempt(status, retry_after=after)

    def _headers(self, record: Record, at: float, body: bytes) -> dict[str, str]:
        named = webhook_id(record.id, record.state)
        headers = {"content-type": JSON, "webhook-id": named, "webhook-timestamp": str(int(at))}
        signature = self._signer.sign(record.caller, named, int(at), body)
        return headers | {"webhook-signature": signature} if signature else headers


def payload(record: Record) -> bytes:
    """Return what a receiver is told of a task that ended."""
    ended = datetime.fromtimestamp(record.finished_at or 0, UTC)
    if len(record.result or b"") > LARGEST_RESULT:
        record = record.model_copy(update={"result": None, "result_ref": "its record"})
    document = TaskDocument.of(record)
    told = {
        "type": event_type(record.state),
        "timestamp": ended.isoformat().replace("+00:00", "Z"),
        "data": orjson.Fragment(document.json_bytes()),
    }
    return orjson.dumps(told)
