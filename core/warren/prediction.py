"""A prediction: what a request holds, and what its answer says.

The payload of a `predict` task is a `PredictRequest` as JSON, or one image as raw bytes of type `image/*`; the task's
`model` names the model. The result is a `PredictResponse` as JSON.

Forbidden here: I/O, models, numerics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from warren.errors import InvalidRequestError
from warren.training import MODEL_NAME

MAX_INSTANCES: Final = 10_000
"""How many rows or images one request may hold."""

IMAGE_KEY: Final = "b64"
"""The one key of an instance that is an image: `{"b64": "<base64 of the file>"}`."""

MAX_NAMED: Final = 10_000
"""How many values a row by name may hold."""

_KINDS: Final = {
    bool: "a truth value",
    type(None): "null",
    list: "a list",
    dict: "an object",
    str: "a text",
    int: "a number",
    float: "a number",
}

_FINITE: Final = Field(allow_inf_nan=False)

Value = StrictInt | Annotated[StrictFloat, _FINITE] | StrictStr
"""A number, or the text of a categorical feature."""


def _few(value: Any) -> Any:  # noqa: ANN401 - anything may be sent
    if isinstance(value, dict) and len(value) > MAX_NAMED:
        text = "holds {count} values by name; at most {most} are allowed"
        raise PydanticCustomError("too_many", text, {"count": len(value), "most": MAX_NAMED})
    return value


# The first wrong value ends the check: a body of wrong values would otherwise keep its reader busy for many seconds.
Instance = Annotated[list[Value], Field(fail_fast=True)] | Annotated[dict[str, Value], BeforeValidator(_few)]
"""A row in the order of the model's features, a row by feature name, or `{"b64": "..."}` for a model of images."""


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model a prediction is for: `iris`, `iris@2026-11` (a version) or `iris@canary` (an alias)."""

    name: str
    version: str | None = None
    """A version, or an alias; None: the alias `production`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name` or `name@version`.

        Raises:
            InvalidRequestError: it is not of that form.

        """
        name, _, version = text.partition("@")
        parts = (name, version) if "@" in text else (name,)
        if not all(re.fullmatch(MODEL_NAME, part) for part in parts):
            detail = f"{text!r} is not a model's name; the form is name or name@version, in a-z, 0-9 and '-'"
            raise InvalidRequestError(detail)
        return cls(*parts)

    def __str__(self) -> str:
        """Return the reference's text."""
        return self.name if self.version is None else f"{self.name}@{self.version}"


def _plainly(value: Any, check: ValidatorFunctionWrapHandler) -> list[Instance]:  # noqa: ANN401 - anything may be sent
    """Say of the first wrong value what is wrong with it, not what each member of a union had to say."""
    try:
        return check(value)  # type: ignore[no-any-return]
    except ValidationError:
        found = _first_wrong(value) if isinstance(value, list) else None
        if found is None:
            raise
        raise ValidationError.from_exception_data("instances", [found]) from None


def _first_wrong(instances: list[Any]) -> InitErrorDetails | None:
    for index, instance in enumerate(instances[:MAX_INSTANCES]):
        if not isinstance(instance, list | dict):
            return _wrong(instance, "a row is a list of values, or an object by feature name, not {kind}", index)
        named: Iterable[tuple[int | str, Any]] = instance.items() if isinstance(instance, dict) else enumerate(instance)
        for place, value in named:
            if not _is_value(value):
                return _wrong(value, "a value is a finite number or a text, not {kind}", index, place)
    return None


def _is_value(value: Any) -> bool:  # noqa: ANN401 - anything may be sent
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int | str) and not isinstance(value, bool)


def _wrong(value: Any, text: str, *place: int | str) -> InitErrorDetails:  # noqa: ANN401 - anything may be sent
    kind = str(value) if isinstance(value, float) and not math.isfinite(value) else _KINDS[type(value)]
    return InitErrorDetails(type=PydanticCustomError("instance", text, {"kind": kind}), loc=place, input=value)


class PredictRequest(BaseModel):
    """The inputs of a prediction."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"instances": [[5.1, 3.5, 1.4, 0.2]]},
                {"instances": [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]},
                {"instances": [{"b64": "/9j/4AAQSkZJRg..."}]},
            ]
        },
    )

    instances: Annotated[
        list[Instance], Field(min_length=1, max_length=MAX_INSTANCES, fail_fast=True), WrapValidator(_plainly)
    ]
    """Rows (in the order of the model's features, or by their names), or images as `{"b64": "..."}`."""


class Prediction(BaseModel):
    """What the model says about one instance; which fields are there depends on the model."""

    model_config = ConfigDict(frozen=True)

    label: str | None = None
    """The class, for classifiers."""
    probabilities: dict[str, FiniteFloat] | None = None
    """The probability of each class, for classifiers that give probabilities."""
    scores: dict[str, FiniteFloat] | None = None
    """The score of each class, for classifiers that give scores which are no probabilities."""
    value: FiniteFloat | None = None
    """The number, for regressors."""
    values: list[FiniteFloat] | None = None
    """The numbers, for models with several that have no labels (an embedding, say)."""


class PredictResponse(BaseModel):
    """The answer to a prediction."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "model": "iris",
                    "version": "0196f0c8",
                    "predictions": [
                        {"label": "setosa", "probabilities": {"setosa": 0.98, "versicolor": 0.02, "virginica": 0.0}},
                    ],
                },
                {"model": "price", "version": "0196f0c9", "predictions": [{"value": 152.4}]},
            ]
        },
    )

    model: str
    version: str
    """The version that answered."""
    predictions: list[Prediction]
    """One for each instance, in the same order."""

    def document(self) -> bytes:
        """Return the JSON document, without the fields that do not apply."""
        return self.model_dump_json(exclude_none=True).encode()
