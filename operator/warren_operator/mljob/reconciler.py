"""Carries MLJobs through their life: read, decide, act, write the status; and the same again.

Whatever dies between any two of these calls, the next look comes to the same end.

Forbidden here: the decision itself, and the outside libraries behind the ports.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import InvalidRequestError, UnavailableError
from warren.resources import Condition, MLJob, MLJobStatus, Phase, parse, status_document
from warren_operator import metrics
from warren_operator.cluster import ClusterRefusedError, ConflictError, Document, Kind, ResourceNotFoundError
from warren_operator.conditions import moment
from warren_operator.mljob.decision import FINALIZER

if TYPE_CHECKING:
    from warren.clock import Clock
    from warren_operator.cluster import Cluster
    from warren_operator.mljob.actor import Actor
    from warren_operator.mljob.decision import Fault
    from warren_operator.mljob.observer import Observer, RecordsById
    from warren_operator.watched import Watched

_LOG = structlog.get_logger(__name__)
_STEPS: Final = 10
"""More steps than any job takes at once: a net against going round in circles."""
_AT_ONCE: Final = 16
"""How many jobs are worked on at the same time."""


class JobReconciler:
    """Looks at every MLJob once a round."""

    def __init__(self, cluster: Cluster, observer: Observer, actor: Actor, watched: Watched, clock: Clock) -> None:
        self._cluster = cluster
        self._observer = observer
        self._actor = actor
        self._watched = watched
        self._clock = clock

    async def round(self) -> None:
        """Look at every job once; the records are read in one go."""
        jobs: list[tuple[Document, MLJob]] = []
        for document in self._watched:
            try:
                jobs.append((document, parse(MLJob, document)))
            except InvalidRequestError as error:
                await self._guarded(document, self._refuse(document, error.detail))
        _count(job for _, job in jobs)
        records = await self._observer.records(job for _, job in jobs)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(document: Document, job: MLJob) -> None:
            async with gate:
                await self._guarded(document, self._carry_on(document, job, records))

        await asyncio.gather(*(one(document, job) for document, job in jobs))

    async def _carry_on(self, document: Document, job: MLJob, records: RecordsById | Fault) -> None:
        """Decide and act until there is nothing left to do at once."""
        for _ in range(_STEPS):
            deed = await self._actor.carry_out(document, await self._observer.look(job, records))
            if deed.document is not document:
                self._watched.put(deed.document)
            if not deed.again:
                return
            document, job = deed.document, parse(MLJob, deed.document)
            records = await self._observer.records([job])

    async def _guarded(self, document: Document, work: Coroutine[None, None, None]) -> None:
        """Let no job's trouble become every job's."""
        outcome = "ok"
        try:
            await work
        except ConflictError:
            outcome = "conflict"
            await self._watched.refresh(document)
        except ResourceNotFoundError:
            outcome = "gone"
            self._watched.drop(document)
        except UnavailableError as error:
            outcome = "refused" if isinstance(error, ClusterRefusedError) else "unavailable"
            _LOG.warning("an MLJob was not reconciled", job=document["metadata"]["name"], detail=error.detail)
        except Exception:  # noqa: BLE001 - whatever it is, the next round may do better
            outcome = "error"
            _LOG.exception("an MLJob could not be reconciled", job=document["metadata"]["name"])
        metrics.RECONCILES.labels("mljob", outcome).inc()

    async def _refuse(self, document: Document, detail: str) -> None:
        """End a job that the API server let through, but whose description cannot be read."""
        metadata = document["metadata"]
        if metadata.get("deletionTimestamp"):
            kept = tuple(name for name in metadata.get("finalizers", ()) if name != FINALIZER)
            if len(kept) < len(metadata.get("finalizers", ())):
                self._watched.put(await self._cluster.write_finalizers(Kind.MLJOB, document, kept))
        elif document.get("status", {}).get("phase") != Phase.FAILED:
            status = _invalid(detail, self._clock.now())
            self._watched.put(await self._cluster.write_status(Kind.MLJOB, document, status_document(status)))


def _invalid(detail: str, now: float) -> MLJobStatus:
    condition = Condition(
        type="Failed", status="True", reason="InvalidSpec", message=detail, last_transition_time=moment(now)
    )
    return MLJobStatus(phase=Phase.FAILED, completion_time=moment(now), conditions=(condition,))


def _count(jobs: Iterable[MLJob]) -> None:
    phases = Counter(job.status.phase for job in jobs)
    for phase in Phase:
        metrics.MLJOBS.labels(phase.value).set(phases[phase])
