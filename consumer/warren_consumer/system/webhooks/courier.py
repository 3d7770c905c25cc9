"""The courier: takes webhooks whose time has come and has them sent, many side by side, each when it is its turn.

What is taken stays the courier's for `CLAIM_SECONDS`. Killed, it leaves everything to the next one, under the same
webhook-id: a receiver may be told twice, and never not at all.

Forbidden here: waiting for one receiver with what another is to be told.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import UnavailableError
from warren.outbound.transport import TOTAL_SECONDS
from warren.records.webhooks import CLAIM_SECONDS
from warren.webhook import Delivery
from warren_consumer.system.webhooks.turns import Held, Turns
from warren_consumer.system.webhooks.verdict import Attempt, judge

if TYPE_CHECKING:
    from warren.records import Records
    from warren.webhook import DueWebhook
    from warren_consumer.system.metrics import SystemMetrics
    from warren_consumer.system.webhooks.post import Post

NAME: Final = "webhooks"
EVERY_SECONDS: Final = 1.0
TAKEN_AT_ONCE: Final = 100
PUT_OFF_SECONDS: Final = (5.0, 20.0)
NOTE_SECONDS: Final = 5.0
"""How much of a claim is kept for noting what came of it."""

log = structlog.get_logger(__name__)


class Courier:
    """The duty of sending webhooks."""

    def __init__(self, records: Records, post: Post, metrics: SystemMetrics) -> None:
        self._records = records
        self._post = post
        self._metrics = metrics
        self._faults = metrics.faults.labels(NAME)
        self._turns = Turns()
        self._wake = asyncio.Event()

    @property
    def consuming(self) -> bool:
        """It waits for no queue."""
        return True

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                more = await self._look()
                self._start(group)
                if not more:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(EVERY_SECONDS):
                            await self._wake.wait()

    async def _look(self) -> bool:
        """Take what is due; tell whether there may be more of it."""
        try:
            return await self._take()
        except UnavailableError as error:
            log.warning("webhooks are left for later", problem=error.detail)
        except Exception:
            log.exception("taking webhooks met a fault; it is done again")
            self._faults.inc()
        return False

    async def _take(self) -> bool:
        if self._turns.full:
            return False
        until = time.monotonic() + CLAIM_SECONDS - TOTAL_SECONDS - NOTE_SECONDS
        due = await self._records.webhooks.take(limit=TAKEN_AT_ONCE)
        self._metrics.webhooks_pending.set(due.pending)
        too_many = [webhook for webhook in due.taken if not self._turns.admit(Held.of(webhook, until))]
        if too_many:
            await self._put_off(too_many)
        return len(due.taken) == TAKEN_AT_ONCE

    def _start(self, group: asyncio.TaskGroup) -> None:
        """Send what may be sent now."""
        while held := self._turns.next():
            group.create_task(self._see_to(group, held))

    async def _see_to(self, group: asyncio.TaskGroup, held: Held) -> None:
        try:
            await self._deliver(held)
        except UnavailableError as error:
            log.warning("a webhook will be sent again", task=held.webhook.task_id, problem=error.detail)
        except Exception:
            log.exception("a webhook met a fault and will be sent again", task=held.webhook.task_id)
            self._faults.inc()
        finally:
            self._turns.done(held)
        if not self._turns.like(held):
            self._wake.set()
        self._start(group)

    async def _deliver(self, held: Held) -> None:
        webhook = held.webhook
        if time.monotonic() > held.until:
            await self._put_off([webhook])
            return
        [record] = await self._records.read([webhook.task_id])
        if record is None:
            return
        attempt, delivery = await self._post.send(webhook.url, record)
        await self._note(held, attempt, delivery)

    async def _note(self, held: Held, attempt: Attempt, delivery: Delivery) -> None:
        webhook = held.webhook
        verdict = judge(attempt, webhook.tries, random.random())  # noqa: S311 - spreads load, keeps no secret
        await self._records.webhooks.note(webhook, delivery, again_seconds=verdict.again_seconds, state=verdict.state)
        outcome = "refused" if attempt.refused else verdict.state.value
        self._metrics.webhooks.labels(outcome).inc()
        if delivery.error is not None:
            again = verdict.again_seconds and round(verdict.again_seconds)
            log.info(
                "a webhook was not taken",
                task=webhook.task_id,
                host=held.host,
                problem=delivery.error,
                state=verdict.state.value,
                again_seconds=again,
            )

    async def _put_off(self, webhooks: list[DueWebhook]) -> None:
        seconds = random.uniform(*PUT_OFF_SECONDS)  # noqa: S311 - spreads load, keeps no secret
        await self._records.webhooks.put_off(webhooks, after_seconds=seconds)
