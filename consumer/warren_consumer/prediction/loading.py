"""Loading: a version in the repository becomes a model in memory, checked and warmed up.

Forbidden here: which version to load; that is `models`.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from warren_consumer.handler import TaskFault
from warren_consumer.prediction.answers import predictions
from warren_consumer.prediction.containment import ContainmentError
from warren_consumer.prediction.runtime import ModelLoadError, Session, dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from warren.model import Manifest, TensorSpec
    from warren.prediction import Prediction
    from warren.repository import Repository
    from warren_consumer.prediction.inputs import Inputs

_WARM_UPS: Final = 2


@dataclass(frozen=True, slots=True)
class Model:
    """A version that is ready to answer."""

    manifest: Manifest
    session: Session

    def predict(self, inputs: Inputs) -> list[Prediction]:
        """Run the model; blocks, may be called from several threads at once.

        Raises:
            TaskFault: the model cannot run these inputs, or what it answered is no prediction.

        """
        try:
            outputs = self.session.run(inputs)
        except Exception as error:  # onnxruntime's exceptions share no base class
            detail = f"the model {self.manifest.name}@{self.manifest.version} failed: {error}"
            raise TaskFault("model-failed", detail) from error
        return predictions(outputs, self.manifest)


class Loader:
    """Loads versions from a repository, with so many threads for each run of a model."""

    def __init__(self, repository: Repository, *, threads: int) -> None:
        self._repository = repository
        self._threads = threads

    async def load(self, name: str, version: str) -> Model:
        """Return the version, ready to answer.

        Raises:
            ModelNotFoundError: there is no such version.
            StorageUnavailableError: its file cannot be read.
            TaskFault: its file cannot be loaded.

        """
        manifest = await self._repository.manifest(name, version)
        with tempfile.TemporaryDirectory(prefix="warren-model-") as folder:
            path = Path(folder, "model.onnx")
            await self._repository.download(manifest, path)
            return await asyncio.to_thread(self._open, manifest, path)

    def _open(self, manifest: Manifest, path: Path) -> Model:
        try:
            session = Session(path, threads=self._threads)
        except (ModelLoadError, ContainmentError) as error:
            detail = f"the model {manifest.name}@{manifest.version} cannot be loaded: {error}"
            raise TaskFault("model-invalid", detail) from error
        inputs = {spec.name: _blank(spec) for spec in session.inputs}
        for _ in range(_WARM_UPS):
            session.run(inputs)
        return Model(manifest, session)


def _blank(spec: TensorSpec) -> NDArray[Any]:
    """Return an input of one instance: the first run of a session is slow, and no request should pay for it."""
    shape = tuple(size or 1 for size in spec.shape)
    return np.full(shape, "" if spec.datatype == "BYTES" else 0, dtype=dtype(spec.datatype))
