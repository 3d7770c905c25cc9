"""Functions as tasks: the decorator `@task`, and how a consumer finds what was decorated.

A package of tasks names its modules in the entry-point group `warren.tasks`; every decorated function in such a module
is a task of the pool that it names.

Forbidden here: calling the functions for a consumer, a registry that fills at import.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import update_wrapper
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Final, Generic, ParamSpec, TypeVar

from warren.errors import SettingsError
from warren.tasks import MAX_DELAY_SECONDS, TASK_NAME

P = ParamSpec("P")
R = TypeVar("R")

ENTRY_POINT_GROUP: Final = "warren.tasks"

BACKOFF_SECONDS: Final = 2.0
BACKOFF_MAX_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """How a function is run as a task; a submitter's own options come first."""

    pool: str
    max_attempts: int = 1
    timeout_seconds: float | None = None
    """How long one attempt may run; None leaves it to the consumer's default."""
    retry_on: tuple[type[Exception], ...] = (Exception,)
    """The exceptions after which another attempt may help; any other ends the task at once."""
    retry_backoff_seconds: float = BACKOFF_SECONDS
    """The pause after the first failure; it doubles with each further one. Half of each pause is left to chance."""
    retry_backoff_max_seconds: float = BACKOFF_MAX_SECONDS
    """The longest such pause."""
    process: bool = False
    """Whether a child process runs it, which can be stopped whatever it does."""


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


def task(  # noqa: PLR0913 - one keyword for each thing that an author may decide
    *,
    pool: str,
    name: str | None = None,
    max_attempts: int = 1,
    timeout_seconds: float | None = None,
    retry_on: tuple[type[Exception], ...] = (Exception,),
    retry_backoff_seconds: float = BACKOFF_SECONDS,
    retry_backoff_max_seconds: float = BACKOFF_MAX_SECONDS,
    process: bool = False,
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]:
    """Make a function a task of a pool, under its own name unless another is given.

    Its parameters' annotations say what a payload must hold: a JSON object with one member a parameter. What it returns
    must be JSON too. A plain function runs in a thread, or with `process` in a child process, which alone can be
    stopped whatever it does; a coroutine function runs in the consumer's event loop, which it must not block.

    `max_attempts` limits the failed attempts. After an exception of `retry_on`, a timeout or the death of its child
    process another attempt follows a pause: `retry_backoff_seconds` at first, doubling up to
    `retry_backoff_max_seconds`, half of each left to chance.

    Raises:
        ValueError: the name cannot be a task's, or an option is out of range.

    """
    options = FunctionOptions(
        pool, max_attempts, timeout_seconds, retry_on, retry_backoff_seconds, retry_backoff_max_seconds, process
    )
    _check(options)

    def decorate(function: Callable[P, R]) -> TaskFunction[P, R]:
        chosen = name or function.__name__
        if process and inspect.iscoroutinefunction(function):
            msg = f"{chosen!r} is a coroutine function, which the event loop runs: process=True is for plain functions"
            raise ValueError(msg)
        if not re.fullmatch(TASK_NAME, chosen):
            msg = f"{chosen!r} cannot be a task's name: it must start with a letter and hold letters, digits, - and _"
            raise ValueError(msg)
        return TaskFunction(function, chosen, options)

    return decorate


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
    if options.timeout_seconds is not None:
        _check_seconds("timeout_seconds", options.timeout_seconds)
    _check_seconds("retry_backoff_seconds", options.retry_backoff_seconds)
    _check_seconds("retry_backoff_max_seconds", options.retry_backoff_max_seconds)
    if options.retry_backoff_max_seconds < options.retry_backoff_seconds:
        msg = "retry_backoff_max_seconds must not be less than retry_backoff_seconds"
        raise ValueError(msg)
    _check_exceptions(options.retry_on)


def _check_seconds(option: str, seconds: float) -> None:
    if not 0 < seconds <= MAX_DELAY_SECONDS:
        msg = f"{option} must be more than 0 and at most {MAX_DELAY_SECONDS} (30 days), not {seconds}"
        raise ValueError(msg)


def _check_exceptions(given: object) -> None:
    if not isinstance(given, tuple) or not all(isinstance(one, type) and issubclass(one, Exception) for one in given):
        msg = f"retry_on must be a tuple of exception classes, such as (OSError,), not {given!r}"
        raise ValueError(msg)
