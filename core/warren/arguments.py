"""What a function takes and gives: a call into JSON and back into arguments, a returned value into JSON and back.

Annotations say it; pydantic reads them. So it is the same where a task is submitted, where it runs and where its
result is read. A parameter that is annotated as `CurrentTask` is none of the payload's: it is filled where the task
runs.

Forbidden here: calling the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from warren.attempt import CurrentTask
from warren.errors import InvalidPayloadError, InvalidRequestError, InvalidResultError, SettingsError
from warren.tasks import JSON, Payload, is_json, is_media_type

MAX_ERRORS_SHOWN: Final = 5

_NAMED: Final = frozenset({inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})
"""The kinds of parameters that can be filled by their names."""

_NO_SECRETS: Final = (
    "queues and records hold JSON that others read, where pydantic masks it; take secrets from the environment of the "
    "process that runs the task"
)


class Arguments:
    """The parameters of a function, as what its payload must hold."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Read the function's signature.

        Raises:
            SettingsError: no JSON object can fill one of its parameters, or none should: it is a secret.

        """
        signature = _signature(function)
        self._contexts = _contexts(function, signature)
        parameters = [one for name, one in signature.parameters.items() if name not in self._contexts]
        self._signature = signature.replace(parameters=parameters)
        # Fields go by numbers, with the parameters' names as aliases: a parameter may be named as a model's method is.
        self._names = {f"p{number}": parameter.name for number, parameter in enumerate(parameters)}
        fields: dict[str, Any] = {
            field: _field(function, parameter) for field, parameter in zip(self._names, parameters, strict=True)
        }
        try:
            self.model: type[BaseModel] = create_model(
                function.__name__, __config__=ConfigDict(extra="forbid"), **fields
            )
            secret = _holds_secrets(TypeAdapter(self.model))
        except PydanticUserError as error:
            raise SettingsError(f"{_named(function)} has a parameter that JSON cannot fill: {error.message}") from error
        if secret:
            raise SettingsError(f"{_named(function)} takes a secret: {_NO_SECRETS}")

    def of_call(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Any]:
        """Return the JSON object that stands for a call with these arguments, the context's left out.

        Raises:
            TypeError: the function cannot be called like this.
            InvalidRequestError: JSON cannot hold an argument.

        """
        return {name: _jsonable(name, value) for name, value in self._signature.bind(*args, **kwargs).arguments.items()}

    def read(self, payload: Payload, current: CurrentTask) -> dict[str, Any]:
        """Return the arguments that the payload holds, and the attempt at hand for those that are annotated so.

        Raises:
            InvalidPayloadError: it holds something else; the message names each member that is wrong.

        """
        if not is_json(payload.content_type):
            raise InvalidPayloadError(f"a function takes {JSON}, not {payload.content_type}")
        try:
            values = self.model.model_validate_json(payload.body)
        except ValidationError as error:
            raise InvalidPayloadError(_explain(error)) from error
        given = {self._names[field]: getattr(values, field) for field in values.model_fields_set}
        return given | dict.fromkeys(self._contexts, current)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the payload."""
        return _schema(self.model.model_json_schema)


class Returned:
    """What a function returns, as what its result holds."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Read the function's return annotation.

        Raises:
            SettingsError: the annotation is unknown, or a secret's.

        """
        annotation = _signature(function).return_annotation
        self._may_be_payload = _may_be(annotation, Payload)
        try:
            self._type: TypeAdapter[Any] = TypeAdapter(_value(annotation))
            secret = _holds_secrets(self._type)
        except PydanticUserError:  # a class of which pydantic knows nothing: its JSON is shown as it is
            self._type, secret = TypeAdapter(Any), False
        if secret:
            raise SettingsError(f"{_named(function)} returns a secret: {_NO_SECRETS}")

    def read(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value into any value
        """Return a result as what the function's annotation says: a model, a date; bytes stay what they are.

        If that may be a payload, JSON that is nothing else of what the annotation says stays what it is, too.

        Raises:
            InvalidResultError: the function returned something else.

        """
        if isinstance(value, bytes):
            return value
        try:
            return self._type.validate_json(to_json(value))
        except ValidationError as error:
            if self._may_be_payload:
                return value
            detail = f"the result is not what the function's annotation says: {_explain(error, whole='result')}"
            raise InvalidResultError(detail) from error

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the result; a payload's, of which nothing is known, is left out of a union."""
        return _schema(lambda: self._type.json_schema(mode="serialization"))


def result(value: object) -> Payload:
    """Return what a function returned as a task's result; a payload is one already.

    Raises:
        InvalidResultError: JSON cannot hold it, or it is a payload of something else than bytes of a media type.

    """
    if isinstance(value, Payload):
        return _of_bytes(value)
    try:
        return Payload(to_json(value))
    except PydanticSerializationError as error:
        raise InvalidResultError(f"the function returned what JSON cannot hold: {error}") from error


def _of_bytes(payload: Payload) -> Payload:
    body: object = payload.body
    kind: object = payload.content_type
    if isinstance(body, bytes) and isinstance(kind, str):
        if not is_media_type(kind):
            raise InvalidResultError(f"the function returned a Payload whose content type is none: {kind[:50]!r}")
        return _readable(payload)
    given = f"body is of type {type(body).__name__} and whose content type is of type {type(kind).__name__}"
    raise InvalidResultError(f"the function returned a Payload whose {given}; they are bytes and str")


def _readable(payload: Payload) -> Payload:
    """Return a payload that a function made itself; what it calls JSON is read once, where the function ran."""
    if payload.body and is_json(payload.content_type):
        try:
            from_json(payload.body, allow_inf_nan=False)
        except ValueError as error:
            raise InvalidResultError(f"the function returned a Payload that is not JSON: {error}") from error
    return payload


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        detail = f"{_named(function)} has an annotation that is unknown where tasks run: {error}; import it outside of "
        raise SettingsError(f"{detail}`if TYPE_CHECKING:`") from error


def _contexts(function: Callable[..., Any], signature: inspect.Signature) -> list[str]:
    """Return the names of the parameters that are for the attempt at hand."""
    hints = _hints(function)
    named = [one for one in signature.parameters.values() if one.kind in _NAMED]
    return [one.name for one in named if _may_be(hints.get(one.name, one.annotation), CurrentTask)]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations with all names in them found, where they all are: within quotes, too."""
    try:
        return get_type_hints(inspect.unwrap(function), include_extras=True)
    except (NameError, TypeError):
        return {}


def _may_be(annotation: object, kind: type) -> bool:
    """Tell whether an annotation is a class, by itself, `Annotated`, or one of a union."""
    if get_origin(annotation) is Annotated:
        return _may_be(get_args(annotation)[0], kind)
    if get_origin(annotation) in {Union, UnionType}:
        return any(_may_be(one, kind) for one in get_args(annotation))
    return annotation is kind


def _value(annotation: object) -> Any:  # noqa: ANN401 - what pydantic takes for a type
    """Return what a result is read as that is annotated so: a payload's JSON value may be any."""
    if annotation is inspect.Signature.empty:
        return Any
    if not _may_be(annotation, Payload):
        return annotation
    rest = _besides(annotation, Payload)
    return Any if all(one is NoneType for one in rest) else reduce(or_, rest)


def _besides(annotation: object, kind: type) -> tuple[Any, ...]:
    """Return what an annotation says besides a class that it is, or that is one of its union."""
    if not _may_be(annotation, kind):
        return (annotation,)
    if get_origin(annotation) is Annotated:
        return _besides(get_args(annotation)[0], kind)
    return tuple(rest for one in get_args(annotation) for rest in _besides(one, kind))


def _field(function: Callable[..., Any], parameter: inspect.Parameter) -> tuple[Any, Any]:
    if parameter.kind not in _NAMED:
        detail = (
            f"{_named(function)} cannot be called with a JSON object: its "
            f"parameter {parameter.name!r} has no name to be filled by"
        )
        raise SettingsError(detail)
    if isinstance(parameter.default, FieldInfo):
        detail = (
            f"{_named(function)} has `Field(...)` as the default of {parameter.name!r}, which a plain call would get "
            f"as it is: write `{parameter.name}: Annotated[<type>, Field(...)] = <default>`"
        )
        raise SettingsError(detail)
    annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
    default = ... if parameter.default is parameter.empty else parameter.default
    return annotation, Field(default, alias=parameter.name)


def _jsonable(name: str, value: object) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return to_jsonable_python(value)
    except ValueError as error:  # what pydantic, the UTF-8 codec and a circle raise
        raise InvalidRequestError(f"the argument {name!r} is what JSON cannot hold: {error}") from error


def _holds_secrets(adapter: TypeAdapter[Any]) -> bool:
    return _mentions(adapter.core_schema, (SecretStr, SecretBytes))


def _mentions(schema: object, classes: tuple[type, ...]) -> bool:
    """Tell whether a core schema of pydantic's names one of the classes anywhere."""
    if isinstance(schema, Mapping):
        cls = schema.get("cls")
        return (isinstance(cls, type) and issubclass(cls, classes)) or _mentions([*schema.values()], classes)
    return isinstance(schema, list | tuple) and any(_mentions(part, classes) for part in schema)


def _named(function: Callable[..., Any]) -> str:
    return f"the task {function.__module__}.{function.__qualname__}"


def _schema(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return make()
    except PydanticUserError:  # JSON schema has no word for it; pydantic reads and writes it all the same
        return {}


def _explain(error: ValidationError, *, whole: str = "payload") -> str:
    problems = [f"{'.'.join(map(str, item['loc'])) or whole}: {item['msg']}" for item in error.errors()]
    return "; ".join(problems[:MAX_ERRORS_SHOWN])
