"""A consumer's `train` and `predict` handlers on objects in memory, as a test case uses them."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from warren.model import Manifest
from warren.objects import ObjectUri
from warren.objects.memory import MemoryObjects
from warren.prediction import PredictResponse
from warren.record import Progress
from warren.repository import Repository, sha256
from warren.settings import StorageSettings
from warren.tasks import JSON, Payload, Task
from warren.training import TrainReport
from warren_consumer.handler import Context, Handler
from warren_consumer.prediction.handler import predict_handler
from warren_consumer.training.child import run
from warren_consumer.training.handler import train_handler
from warren_consumer.training.job import Done, Event, Job

BUCKET = "warren"
IRIS = Path(__file__).parents[3] / "examples" / "data" / "iris.csv"


@dataclass
class TrainingCase:
    """The handlers, their storage, and what a run reported."""

    objects: MemoryObjects = field(default_factory=lambda: MemoryObjects(BUCKET))
    progress: list[Progress] = field(default_factory=list)
    storage: StorageSettings = field(default_factory=StorageSettings)

    @property
    def repository(self) -> Repository:
        """The models in the case's bucket."""
        return Repository(self.objects, BUCKET)

    async def store(self, data: bytes, name: str = "table.csv") -> str:
        """Put a data set into the bucket; return its URI."""
        uri = ObjectUri(BUCKET, f"datasets/{name}")
        await self.objects.put(uri, data)
        return str(uri)

    async def train(
        self,
        uri: str,
        target: str,
        *,
        task: Task | None = None,
        promote: str | None = None,
        trainer: str = "sklearn",
        **parameters: Any,
    ) -> TrainReport:
        """Carry out a run."""
        payload = {
            "trainer": trainer,
            "dataset": {"uri": uri, "target": target},
            "parameters": parameters,
            "model": {"name": "model", "promote": promote},
        }
        task = task or Task("train", "train-cpu", Payload(json.dumps(payload).encode()))
        answer = await self.trainer(self.context(task))
        return TrainReport.model_validate_json(answer.body)

    async def train_here(self, folder: Path, data: bytes, target: str, **parameters: Any) -> Manifest:
        """Let the trainer do a run in this process, which is faster, and publish what it made."""
        event = run_here(folder, data, target, **parameters)
        assert isinstance(event, Done), event
        digest = sha256(folder / "model.onnx")
        manifest = Manifest(
            name="model",
            version=digest[:12],
            file=f"{digest}.onnx",
            sha256=digest,
            size=1,
            created_at=datetime.now(UTC),
            **event.product.model_dump(),
        )
        await self.repository.publish(manifest, folder / "model.onnx")
        await self.repository.promote("model", manifest.version, reason="test")
        return manifest

    async def predict(self, instances: list[Any], model: str = "model") -> PredictResponse:
        """Ask for predictions."""
        body = json.dumps({"instances": instances}).encode()
        return PredictResponse.model_validate_json((await self.answer(Payload(body, JSON), model)).body)

    async def answer(self, payload: Payload, model: str | None = "model") -> Payload:
        """Ask for predictions with a payload of any kind."""
        task = Task("predict", "cpu", payload, model=model)
        return await predict_handler(self.repository)(self.context(task))

    @property
    def trainer(self) -> Handler:
        """The handler of `train` tasks."""
        return train_handler(self.objects, self.repository, self.storage)

    def context(self, task: Task) -> Context:
        """Return what a handler is given for the task's first attempt."""
        return Context(task, 1, 1, self.progress.append)


def run_here(folder: Path, data: bytes, target: str, *, metric: str | None = None, **parameters: Any) -> Event:
    """Do a run in this process, and return how it ended; the data set is CSV, or Parquet by its first bytes."""
    (folder / "dataset").write_bytes(data)
    form = "parquet" if data.startswith(b"PAR1") else "csv"
    job = Job(
        trainer="sklearn",
        dataset=folder / "dataset",
        format=form,
        target=target,
        parameters=parameters,
        metric=metric,
        output=folder / "model.onnx",
    )
    return run(job, StringIO())
