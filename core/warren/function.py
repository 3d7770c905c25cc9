"""Functions as tasks: the decorator `@task`, and how a consumer finds what was decorated.

A package of tasks names its modules in the entry-point group `warren.tasks`; every decorated function in such a module
is a task of the pool that it names.

Forbidden here: calling the functions for a consumer, a registry that fills at import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import update_wrapper
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Final, Generic, ParamSpec, TypeVar

from warren.errors import SettingsError
from warren.record import Progress
from warren.tasks import TASK_NAME

P = ParamSpec("P")
R = TypeVar("R")

ENTRY_POINT_GROUP: Final = "warren.tasks"

progress_reporter: ContextVar[Callable[[Progress], None] | None] = ContextVar("progress_reporter", default=None)
"""Where `report_progress` leads; a consumer sets it around each call."""


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """How a function is run as a task; a submitter's own options come first."""

    pool: str
    max_attempts: int = 1
    timeout_seconds: float | None = None
    """How long one attempt may run; None leaves it to the consumer's default."""
    retry_on: tuple[type[Exception], ...] = (Exception,)
    """The exceptions after which another attempt may help; any other ends the task at once."""


class TaskFunction(Generic[P, R]):
    """A function that is also a task. Called, it runs here and now; submitted, it runs in its pool."""

    def __init__(self, function: Callable[P, R], name: str, options: FunctionOptions) -> None:
        self.function = function
        self.name = name
        self.options = options
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""
        return self.function(*args, **kwargs)


def task(
    *,
    pool: str,
    name: str | None = None,
    max_attempts: int = 1,
    timeout_seconds: float | None = None,
    retry_on: tuple[type[Exception], ...] = (Exception,),
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]:
    """Make a function a task of a pool, under its own name unless another is given.

    Its parameters' annotations say what a payload must hold: a JSON object with one member a parameter. What it returns
    must be JSON too. A plain function runs in a thread; a coroutine function in the consumer's event loop, which it
    must not block.

    Raises:
        ValueError: the name cannot be a task's, or an option is out of range.

    """
    options = FunctionOptions(pool, max_attempts, timeout_seconds, retry_on)
    _check(options)

    def decorate(function: Callable[P, R]) -> TaskFunction[P, R]:
        chosen = name or function.__name__
        if not re.fullmatch(TASK_NAME, chosen):
            msg = f"{chosen!r} cannot be a task's name: it must start with a letter and hold letters, digits, - and _"
            raise ValueError(msg)
        return TaskFunction(function, chosen, options)

    return decorate


def report_progress(fraction: float, message: str | None = None) -> None:
    """Tell how far the task at hand has come, 0 to 1; outside of a consumer it does nothing."""
    report = progress_reporter.get()
    if report is not None:
        report(Progress(fraction=fraction, message=message))


def find_functions(modules: Iterable[ModuleType] = ()) -> dict[str, TaskFunction[..., Any]]:
    """Return the tasks of these modules and of all installed packages, by name.

    Raises:
        SettingsError: a module cannot be imported, or two functions bear the same name.

    """
    found: dict[str, TaskFunction[..., Any]] = {}
    for module in (*modules, *map(_load, entry_points(group=ENTRY_POINT_GROUP))):
        for function in (value for value in vars(module).values() if isinstance(value, TaskFunction)):
            known = found.setdefault(function.name, function)
            if known is not function:
                where = f"{known.function.__module__} and {function.function.__module__}"
                raise SettingsError(f"two functions are tasks named {function.name!r}, in {where}: rename one")
    return found


def _load(entry: EntryPoint) -> ModuleType:
    try:
        module = entry.load()
    except Exception as error:
        detail = f"the task module {entry.value!r} (entry point {entry.name!r}) cannot be imported: {error!r}"
        raise SettingsError(detail) from error
    if not isinstance(module, ModuleType):
        detail = f"the entry point {entry.name!r} of {ENTRY_POINT_GROUP} must name a module, not {entry.value!r}"
        raise SettingsError(detail)
    return module


def _check(options: FunctionOptions) -> None:
    if options.max_attempts < 1:
        msg = f"max_attempts must be 1 or more, not {options.max_attempts}"
        raise ValueError(msg)
    if options.timeout_seconds is not None and options.timeout_seconds <= 0:
        msg = f"timeout_seconds must be more than 0, not {options.timeout_seconds}"
        raise ValueError(msg)
