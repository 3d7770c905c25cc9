"""The handler of `train` tasks: a data set in object storage becomes a version of a model there.

An attempt first looks for the version's manifest: one that an earlier attempt left is the result. The order of the end
is manifest, alias, report; each step can be repeated.

Forbidden here: trainers' libraries, the broker, the records.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from warren.errors import InvalidRequestError, ModelNotFoundError, ObjectNotFoundError, StorageUnavailableError
from warren.model import Manifest
from warren.objects import ObjectUri
from warren.record import Progress
from warren.repository import check_version, sha256
from warren.tasks import Payload
from warren.training import PromotionRule, TrainReport, TrainRequest
from warren_consumer.handler import TaskFault
from warren_consumer.training import process, trainer
from warren_consumer.training.folders import working_folder
from warren_consumer.training.job import Job

if TYPE_CHECKING:
    from warren.objects import ObjectStore
    from warren.repository import Repository
    from warren.settings import StorageSettings
    from warren_consumer.handler import Context, Handler
    from warren_consumer.training.job import Product

_ENDINGS: Final = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}


def train_handler(
    objects: ObjectStore, repository: Repository, storage: StorageSettings, *, threads: int = 1
) -> Handler:
    """Return the handler of `train` tasks; `threads` is how many threads a run's numerics may use."""
    return _Training(objects, repository, storage, threads)


class _Training:
    def __init__(self, objects: ObjectStore, repository: Repository, storage: StorageSettings, threads: int) -> None:
        self._objects = objects
        self._repository = repository
        self._storage = storage
        self._threads = threads

    async def __call__(self, context: Context) -> Payload:
        """Carry out one attempt; see `Handler`."""
        request = read_request(context.task.payload.body)
        version = request.version or context.task.id
        try:
            check_version(version)
            manifest = await self._existing(request.model.name, version) or await self._train(context, request, version)
            _check_own(manifest, context.task.id)
            promoted = await self._promote(request, manifest)
        except InvalidRequestError as error:
            raise TaskFault("invalid-payload", error.detail) from error
        except StorageUnavailableError as error:
            raise TaskFault(error.code, error.detail, retryable=True) from error
        return Payload(self._report(manifest, promoted=promoted).model_dump_json(by_alias=True).encode())

    async def _existing(self, name: str, version: str) -> Manifest | None:
        try:
            return await self._repository.manifest(name, version)
        except ModelNotFoundError:
            return None

    async def _train(self, context: Context, request: TrainRequest, version: str) -> Manifest:
        check_trainer(request.trainer)
        source, form = self._source(request)
        with working_folder() as folder:
            job = Job(
                trainer=request.trainer,
                dataset=folder / "dataset",
                format=form,
                target=request.dataset.target,
                parameters=request.parameters,
                metric=_metric(request),
                output=folder / "model.onnx",
            )
            context.report(Progress(fraction=0.0, message=f"downloading {source}"))
            await self._download(source, job.dataset)
            product = await process.train(job, context.report, threads=self._threads)
            context.report(Progress(fraction=0.9, message="storing the model"))
            manifest = await asyncio.to_thread(_manifest, context, request, version, job, product)
            return await self._repository.publish(manifest, job.output)

    def _source(self, request: TrainRequest) -> tuple[ObjectUri, Any]:
        uri = ObjectUri.parse(request.dataset.uri)
        form = request.dataset.format or _ENDINGS.get(Path(uri.key).suffix.lower())
        if form is None:
            detail = f"dataset.format: {uri} ends neither in .csv nor in .parquet; say which it is"
            raise TaskFault("invalid-payload", detail)
        if not self._storage.may_read(uri):
            prefixes = self._storage.storage_read_prefixes or (f"s3://{self._storage.storage_bucket}/",)
            detail = f"tasks may not read {uri}; WARREN_STORAGE_READ_PREFIXES allows {', '.join(prefixes)}"
            raise TaskFault("dataset-forbidden", detail)
        return uri, form

    async def _download(self, uri: ObjectUri, path: Path) -> None:
        try:
            await self._objects.download(uri, path)
        except ObjectNotFoundError as error:
            raise TaskFault("dataset-not-found", f"the data set cannot be found: {error.detail}") from error

    async def _promote(self, request: TrainRequest, manifest: Manifest) -> bool:
        rule = request.model.promote
        if rule is None or not PromotionRule.parse(rule).holds(manifest.metrics):
            return False
        await self._repository.promote(manifest.name, manifest.version, reason=f"trained: {rule}", once=True)
        return True

    def _report(self, manifest: Manifest, *, promoted: bool) -> TrainReport:
        uri = self._repository.uri(manifest.name, manifest.version, manifest.file)
        return TrainReport(
            name=manifest.name,
            version=manifest.version,
            uri=str(uri),
            sha256=manifest.sha256,
            metrics=manifest.metrics,
            promoted=promoted,
        )


def _metric(request: TrainRequest) -> str | None:
    rule = request.model.promote
    return None if rule is None else PromotionRule.parse(rule).metric


def _check_own(manifest: Manifest, task_id: str) -> None:
    """Refuse a version that another task made: its model may come of other data and parameters."""
    maker = manifest.provenance.get("task", task_id)
    if maker != task_id:
        detail = (
            f"the model {manifest.name!r} has a version {manifest.version!r} already, which the task {maker} made; "
            "name another version, or none"
        )
        raise TaskFault("version-exists", detail)


def read_request(body: bytes) -> TrainRequest:
    """Return the payload of a `train` task.

    Raises:
        TaskFault: it is malformed; the message names each field.

    """
    try:
        return TrainRequest.model_validate_json(body)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, item['loc'])) or 'payload'}: {item['msg']}" for item in error.errors())
        raise TaskFault("invalid-payload", "; ".join(problems)) from error


def check_trainer(name: str) -> None:
    """Return if there is such a trainer.

    Raises:
        TaskFault: there is none; the message lists those there are.

    """
    known = trainer.names()
    if name not in known:
        there = ", ".join(known) or "none: install warren[training] or another distribution that offers one"
        raise TaskFault("unknown-trainer", f"there is no trainer {name!r}; known are {there}")


def _manifest(context: Context, request: TrainRequest, version: str, job: Job, product: Product) -> Manifest:
    digest = sha256(job.output)
    task = {"task": context.task.id, "attempt": context.attempt, "fence": context.fence}
    dataset = request.dataset.model_dump(mode="json", exclude_none=True) | {"sha256": sha256(job.dataset)}
    provenance = {"trainer": request.trainer, "dataset": dataset, "parameters": request.parameters}
    return Manifest(
        name=request.model.name,
        version=version,
        file=f"{digest}.onnx",
        sha256=digest,
        size=job.output.stat().st_size,
        created_at=datetime.now(UTC),
        **product.model_dump(exclude={"provenance"}),
        provenance=task | provenance | product.provenance,
    )
