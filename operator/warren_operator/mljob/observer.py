"""Reads what a decision about an MLJob is taken from: the task's record, and `model.json` where it matters.

Forbidden here: decisions, writing anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from warren.errors import InvalidRequestError, ModelNotFoundError, PayloadTooLargeError, UnavailableError, WarrenError
from warren.pool import Pool
from warren.tasks import new_task_id
from warren_operator.mljob.decision import Fault, Sight, wants_model
from warren_operator.mljob.status import reason_of
from warren_operator.mljob.work import report_from, version_of

if TYPE_CHECKING:
    from warren.clock import SteadyClock
    from warren.record import Record
    from warren.records import Records
    from warren.repository import Repository
    from warren.resources import MLJob
    from warren.training import TrainReport
    from warren_operator.figures.history import EmptyQueues

RecordsById = dict[str, "Record | None"]


class Observer:
    """The eyes of the reconciler."""

    def __init__(
        self,
        records: Records,
        models: Repository,
        empty: EmptyQueues,
        pools: tuple[Pool, ...],
        clock: SteadyClock,
    ) -> None:
        self._records = records
        self._models = models
        self._empty = empty
        self._pools = pools
        self._clock = clock

    async def records(self, jobs: Iterable[MLJob]) -> RecordsById | Fault:
        """Return the records of unfinished jobs by task id, read in one go; or why they cannot be read."""
        ids = [job.status.task_id for job in jobs if job.status.task_id and not job.status.phase.finished]
        try:
            found = await self._records.read(ids) if ids else []
        except UnavailableError as error:
            return fault_of(error)
        return dict(zip(ids, found, strict=True))

    async def look(self, job: MLJob, records: RecordsById | Fault) -> Sight:
        """Return what there is to see of a job."""
        empty = self._empty.seconds(Pool(name=job.spec.pool_name).queue, self._clock.monotonic())
        sight = Sight(job, self._pools, self._clock.now(), new_task_id(), queue_empty_seconds=empty)
        if job.status.task_id is None or job.status.phase.finished:
            return sight
        if isinstance(records, Fault):
            return replace(sight, fault=records)
        sight = replace(sight, record=records.get(job.status.task_id))
        if job.metadata.deletion_timestamp is not None or not wants_model(sight.record):
            return sight
        try:
            return replace(sight, model=await self._model(job))
        except UnavailableError as error:
            return replace(sight, fault=fault_of(error))

    async def _model(self, job: MLJob) -> TrainReport | None:
        name, version = job.spec.model.name, version_of(job)
        try:
            manifest = await self._models.manifest(name, version)
        except ModelNotFoundError:
            return None
        return report_from(manifest, str(self._models.uri(name, version, manifest.file)))


def fault_of(error: WarrenError) -> Fault:
    """Return an error as the condition that tells of it."""
    lasting = isinstance(error, InvalidRequestError | PayloadTooLargeError)
    return Fault(reason_of(error.code), error.detail if lasting else f"{error.detail}; trying again", lasting)
