"""Closing an assignment: finish, retry, hand back or put back, in the order that loses nothing whatever dies.

Always the record first, then what must be published, then the ack. `insist` waits for a dependency where going on would
lose or repeat work; where the system pool makes up for a failure, one try is enough.

Forbidden here: deciding; that is `settlement`.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import structlog

from warren import settlement
from warren.errors import RecordsUnavailableError, UnavailableError
from warren.message import Message, cut, essential
from warren.record import Outcome, Record, State
from warren.records import LEASE_SECONDS
from warren.topology import delay_route
from warren_consumer.handler import TaskFault
from warren_consumer.patience import insist, insist_for
from warren_consumer.replies import Replies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warren.broker import Broker, Delivery
    from warren.pool import Pool
    from warren.record import Lease
    from warren.records import Records
    from warren.tasks import Payload
    from warren_consumer.assignment import Assignment
    from warren_consumer.events import Events
    from warren_consumer.results import Results

BROKERS_OWN_HEADERS: Final = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")
"""What RabbitMQ notes on a message on its way. Left on a message that is published again, they grow with every round
and make the broker take a second round for a cycle, in which it drops messages."""

REASON_HEADER: Final = "warren-reason"
CODE_HEADER: Final = "warren-reason-code"
"""Why a message lies among the dead letters, where it was not the broker that brought it there, and that as a word."""

INVALID_MESSAGE: Final = "invalid-message"

RESULT_PATIENCE_SECONDS: Final = 20.0
"""How long a large result waits for a storage that is away before the attempt counts as failed: the work is done, and
most tasks have one attempt only."""

RELEASE_PATIENCE_SECONDS: Final = 5.0
"""How long handing back a lease waits for a store that is away: it may be the grace of the process that passes."""

ASK_AGAIN_SECONDS: Final = 1.0
"""How soon a message whose task's state is in doubt comes to a claim again, which decides."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Closing:
    """Carries out what was decided about the assignments of one pool."""

    pool: Pool
    broker: Broker
    records: Records
    results: Results
    events: Events
    result_ttl_seconds: float

    async def complete(self, held: Assignment, record: Record, lease: Lease, result: Payload) -> str:
        """End the task with its result; return the word for what became of the attempt."""
        try:
            outcome = await insist_for(
                RESULT_PATIENCE_SECONDS, lambda: self.results.outcome(lease, result), what="storing a result"
            )
        except (UnavailableError, TaskFault) as error:
            return await self.fail(held, record, lease, error)
        return await self._finish(held, record, lease, outcome)

    async def fail(self, held: Assignment, record: Record, lease: Lease, fault: Exception) -> str:
        """End the task as failed or let it be tried again; return the word for what became of the attempt."""
        if held.registration is None:
            msg = f"task {held.task.id} was executed without a registration"
            raise RuntimeError(msg)
        policy = held.registration.policy(held.task)
        chance = random.random()  # noqa: S311 - spreads load, keeps no secret
        match settlement.decide(fault, record.failures, policy, held.task.payload, chance):
            case settlement.Finish(outcome):
                return await self._finish(held, record, lease, outcome)
            case settlement.Repeat() as repeat:
                return await self._retry(held, record, lease, repeat)

    async def conclude(self, held: Assignment, record: Record) -> None:
        """Let everybody know of a record that has ended, then ack its message.

        Whatever fails here stays due in the records, and the system pool sees to it.
        """
        try:
            await Replies(self.broker, self.records).send(record, ttl_seconds=self.result_ttl_seconds)
        except UnavailableError as error:
            log.warning("left to the system pool", task=record.id, problem=error.detail)
        await held.ack()

    async def let_go(self, held: Assignment) -> None:
        """Leave a task that is no longer ours: it ended, or another consumer has, or had, a newer fence.

        That one may have put back the very message that is at hand here, so a task that has not ended keeps it.
        """
        found = await insist(lambda: self.records.read([held.task.id]), what="reading a lost task's record")
        record = found[0] if found else None
        if record is not None and record.state.terminal:
            await self.conclude(held, record)
        elif record is not None and record.leased and record.lease_until is not None:
            # The store's clock may have been set back; a claim decides how long that lease really lasts.
            await self.put_back(held, min(record.lease_until - record.now, LEASE_SECONDS))
        else:
            await self.put_back(held, ASK_AGAIN_SECONDS)

    async def set_aside(self, held: Assignment) -> None:
        """Ack the message of a suspended task; one that came since the record said so may be of its resumption."""
        await held.presented.ack()
        if held.delivery is not held.presented:
            await self.put_back(held, ASK_AGAIN_SECONDS)

    async def put_back(self, held: Assignment, seconds: float, headers: Mapping[str, int] | None = None) -> None:
        """Bring the very same message back to the queue after a delay; `headers` are added to its own.

        The broker has done so already, without the delay, if the delivery is stale: a second message is of no use. A
        newer delivery by the time of the ack may be the very message that was published here, come back already to a
        process that stood still meanwhile: acked for the one before it, the task would be lost.
        """
        put: Delivery | None = None
        while put is not held.delivery and not held.delivery.stale:
            wait = seconds if put is None else ASK_AGAIN_SECONDS
            put = held.delivery
            await self._delay(put.message, wait, headers)
            await put.ack()

    async def _delay(self, message: Message, seconds: float, headers: Mapping[str, int] | None) -> None:
        exchange, key = delay_route(seconds, self.pool.name)
        again = fresh(message, headers)
        await insist(lambda: self.broker.publish(again, exchange=exchange, routing_key=key), what="delaying a task")

    async def bury(self, delivery: Delivery, reason: str, *, code: str = INVALID_MESSAGE) -> None:
        """Bring a message that cannot be worked on to the pool's dead letters; the system pool ends its record.

        What cannot be published as it is goes without the headers that are not Warren's. Should that fail as well, the
        message is given back to the broker, which counts its returns: held here for ever, it would keep a slot.
        """
        said = {REASON_HEADER: cut(reason), CODE_HEADER: code}
        for message in (delivery.message, essential(delivery.message)):
            try:
                await self._to_dead_letters(fresh(message, said))
            except Exception:
                log.exception("a message cannot be buried as it is", message=message.message_id)
            else:
                await delivery.ack()
                return
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        await delivery.nack()

    async def _to_dead_letters(self, message: Message) -> None:
        queue = self.pool.dead_letter_queue
        await insist(lambda: self.broker.publish(message, exchange="", routing_key=queue), what="burying a message")

    async def hand_back(self, lease: Lease) -> None:
        """Give the lease back: the next consumer need not wait for it to lapse, and no lapse is charged to the task."""
        try:
            await insist_for(RELEASE_PATIENCE_SECONDS, lambda: self.records.release(lease), what="handing a lease back")
        except RecordsUnavailableError as error:
            log.warning("a lease could not be handed back and will lapse", task=lease.task_id, problem=error.detail)

    async def _finish(self, held: Assignment, record: Record, lease: Lease, outcome: Outcome) -> str:
        finished_at = await insist(
            lambda: self.records.finish(lease, held.task, outcome, ttl_seconds=self.result_ttl_seconds),
            what="finishing a task",
        )
        if finished_at is None:
            await self.let_go(held)
            return "lost"
        ended = record.model_copy(
            update={
                "state": outcome.state,
                "finished_at": finished_at,
                "error": outcome.error,
                "progress": held.progress,
            }
        )
        self.events.tell(ended)
        if ended.awaited:
            result = {name: getattr(outcome, name) for name in ("result", "result_type", "result_ref")}
            await self.conclude(held, ended.model_copy(update=result))
        else:
            await held.ack()
        return outcome.state.value

    async def _retry(self, held: Assignment, record: Record, lease: Lease, repeat: settlement.Repeat) -> str:
        after = repeat.after_seconds
        if not await insist(
            lambda: self.records.retry(lease, held.task, repeat.error, after_seconds=after), what="noting a retry"
        ):
            await self.let_go(held)
            return "lost"
        self.events.tell(record.model_copy(update={"state": State.RETRYING, "error": repeat.error}))
        await self.put_back(held, after)
        return State.RETRYING.value


def fresh(message: Message, headers: Mapping[str, int | str] | None = None) -> Message:
    """Return the message as it was published first, without the broker's own notes, with `headers` set."""
    own = {name: value for name, value in message.headers.items() if not name.startswith(BROKERS_OWN_HEADERS)}
    return replace(message, headers=own | dict(headers or {}))
