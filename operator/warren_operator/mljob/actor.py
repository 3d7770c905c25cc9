"""Carries out what was decided about an MLJob, then writes its status once.

Forbidden here: decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warren.errors import WarrenError
from warren.pool import Pool
from warren.records import RESULT_TTL_SECONDS
from warren.resources import status_document
from warren_operator.cluster import ClusterUnavailableError, ConflictError, Document, Kind, ResourceNotFoundError
from warren_operator.mljob.decision import FINALIZER, Action, decide
from warren_operator.mljob.observer import fault_of
from warren_operator.mljob.status import notice
from warren_operator.mljob.work import task_of

if TYPE_CHECKING:
    from warren.records import Records
    from warren.resources import MLJob, MLJobStatus
    from warren.submission import Submitter
    from warren_operator.cluster import Cluster
    from warren_operator.figures.history import EmptyQueues
    from warren_operator.mljob.decision import Sight


@dataclass(frozen=True, slots=True)
class Deed:
    """What came of a decision."""

    document: Document
    """The resource as it is now."""
    again: bool
    """Whether to look again at once."""


class Actor:
    """The hands of the reconciler."""

    def __init__(
        self,
        cluster: Cluster,
        records: Records,
        submitter: Submitter,
        empty: EmptyQueues,
        *,
        result_ttl_seconds: float = RESULT_TTL_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._records = records
        self._submitter = submitter
        self._empty = empty
        self._result_ttl_seconds = result_ttl_seconds

    async def carry_out(self, document: Document, sight: Sight) -> Deed:
        """Decide, act, and tell. What the broker or the store refuses is told instead, and tried again later.

        Raises:
            ConflictError: the resource has changed since it was read.
            ResourceNotFoundError: it is gone.
            ClusterUnavailableError: the API server does not answer.

        """
        decision = decide(sight)
        try:
            document = await self._act(decision.actions, document, sight.job)
        except (ConflictError, ResourceNotFoundError, ClusterUnavailableError):
            raise
        except WarrenError as error:
            decision = decide(replace(sight, fault=fault_of(error)))
            document = await self._act(decision.actions, document, sight.job)
        if decision.status is not None and decision.status != sight.job.status:
            document = await self._tell(document, sight.job, decision.status)
        return Deed(document, decision.again)

    async def _tell(self, document: Document, job: MLJob, status: MLJobStatus) -> Document:
        written = await self._cluster.write_status(Kind.MLJOB, document, status_document(status))
        news = notice(job.status, status)
        if news is not None:
            await self._cluster.notify(written, news)
        return written

    async def _act(self, actions: tuple[Action, ...], document: Document, job: MLJob) -> Document:
        for action in actions:
            if action in {Action.ADD_FINALIZER, Action.REMOVE_FINALIZER}:
                document = await self._write_finalizer(document, present=action is Action.ADD_FINALIZER)
            elif action is Action.DELETE:
                await self._cluster.delete(Kind.MLJOB, document)
            else:
                await self._act_on_task(action, job)
        return document

    async def _write_finalizer(self, document: Document, *, present: bool) -> Document:
        others = [name for name in document["metadata"].get("finalizers", ()) if name != FINALIZER]
        wanted = (*others, FINALIZER) if present else tuple(others)
        return await self._cluster.write_finalizers(Kind.MLJOB, document, wanted)

    async def _act_on_task(self, action: Action, job: MLJob) -> None:
        task = task_of(job)
        if action is Action.SUBMIT:
            self._empty.touch(Pool(name=task.pool).queue)
            await self._submitter.submit(task)
        elif action is Action.REPUBLISH:
            self._empty.touch(Pool(name=task.pool).queue)
            await self._republish(job)
        elif action is Action.CANCEL:
            await self._records.cancel(task.id, absent=task)
        elif action is Action.DISOWN:
            await self._records.disown(task.id, ttl_seconds=self._result_ttl_seconds)
        else:
            await self._records.hold(task.id, held=action is Action.HOLD)

    async def _republish(self, job: MLJob) -> None:
        task = task_of(job)
        record = (await self._records.read([task.id]))[0]
        if record is None:
            await self._submitter.submit(task)
        else:
            await self._submitter.publish(task, record)
