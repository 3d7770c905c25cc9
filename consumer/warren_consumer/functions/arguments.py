"""What a function takes and gives: a JSON payload into arguments, a returned value into a JSON result.

Forbidden here: calling the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticSerializationError, to_json

from warren.errors import SettingsError
from warren.tasks import JSON, Payload
from warren_consumer.handler import TaskFault

MAX_ERRORS_SHOWN: Final = 5


class Arguments:
    """The parameters of a function, as what its payload must hold."""

    def __init__(self, function: Callable[..., Any]) -> None:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
        # Fields go by numbers, with the parameters' names as aliases: a parameter may be named as a model's method is.
        self._names = {f"p{number}": parameter.name for number, parameter in enumerate(parameters)}
        fields: dict[str, Any] = {
            field: _field(function, parameter) for field, parameter in zip(self._names, parameters, strict=True)
        }
        self._model: type[BaseModel] = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)

    def read(self, payload: Payload) -> dict[str, Any]:
        """Return the arguments that the payload holds.

        Raises:
            TaskFault: it holds something else; the message names each member that is wrong.

        """
        if payload.content_type.partition(";")[0].strip() != JSON:
            raise TaskFault("invalid-payload", f"a function takes {JSON}, not {payload.content_type}")
        try:
            values = self._model.model_validate_json(payload.body)
        except ValidationError as error:
            raise TaskFault("invalid-payload", _explain(error)) from error
        return {self._names[field]: getattr(values, field) for field in values.model_fields_set}


def result(value: object) -> Payload:
    """Return what a function returned as a task's result; a payload is one already.

    Raises:
        TaskFault: JSON cannot hold it.

    """
    if isinstance(value, Payload):
        return value
    try:
        return Payload(to_json(value))
    except PydanticSerializationError as error:
        raise TaskFault("invalid-result", f"the function returned what JSON cannot hold: {error}") from error


def _field(function: Callable[..., Any], parameter: inspect.Parameter) -> tuple[Any, Any]:
    if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        detail = (
            f"the task {function.__module__}.{function.__qualname__} cannot be called with a JSON object: its "
            f"parameter {parameter.name!r} has no name to be filled by"
        )
        raise SettingsError(detail)
    annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
    default = ... if parameter.default is parameter.empty else parameter.default
    return annotation, Field(default, alias=parameter.name)


def _explain(error: ValidationError) -> str:
    problems = [f"{'.'.join(map(str, item['loc'])) or 'payload'}: {item['msg']}" for item in error.errors()]
    return "; ".join(problems[:MAX_ERRORS_SHOWN])
