"""The task that carries an MLJob out, and what its model's manifest says as a report.

Forbidden here: clocks, I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warren.tasks import JSON, Payload, Task, TaskOptions
from warren.training import TRAIN_TASK, TrainReport

if TYPE_CHECKING:
    from warren.model import Manifest
    from warren.resources import MLJob


def task_of(job: MLJob) -> Task:
    """Return the task of a job whose status names its id: the same one each time."""
    spec, status = job.spec, job.status
    if status.task_id is None:
        msg = f"{job.owner} has no task yet"
        raise ValueError(msg)
    request = spec.request(version_of(job))
    body = request.model_dump_json(by_alias=True).encode()
    options = TaskOptions(
        priority=spec.priority, max_attempts=spec.backoff_limit + 1, timeout_seconds=spec.active_deadline_seconds
    )
    return Task(
        id=status.task_id,
        name=TRAIN_TASK,
        pool=spec.pool_name,
        payload=Payload(body, JSON),
        options=options,
        owner=job.owner,
    )


def version_of(job: MLJob) -> str:
    """Return the version of the model that the job makes: its uid, so that no other job can make the same."""
    return job.status.model.version if job.status.model else job.metadata.uid


def report_from(manifest: Manifest, uri: str) -> TrainReport:
    """Return the manifest's facts in the form of the task's report; whether it was promoted is not among them."""
    return TrainReport(
        name=manifest.name,
        version=manifest.version,
        uri=uri,
        sha256=manifest.sha256,
        metrics=manifest.metrics,
        promoted=False,
    )
