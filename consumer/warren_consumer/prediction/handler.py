"""The handler of `predict` tasks: inputs in, predictions out, by the model that the task names.

Forbidden here: the broker, the records, onnxruntime.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from warren.errors import InvalidRequestError, ModelNotFoundError, StorageUnavailableError
from warren.prediction import ModelReference, PredictResponse
from warren.tasks import Payload
from warren_consumer.handler import TaskFault
from warren_consumer.prediction import inputs
from warren_consumer.prediction.loading import Loader
from warren_consumer.prediction.models import Models

if TYPE_CHECKING:
    from warren.repository import Repository
    from warren_consumer.handler import Context, Handler
    from warren_consumer.prediction.loading import Model


def predict_handler(repository: Repository, *, threads: int = 1) -> Handler:
    """Return the handler of `predict` tasks; `threads` (the pod's CPU limit) is how many threads models may use."""
    return Predictions(Models(repository, Loader(repository, threads=threads)), workers=threads)


class Predictions:
    """Answers `predict` tasks. Decoding and inference run in `workers` threads, so that the loop stays free."""

    def __init__(self, models: Models, *, workers: int) -> None:
        self._models = models
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="predict")

    async def __call__(self, context: Context) -> Payload:
        """Carry out one attempt; see `Handler`."""
        model = await self._model(context.task.model)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, answer, model, context.task.payload)

    async def _model(self, name: str | None) -> Model:
        if not name:
            detail = "a predict task names its model: the header warren-model, name or name@version"
            raise TaskFault("invalid-payload", detail)
        try:
            return await self._models.get(ModelReference.parse(name))
        except InvalidRequestError as error:
            raise TaskFault("invalid-payload", error.detail) from error
        except ModelNotFoundError as error:
            raise TaskFault(error.code, error.detail) from error
        except StorageUnavailableError as error:
            raise TaskFault(error.code, error.detail, retryable=True) from error


def answer(model: Model, payload: Payload) -> Payload:
    """Return the response to a payload; blocks.

    Raises:
        TaskFault: the payload is not what the model takes, or the model fails.

    """
    found = model.predict(inputs.read(payload, model.manifest))
    manifest = model.manifest
    return Payload(PredictResponse(model=manifest.name, version=manifest.version, predictions=found).document())
