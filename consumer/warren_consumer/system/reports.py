"""What workers that are not Python's report to `warren.results`: into records.

Such a worker has no lease: its word counts while the task waits, and not against a consumer that works on it. Warren
records what it is told, and tries nothing again.

Forbidden here: what such a message says; that is `report`.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import InvalidRequestError
from warren.record import End, Note, Outcome, State, TaskError
from warren.records import KEPT_REPORTS
from warren.tasks import Task
from warren_consumer.handler import TaskFault
from warren_consumer.patience import insist
from warren_consumer.system.report import POOL_HEADER, Report, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warren.broker import Delivery
    from warren.message import Message
    from warren.pool import Pool
    from warren.records import Records
    from warren_consumer.results import Results
    from warren_consumer.system.endings import Endings
    from warren_consumer.system.metrics import SystemMetrics

AT_ONCE: Final = KEPT_REPORTS
"""So many may be handed over twice. Each may hold 16 MiB."""

log = structlog.get_logger(__name__)


class Reports:
    """Sees to what workers without a lease report."""

    def __init__(
        self, pools: Iterable[Pool], records: Records, results: Results, endings: Endings, metrics: SystemMetrics
    ) -> None:
        self._pools = frozenset(pool.name for pool in pools)
        self._records = records
        self._results = results
        self._endings = endings
        self._metrics = metrics

    async def take(self, delivery: Delivery) -> None:
        """Record what the message says, then ack it.

        Raises:
            StorageUnavailableError: the result is large, and the storage does not take it now.

        """
        try:
            fate = await self._record(delivery.message)
        except InvalidRequestError as error:
            log.warning("a result cannot be used", task=delivery.message.message_id, problem=error.detail)
            fate = "malformed"
        await delivery.ack()
        self._metrics.results.labels(fate).inc()

    async def _record(self, message: Message) -> str:
        report = read(message)
        task = await self._task(report)
        if report.state is State.STARTED:
            return await self._note(task, report)
        outcome = await self._outcome(report)
        match await insist(lambda: self._records.end(task, outcome), what="recording a result"):
            case End.ENDED:
                # The worker acknowledges the task's message now that its result is confirmed.
                await self._endings.tell([task.id], message_gone=True)
                return "recorded"
            case End.LEASED:
                log.warning("a result was refused: a consumer works on the task", task=task.id, pool=task.pool)
                return "refused"
            case _:
                await self._endings.let_live(task.id)
                return "ended-before"

    async def _note(self, task: Task, report: Report) -> str:
        name = report.report_id or uuid.uuid4().hex
        match await insist(
            lambda: self._records.note(task, report.progress, report=name), what="noting what a worker says"
        ):
            case Note.BEGUN:
                await self._endings.tell_begun(task.id)
                return "begun"
            case Note.NOTED:
                return "noted"
            case Note.LEASED:
                return "refused"
            case _:
                return "ended-before"

    async def _task(self, report: Report) -> Task:
        """Return the task that the report is of; what it does not say about it, the task's record does."""
        if report.name and report.pool in self._pools:
            return Task(report.name, report.pool, id=report.task_id, reply_to=report.reply_to)
        found = await insist(lambda: self._records.read([report.task_id]), what="reading a result's record")
        if found and (record := found[0]):
            return Task(record.name, record.pool, id=record.id)
        raise InvalidRequestError(
            f"its task has no record, so it needs the property type (it has {report.name!r}) and the header "
            f"{POOL_HEADER} (it has {report.pool!r}), one of: {', '.join(sorted(self._pools))}"
        )

    async def _outcome(self, report: Report) -> Outcome:
        if report.state is not State.SUCCEEDED:
            return Outcome(report.state, error=report.error)
        name = hashlib.sha256(report.result.body).hexdigest()
        try:
            return await self._results.named(report.task_id, name, report.result)
        except TaskFault as fault:
            return Outcome(State.FAILED, error=TaskError(code=fault.code, message=fault.message))
