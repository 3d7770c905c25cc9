"""Problem documents (RFC 9457): how a fault crosses HTTP, and becomes the same fault again on the other side.

Forbidden here: I/O, web frameworks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from warren.errors import InvalidRequestError, WarrenError

PROBLEM_JSON: Final = "application/problem+json"

MOST_FIELDS: Final = 100
"""How many wrong fields are named one by one."""


class FieldProblem(BaseModel):
    """What is wrong with one field of the request."""

    model_config = ConfigDict(frozen=True)

    field: Annotated[str, Field(description="The field's place: `options.timeout_seconds`, `header.Prefer`, ...")]
    message: str


class InvalidFieldsError(InvalidRequestError):
    """Fields of the request are wrong; its detail lists them all."""

    def __init__(self, fields: tuple[FieldProblem, ...]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in fields))
        self.fields = fields

    @classmethod
    def of(cls, error: ValidationError, *place: str) -> Self:
        """Return the fault that pydantic found in the part of a request that lies at the place."""
        count = error.error_count()
        if count > MOST_FIELDS:  # to name a million takes pydantic seconds
            return cls((FieldProblem(field=".".join(place) or "body", message=f"{count} fields are wrong"),))
        return cls(tuple(field_problem(item, *place) for item in error.errors(include_url=False, include_input=False)))


def field_problem(error: Mapping[str, Any], *place: str) -> FieldProblem:
    """Return what one of pydantic's errors says, under its field's full name."""
    unknown = error["type"] == "extra_forbidden"
    said = "there is no such field" if unknown else error["msg"].removeprefix("Value error, ")
    return FieldProblem(field=".".join((*place, *map(str, error["loc"]))) or "body", message=said)


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:warren:problem:wrong-pool",
                    "title": "Wrong pool",
                    "status": 422,
                    "code": "wrong-pool",
                    "detail": "the pool 'gpu' does not exist; pools: cpu (serve), train-cpu (train)",
                    "instance": "/v1/tasks",
                }
            ]
        },
    )

    type: Annotated[str, Field(description="`urn:warren:problem:<code>`")]
    title: Annotated[str, Field(description="The kind of problem, for people; the same for every problem of a code.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    code: Annotated[str, Field(description="The kind of problem, for programs.")]
    detail: Annotated[str, Field(description="What is wrong, with which value, and what to do.")]
    instance: Annotated[str | None, Field(description="The path that was called.")] = None
    errors: Annotated[tuple[FieldProblem, ...], Field(description="The fields that are wrong.")] = ()

    @classmethod
    def of(cls, error: WarrenError, instance: str | None = None) -> Self:
        """Return the document of a fault."""
        errors = error.fields if isinstance(error, InvalidFieldsError) else ()
        return cls(
            type=problem_type(error.code),
            title=error.title,
            status=error.status,
            code=error.code,
            detail=error.detail,
            instance=instance,
            errors=errors,
        )

    def json_bytes(self) -> bytes:
        """Return the document as JSON, without the fields that do not apply."""
        return self.model_dump_json(exclude_defaults=True).encode()

    def fault(self, retry_after: float | None = None) -> WarrenError:
        """Return the fault that the document tells of, as an instance of its class."""
        return fault(self.code, self.detail, retry_after=retry_after)


def problem_type(code: str) -> str:
    """Return the URI that names a kind of problem."""
    return f"urn:warren:problem:{code}"


def fault(
    code: str, detail: str, *, default: type[WarrenError] = WarrenError, retry_after: float | None = None
) -> WarrenError:
    """Return an instance of the class whose code this is, of `default` if it is none's."""
    kind = _CLASSES.get(code, default)
    return kind(detail, retry_after=retry_after)


def _classes(root: type[WarrenError]) -> Iterator[type[WarrenError]]:
    if root.__module__ == WarrenError.__module__:
        yield root
    for child in root.__subclasses__():
        yield from _classes(child)


_CLASSES: Final = {kind.code: kind for kind in _classes(WarrenError)}
