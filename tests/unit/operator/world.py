"""A world for the operator: in-memory cluster, records, broker, objects and figures on one clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

from warren.broker.memory import MemoryBroker
from warren.clock import ManualClock
from warren.message import decode_task
from warren.model import Manifest
from warren.objects.memory import MemoryObjects
from warren.payloads import Payloads
from warren.pool import DEFAULT_POOLS
from warren.record import Lease, Outcome, Record, State, TaskError
from warren.records.memory import MemoryRecords
from warren.repository import Repository
from warren.resources import MLJob, parse
from warren.tasks import Task
from warren.topology import topology
from warren.training import TrainReport, TrainRequest
from warren_operator.cluster import Kind
from warren_operator.cluster.memory import MemoryCluster
from warren_operator.composition import Operator, Ports
from warren_operator.figures.memory import MemoryConsumers, MemoryFigures
from warren_operator.settings import OperatorSettings

QUEUE = "warren.tasks.train-cpu"
SETTINGS = OperatorSettings(
    namespace="warren", broker_url="amqp://b/", records_url="redis://r/", prometheus_url="http://p/"
)
IRIS: dict[str, Any] = {
    "trainer": "sklearn",
    "dataset": {"uri": "s3://warren/datasets/iris.csv", "target": "species"},
    "parameters": {"estimator": "LogisticRegression"},
    "accelerator": "cpu",
    "model": {"name": "iris", "promote": "accuracy >= 0.9"},
    "priority": "normal",
    "suspend": False,
    "backoffLimit": 3,
}


class KilledError(BaseException):
    """The operator's process died at this call."""


class Fuse:
    """Counts the calls through all ports, and kills the caller at one of them: before it takes effect, or after."""

    def __init__(self) -> None:
        self.calls = 0
        self.blow_at: int | None = None
        self.after = False

    def wrap(self, port: object) -> Any:
        return _Fused(port, self)

    async def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        number, self.calls = self.calls, self.calls + 1
        if number == self.blow_at and not self.after:
            raise KilledError
        answer = await method(*arguments, **named)
        if number == self.blow_at:
            raise KilledError
        return answer


class _Fused:
    def __init__(self, port: object, fuse: Fuse) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name == "uri":
            return method

        async def call(*arguments: Any, **named: Any) -> Any:
            return await self._fuse.call(method, *arguments, **named)

        return call


class World:
    """Everything outside of the operator, with a consumer played by hand; and the operator, to be started anew."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cluster = MemoryCluster(self.clock)
        self.records = MemoryRecords(self.clock)
        self.broker = MemoryBroker(topology(DEFAULT_POOLS), self.clock)
        self.models = Repository(MemoryObjects(), "warren")
        self.objects = self.models._objects  # noqa: SLF001 - to put a manifest where a consumer would
        self.figures = MemoryFigures()
        self.consumers = MemoryConsumers()
        self.fuse = Fuse()
        self.restart()

    def restart(self) -> Self:
        """Start another process of the operator: it knows nothing of what the last one knew."""
        self.operator = Operator(self.ports(self.fuse.wrap), SETTINGS)
        return self

    def ports(self, wrap: Callable[[Any], Any] = lambda port: port) -> Ports:
        """Return what an operator stands on, each of what it calls wrapped."""
        return Ports(
            wrap(self.cluster),
            wrap(self.figures),
            wrap(self.records),
            wrap(self.broker),
            wrap(self.models),
            Payloads(self.objects, "warren"),
            partial(self.objects.ping, "warren"),
            wrap(self.consumers),
            clock=self.clock,
        )

    async def look(self, *, seconds: float = 0.0) -> None:
        """Let the time pass, then list everything and do one round of each loop."""
        self.clock.advance(seconds)
        self.broker.release_due()
        await self.operator.resync()
        await self.operator.pool_round()
        await self.operator.job_round()

    def job(self, name: str = "iris") -> MLJob:
        """Return a job as the API server has it."""
        return parse(MLJob, self.cluster.document(Kind.MLJOB, name))

    def conditions(self, name: str = "iris") -> dict[str, str]:
        """Return each condition's status."""
        return {condition.type: condition.status for condition in self.job(name).status.conditions}

    def headline(self, name: str = "iris") -> tuple[str, str]:
        """Return the reason and message of the condition that the phase is about."""
        status = self.job(name).status
        own = "Queued" if status.phase == "Pending" else status.phase
        found = next(condition for condition in status.conditions if condition.type == own)
        return found.reason, found.message

    async def record(self, name: str = "iris") -> Record:
        """Return the record of a job's task."""
        task_id = self.job(name).status.task_id
        assert task_id
        (record,) = await self.records.read([task_id])
        assert record
        return record

    @property
    def waiting(self) -> int:
        """How many messages wait in the training queue."""
        return len(self.broker.queues[QUEUE].ready)

    async def claim(self) -> tuple[Task, Lease | None]:
        """Take the next message as a consumer does; the lease is None if the claim was refused (and it was acked)."""
        delivery = self.broker.queues[QUEUE].pop()
        task = decode_task(delivery.message, "train-cpu")
        claim = await self.records.claim(task, "consumer-1", alone=True)
        await delivery.ack()
        return task, claim.lease

    async def succeed(self, task: Task, lease: Lease, *, manifest: bool = True, **newer: object) -> None:
        """Finish as a training consumer does: model.json, then the record."""
        if manifest:
            await self.publish_model(task)
        report = TrainReport(
            name="iris",
            version=request_of(task).version or "",
            uri="s3://warren/models/iris",
            sha256="a" * 64,
            metrics={"accuracy": 0.966666666667},
            promoted=True,
        )
        outcome = Outcome(
            State.SUCCEEDED, result=json.dumps(report.model_dump() | newer).encode(), result_type="application/json"
        )
        assert await self.records.finish(lease, task, outcome)
        await self.records.settle(task.id)

    async def fail(self, task: Task, lease: Lease, code: str, message: str) -> None:
        """Finish as a training consumer does whose trainer failed."""
        outcome = Outcome(State.FAILED, error=TaskError(code=code, message=message))
        assert await self.records.finish(lease, task, outcome)
        await self.records.settle(task.id)

    async def publish_model(self, task: Task) -> None:
        """Create `model.json`, and with it the version."""
        request = request_of(task)
        version = request.version or ""
        manifest = Manifest(
            name="iris",
            version=version,
            file="m.onnx",
            sha256="a" * 64,
            size=1,
            framework="sklearn",
            inputs=(),
            outputs=(),
            metrics={"accuracy": 0.966666666667},
            created_at=datetime.fromtimestamp(self.clock.now(), UTC),
        )
        await self.objects.put(self.models.uri("iris", version, "model.json"), manifest.model_dump_json().encode())

    async def work_off(self) -> None:
        """Do whatever waits in the training queue."""
        while self.waiting:
            task, lease = await self.claim()
            if lease is not None:
                await self.succeed(task, lease)


def request_of(task: Task) -> TrainRequest:
    """Return what a training task asks for."""
    return TrainRequest.model_validate_json(task.payload.body)
