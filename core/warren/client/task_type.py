"""A kind of task as its submitters see it: what it takes, what it gives, and how it is run.

Forbidden here: functions; `warren.function` describes those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, Field, ValidationError

from warren.client.documents import TaskRequest, json_bytes
from warren.client.problem import FieldProblem, InvalidFieldsError
from warren.errors import InvalidRequestError
from warren.settlement import shown
from warren.training import TRAIN_TASK, TrainRequest

Failed = Callable[[str, Exception], None]
"""Is told the name of a task whose own check of its arguments failed, and with what."""


@dataclass(frozen=True, slots=True)
class TaskType:
    """A kind of task."""

    name: str
    model: type[BaseModel]
    """What its arguments must be."""
    pool: str | None = None
    """Where it goes unless its submitter wants another pool; None: to the default of its kind."""
    description: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    """The JSON schema of what it returns."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """The JSON schema of its arguments."""
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    process: bool = False

    def check(self, args: dict[str, Any], failed: Failed | None = None) -> None:
        """Return if these are such arguments; `failed` is told where that could not be found out.

        Raises:
            InvalidRequestError: they are not; it names each that is wrong, as `args.<name>`.

        """
        try:
            body = json_bytes(args)
        except ValueError as error:
            raise InvalidRequestError(f"the arguments are {error}") from error
        try:
            self.model.model_validate_json(body)
        except ValidationError as error:
            raise InvalidFieldsError.of(error, "args") from error
        except Exception as error:  # of a validator in the task's own package, which did not expect this
            if failed:
                failed(self.name, error)
            told = f"the check of the task {self.name} failed on them: {shown(error)}"
            raise InvalidFieldsError((FieldProblem(field="args", message=told),)) from error


TRAIN: Final = TaskType(
    TRAIN_TASK,
    TrainRequest,
    description="Train a model, keep it as a version, and promote it if it is good enough.",
    arguments=TrainRequest.model_json_schema(),
)


class TaskTypes:
    """The kinds of tasks that are known here; a task of another kind may be known to its consumers."""

    def __init__(self, types: Iterable[TaskType] = (), failed: Failed | None = None) -> None:
        self._failed = failed
        self._types = {kind.name: kind for kind in (TRAIN, *types)}

    def __iter__(self) -> Iterator[TaskType]:
        """Go through them by their names."""
        return iter(sorted(self._types.values(), key=lambda kind: kind.name))

    def usual_pool(self, task: str) -> str | None:
        """Return the pool that tasks of this name go to; None where none is known."""
        kind = self._types.get(task)
        return kind.pool if kind else None

    def check(self, request: TaskRequest) -> None:
        """Return if nothing is known to be wrong with the arguments.

        Raises:
            InvalidFieldsError: something is.

        """
        kind = self._types.get(request.task)
        if kind is not None:
            kind.check(request.args, self._failed)


class TaskTypeDocument(BaseModel):
    """A kind of task."""

    name: Annotated[str, Field(description="What `task` says when it is submitted.")]
    pool: Annotated[str | None, Field(description="Where it goes unless `options.pool` says; null: to the default.")]
    description: Annotated[str, Field(description="What its author says of it.")]
    arguments: Annotated[dict[str, Any], Field(description="The JSON schema of `args`.")]
    result: Annotated[dict[str, Any], Field(description="The JSON schema of the result; empty: any.")]
    max_attempts: Annotated[int | None, Field(description="Unless `options` says otherwise; null: Warren's default.")]
    timeout_seconds: Annotated[float | None, Field(description="Of one attempt; otherwise as `max_attempts`.")]
    process: Annotated[bool, Field(description="Whether a child process runs it, which can be stopped at any time.")]

    @classmethod
    def of(cls, kind: TaskType) -> Self:
        """Return the document of a kind of task."""
        return cls(**{name: getattr(kind, name) for name in cls.model_fields})


class TaskTypeList(BaseModel):
    """The kinds of tasks that the producer knows."""

    task_types: list[TaskTypeDocument]
