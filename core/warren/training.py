"""A training run: what an MLJob describes and what the payload of a `train` task says.

Forbidden here: I/O, trainers, Kubernetes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

TRAIN_TASK: Final = "train"
"""The name of the task that carries out a training run."""

_COMPARISONS: Final = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq}
_CONDITION: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*")
MODEL_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """A condition on one metric under which a new version becomes the alias `production`."""

    metric: str
    comparison: str
    threshold: float

    @classmethod
    def parse(cls, text: str) -> PromotionRule:
        """Read `<metric> <comparison> <number>`, `accuracy >= 0.9` for one.

        Raises:
            ValueError: the text is not of that form.

        """
        match = _CONDITION.fullmatch(text)
        if match is None:
            msg = f"{text!r} is not a condition; write a metric, one of >= > <= < == and a number: accuracy >= 0.9"
            raise ValueError(msg)
        metric, comparison, threshold = match.groups()
        return cls(metric, comparison, float(threshold))

    def holds(self, metrics: Mapping[str, float]) -> bool:
        """Tell whether the metrics meet the condition; a metric that is missing does not."""
        value = metrics.get(self.metric)
        return value is not None and bool(_COMPARISONS[self.comparison](value, self.threshold))


def _valid_rule(text: str) -> str:
    PromotionRule.parse(text)
    return text


class _Described(BaseModel):
    """A part of the description: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Dataset(_Described):
    """A table in object storage."""

    uri: Annotated[str, Field(pattern=r"^s3://[^/]+/.+$")]
    target: Annotated[str, Field(min_length=1)]
    """The column to predict."""
    format: Literal["csv", "parquet"] | None = None
    """None: told by the URI's ending."""


class ModelTarget(_Described):
    """What becomes of the trained model."""

    name: Annotated[str, Field(pattern=MODEL_NAME)]
    promote: Annotated[str, AfterValidator(_valid_rule)] | None = None
    """The condition under which the alias `production` moves to the new version; None: never by itself."""


class TrainRequest(_Described):
    """The payload of a `train` task."""

    trainer: Annotated[str, Field(min_length=1, max_length=63)]
    dataset: Dataset
    parameters: dict[str, Any] = Field(default_factory=dict)
    model: ModelTarget
    version: Annotated[str, Field(pattern=MODEL_NAME)] | None = None
    """The model version to create; None: the task's id."""


class TrainReport(_Described):
    """The result of a `train` task."""

    name: str
    version: str
    uri: str
    sha256: str
    metrics: dict[str, float]
    promoted: bool

    @classmethod
    def read(cls, document: bytes) -> Self:
        """Read a report. What only a newer release reports is ignored.

        Raises:
            ValidationError: a field is missing or wrong.

        """
        return cls.model_validate_json(document, extra="ignore")
