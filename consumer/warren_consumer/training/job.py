"""What the consumer tells a training child, and what the child tells back: the words of their pipe, as JSON.

Forbidden here: I/O, trainers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from warren.model import TensorSpec


class Job(BaseModel):
    """One run of a trainer, all of it on local files."""

    model_config = ConfigDict(frozen=True)

    trainer: str
    dataset: Path
    format: Literal["csv", "parquet"]
    target: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    metric: str | None = None
    """What decides on the model's promotion: a trainer that does not measure it refuses the run before it trains."""
    output: Path
    """Where the trainer writes the ONNX file."""


class Product(BaseModel):
    """What a trainer made: all that a manifest says about the file and that only the trainer knows."""

    model_config = ConfigDict(frozen=True)

    framework: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    features: tuple[str, ...]
    labels: tuple[str, ...] = ()
    metrics: dict[str, float]
    provenance: dict[str, Any] = Field(default_factory=dict)


class Advanced(BaseModel):
    """The run came further."""

    type: Literal["advanced"] = "advanced"
    fraction: float
    message: str


class Done(BaseModel):
    """The run succeeded; the file is written."""

    type: Literal["done"] = "done"
    product: Product


class Failed(BaseModel):
    """The run failed for a reason that has a name."""

    type: Literal["failed"] = "failed"
    code: str
    message: str
    retryable: bool = False


Event = Advanced | Done | Failed
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
"""Reads one line of the child's output."""
