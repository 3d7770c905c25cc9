"""Models as they lie in object storage: versions, their manifests, aliases.

    models/<name>/<version>/<sha256>.onnx     the model file
    models/<name>/<version>/model.json        its manifest, created last and once: it makes the version visible
    models/<name>/aliases/<alias>/<n>.json    an append-only sequence; the last entry is where the alias points

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from warren.pool import DEFAULT_POOLS

PREDICT_TASK: Final = "predict"
"""The name of the task that runs a model on inputs."""

PRODUCTION: Final = "production"
"""The alias that predictions use unless they name a version."""

RESERVED_VERSION: Final = "aliases"


class TensorSpec(BaseModel):
    """One input or output of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    datatype: str
    """The Open Inference Protocol's name: FP32, INT64, BYTES, ..."""
    shape: tuple[int | None, ...]
    """None (or -1 on the wire) where the size is free, the batch's first of all."""


class Preprocessing(BaseModel):
    """How an image becomes the model's input tensor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    height: int
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    channels: Literal[1, 3] = 3
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0 / 255.0


class Manifest(BaseModel):
    """What `model.json` says about one version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    file: str
    """The model file's key, relative to the version's folder; it contains the sha256."""
    sha256: str
    size: int
    """In bytes."""
    framework: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    features: tuple[str, ...] = ()
    """The columns of a row, in their order, for models of tables."""
    labels: tuple[str, ...] = ()
    """The class names, by index, for classifiers."""
    preprocessing: Preprocessing | None = None
    """Present for models of images."""
    metrics: dict[str, float] = Field(default_factory=dict)
    created_at: datetime
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Where it came from: task id, attempt, fence, data set with its ETag, parameters, library versions."""

    @classmethod
    def read(cls, document: bytes) -> Self:
        """Read `model.json`. What only a newer release says of a model is kept in `model_extra`, and stops nobody.

        Raises:
            ValidationError: a field is missing or wrong.

        """
        return cls.model_validate_json(document, extra="allow")


class AliasEntry(BaseModel):
    """One step in an alias' history."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    pool: str = DEFAULT_POOLS[0].name
    """The pool that serves the alias' predictions."""
    created_at: datetime
    reason: str

    @classmethod
    def read(cls, document: bytes) -> Self:
        """Read an entry. What only a newer release says of it is ignored.

        Raises:
            ValidationError: a field is missing or wrong.

        """
        return cls.model_validate_json(document, extra="ignore")
