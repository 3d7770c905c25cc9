"""The worker: takes deliveries from a pool's queue and sees each of them to its end.

A delivery goes through: slot -> claim -> work -> settlement -> ack. It stays the broker's until the ack, so that
whatever dies in between, it comes back.

Forbidden here: what the tasks do, and any adapter.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from warren.errors import InvalidRequestError, RecordsUnavailableError, WarrenError
from warren.message import decode_task
from warren.record import Claim, Lease, Record, Renewal, Verdict
from warren.records import LEASE_SECONDS
from warren.settlement import shown
from warren_consumer.assignment import Assignment, Stop
from warren_consumer.closing import ASK_AGAIN_SECONDS
from warren_consumer.execution import Completed, Ending, Faulted, Stopped, execute
from warren_consumer.fetching import with_payload
from warren_consumer.handler import Context
from warren_consumer.handlers import Registration, refusal
from warren_consumer.metrics import UNKNOWN
from warren_consumer.patience import insist
from warren_consumer.slots import ConsumerSlots, CrowdedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warren.broker import Broker, Delivery, Subscription
    from warren.message import Message
    from warren.payloads import Payloads
    from warren.pool import Pool
    from warren.records import Records
    from warren_consumer.closing import Closing
    from warren_consumer.events import Events
    from warren_consumer.handlers import Registrations
    from warren_consumer.metrics import Metrics

HOPS_HEADER: Final = "warren-hops"
MAX_HOPS: Final = 5
"""How often a task that this consumer does not know is put back, a little longer each time (1 to 16 s): during a
rollout another consumer of the pool may know it."""

LOOK_SECONDS: Final = 2.0
"""How long after the last look at a task's record comes the next, so that a cancel stops its work well within 10 s."""

SURPRISES_HEADER: Final = "warren-surprises"
MAX_SURPRISES: Final = 3
SURPRISE_PAUSE_SECONDS: Final = 5.0
"""How often a delivery may meet a fault of the worker itself, which nobody has thought of, and how long it waits then:
user code must not run for ever because of it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a worker is and how much it takes on."""

    pool: Pool
    consumer: str
    """The name of this process in leases, unlike any other's ever."""
    concurrency: int
    lease_seconds: float = LEASE_SECONDS


@dataclass(slots=True)
class Worker:
    """Works for one pool, from `run` until `stop` and `drain`."""

    terms: Terms
    broker: Broker
    records: Records
    registrations: Registrations
    payloads: Payloads
    closing: Closing
    events: Events
    metrics: Metrics
    _slots: ConsumerSlots = field(init=False)
    _held: dict[str, Assignment] = field(init=False, default_factory=dict)
    _tasks: dict[asyncio.Task[None], Assignment] = field(init=False, default_factory=dict)
    _burials: set[asyncio.Task[None]] = field(init=False, default_factory=set)
    _subscription: Subscription | None = field(init=False, default=None)
    _stopping: bool = field(init=False, default=False)
    _drained: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Prepare the slots."""
        self._slots = ConsumerSlots(self.terms.concurrency)
        self.metrics.slots.set(self.terms.concurrency)

    @property
    def consuming(self) -> bool:
        """Whether the broker really delivers to this worker now."""
        return self._subscription is not None and not self._stopping and self._subscription.consuming

    @property
    def held(self) -> Mapping[str, Assignment]:
        """The tasks at hand, by id."""
        return self._held

    async def run(self) -> None:
        """Take deliveries until `stop`, and keep them until `drain`.

        Raises:
            UnroutableError: the pool's queue is missing.
            BrokerUnavailableError: there is no connection yet.

        """
        async with self.broker.subscribe(self.terms.pool.queue, prefetch=self.terms.concurrency) as subscription:
            self._subscription = subscription
            if self._stopping:
                return
            async for delivery in subscription:
                await self._take(delivery)
            await self._drained.wait()

    async def stop(self) -> None:
        """Take no more; what was taken but not begun goes back at once."""
        self._stopping = True
        self.metrics.slots.set(0)
        if self._subscription is not None:
            await self._subscription.stop()
        waiting = {task: assignment for task, assignment in self._tasks.items() if assignment.waiting}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*(assignment.delivery.nack() for assignment in waiting.values()))

    async def drain(self, *, finish_seconds: float, hurry: asyncio.Event, hand_back_seconds: float) -> None:
        """Let the work at hand end, then stop what is left and hand it back; call it after `stop`.

        Finishing lasts `finish_seconds` at most and ends with `hurry`; handing back `hand_back_seconds`.
        """
        hurried = asyncio.ensure_future(hurry.wait())
        ended = asyncio.gather(*self._tasks, return_exceptions=True)
        either: set[asyncio.Future[Any]] = {ended, hurried}
        await asyncio.wait(either, timeout=finish_seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for assignment in self._held.values():
            assignment.stop(Stop.SHUTDOWN)
        await asyncio.wait({ended}, timeout=hand_back_seconds)
        left = (*self._tasks, *self._burials)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._drained.set()

    async def beat(self) -> None:
        """Renew every lease once, and stop the work that was lost or suspended; call it every third of a lease."""
        await asyncio.gather(
            *(self._renew(assignment, assignment.lease) for assignment in self._held.values() if assignment.lease)
        )

    async def look(self) -> None:
        """Tell the records what progress was made, and stop the work that was lost or suspended; call it every second.

        Records are read, not written, but for progress; and those of tasks that have just begun are left alone.
        """
        now = time.monotonic()
        held = [(held, held.lease) for held in self._held.values() if held.lease]
        told = [self._renew(one, lease) for one, lease in held if one.progress != one.told]
        due = [one for one in held if now - one[0].seen_at >= LOOK_SECONDS]
        await asyncio.gather(self._look_at(due, now), *told)

    async def _look_at(self, held: Sequence[tuple[Assignment, Lease]], now: float) -> None:
        try:
            records = await self.records.read([lease.task_id for _, lease in held])
        except RecordsUnavailableError:
            return
        for (one, lease), record in zip(held, records, strict=True):
            one.seen_at = now
            # A record that is missing is written again by the next renewal.
            if record is not None and (record.state.terminal or record.fence > lease.fence):
                one.stop(Stop.LOST)
            elif record is not None and record.held:
                one.stop(Stop.HELD)

    async def _renew(self, held: Assignment, lease: Lease) -> None:
        progress = held.progress
        try:
            answer = await self.records.renew(
                lease, held.task, self.terms.consumer, progress=progress, seconds=self.terms.lease_seconds
            )
        except RecordsUnavailableError as error:
            log.warning("a lease could not be renewed; the work goes on", task=lease.task_id, problem=error.detail)
            return
        held.told = progress
        if answer is Renewal.LOST:
            held.stop(Stop.LOST)
        elif answer is Renewal.HAND_BACK:
            held.stop(Stop.HELD)

    async def _take(self, delivery: Delivery) -> None:
        try:
            task = decode_task(delivery.message, self.terms.pool.name)
        except InvalidRequestError as error:
            log.warning("a message that is no task goes to the dead letters", problem=error.detail)
            burial = asyncio.create_task(self.closing.bury(delivery, error.detail))
            self._burials.add(burial)
            burial.add_done_callback(self._burials.discard)
            return
        known = self._held.get(task.id)
        if known is not None:
            # The broker put it back after a blip, or it was published twice: the newer stands for both.
            await known.adopt(delivery).ack()
            return
        assignment = Assignment(delivery, task, self._registration(task.name, delivery.message))
        self._held[task.id] = assignment
        seen_through = asyncio.create_task(self._see_through(assignment))
        self._tasks[seen_through] = assignment
        seen_through.add_done_callback(self._tasks.pop)

    def _registration(self, name: str, message: Message) -> Registration | None:
        known = self.registrations.get(name)
        if known is not None or _counted(message, HOPS_HEADER, MAX_HOPS) < MAX_HOPS:
            return known
        pool, names = self.terms.pool.name, ", ".join(sorted(self.registrations))
        return refusal("unroutable", f"is known to no consumer of the pool {pool}; this one knows {names}")

    async def _see_through(self, held: Assignment) -> None:
        try:
            await self._advance(held)
        except asyncio.CancelledError:
            if not held.waiting:
                await held.delivery.nack()
            raise
        except Exception as fault:
            log.exception("the worker met a fault of its own; the task is put back", task=held.task.id)
            await self._survive(held, fault)
        finally:
            del self._held[held.task.id]

    async def _survive(self, held: Assignment, fault: Exception) -> None:
        surprises = _counted(held.delivery.message, SURPRISES_HEADER, MAX_SURPRISES) + 1
        try:
            if held.lease is not None:
                await self.closing.hand_back(held.lease)
            if surprises < MAX_SURPRISES:
                await self.closing.put_back(held, SURPRISE_PAUSE_SECONDS, {SURPRISES_HEADER: surprises})
                return
        except Exception:
            log.exception("a task cannot be put back and goes to the dead letters", task=held.task.id)
        detail = f"Warren's own worker failed on this task {surprises} times; its log has the traceback: {shown(fault)}"
        await self.closing.bury(held.delivery, detail, code=WarrenError.code)

    async def _advance(self, held: Assignment) -> None:
        if held.registration is None:
            hops = _counted(held.delivery.message, HOPS_HEADER, MAX_HOPS)
            await self.closing.put_back(held, 2.0**hops, {HOPS_HEADER: hops + 1})
            return
        try:
            async with self._slots.taken(1):
                claim = await self._claim(held, alone=self._slots.total == 1)
                if claim is None or claim.verdict is not Verdict.ALONE:
                    await self._act(held, held.registration, claim)
                    return
            held.waiting = True
            async with self._slots.all_taken():
                claim = await self._claim(held, alone=True)
                await self._act(held, held.registration, claim)
        except CrowdedError as crowded:
            held.waiting = False
            await self.closing.put_back(held, crowded.pause_seconds)

    async def _claim(self, held: Assignment, *, alone: bool) -> Claim | None:
        held.waiting = False
        held.presented = held.delivery
        claim = await insist(
            lambda: self.records.claim(held.task, self.terms.consumer, alone=alone, seconds=self.terms.lease_seconds),
            what="claiming a task",
            until=lambda: self._stopping,
        )
        if claim is not None:
            self.metrics.claimed(claim.verdict.value)
        return claim

    async def _act(self, held: Assignment, registration: Registration, claim: Claim | None) -> None:
        if claim is None:
            await held.delivery.nack()
            return
        match claim.verdict:
            case Verdict.CLAIMED | Verdict.ADOPTED if claim.lease is not None:
                held.lease, held.seen_at = claim.lease, time.monotonic()
                await self._work(held, registration, claim.record, claim.lease)
            case Verdict.POISON | Verdict.EXPIRED:
                self.events.tell(claim.record)
                await self.closing.conclude(held, claim.record)
            case Verdict.ENDED:
                await self.closing.conclude(held, claim.record)
            case Verdict.HELD:
                await self.closing.set_aside(held)
            case _:
                await self.closing.put_back(held, claim.wait_seconds)

    async def _work(self, held: Assignment, registration: Registration, record: Record, lease: Lease) -> None:
        if held.stopped.done():  # there was no time left when the claim came
            await self._stopped(held, lease, held.stopped.result())
            return
        name = held.task.name if held.task.name in self.registrations else UNKNOWN
        self.events.tell(record)
        began = time.monotonic()
        with self.metrics.occupancy.taken():
            ending = await self._execute(held, registration, record, lease)
        self.metrics.ran(name, time.monotonic() - began)
        if held.progress != held.told:
            await self._renew(held, lease)
        self.metrics.finished(name, await self._close(held, record, lease, ending))

    async def _execute(self, held: Assignment, registration: Registration, record: Record, lease: Lease) -> Ending:
        limit = registration.time_limit(held.task, record)
        context = Context(held.task, lease.attempt, lease.fence, held.report, deadline=time.monotonic() + limit)
        work = with_payload(registration.handler, context, self.payloads)
        return await execute(work, seconds=limit, stopped=held.stopped, stop=context.stop)

    async def _close(self, held: Assignment, record: Record, lease: Lease, ending: Ending) -> str:
        match ending:
            case Completed(result):
                return await self.closing.complete(held, record, lease, result)
            case Faulted(fault):
                what = {"task": held.task.id, "name": held.task.name, "attempt": lease.attempt}
                log.info("an attempt failed", **what, fault=shown(fault))
                return await self.closing.fail(held, record, lease, fault)
            case Stopped(reason):
                return await self._stopped(held, lease, reason)

    async def _stopped(self, held: Assignment, lease: Lease, reason: Stop) -> str:
        log.info("work was stopped", task=held.task.id, name=held.task.name, reason=reason.value)
        if reason is Stop.LOST:
            await self.closing.let_go(held)
            return reason.value
        await self.closing.hand_back(lease)
        if reason is Stop.HELD:
            # A claim decides what becomes of the message: the task may have been resumed already.
            await self.closing.put_back(held, ASK_AGAIN_SECONDS)
        else:
            await held.delivery.nack()
        return reason.value


def _counted(message: Message, header: str, most: int) -> int:
    """Return how often something has happened to a message, as its header says; `most` where it says nonsense."""
    said = message.headers.get(header, 0)
    return max(0, said) if isinstance(said, int) else most
