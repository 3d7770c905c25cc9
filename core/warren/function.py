"""Functions as tasks: the decorator `@task`, delayed calls, and how a consumer finds what was decorated.

A package of tasks names its modules in the entry-point group `warren.tasks`; every decorated function in such a module
is a task of the pool that it names.

Forbidden here: calling the functions for a consumer, a registry that fills at import.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property, update_wrapper
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from pickle import PicklingError
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Self, TypeVar, cast, overload

from warren.arguments import Arguments, Returned
from warren.calls import Call, Terms, calls
from warren.client.task_type import TaskType
from warren.errors import SettingsError
from warren.model import PREDICT_TASK
from warren.settlement import BACKOFF_MAX_SECONDS, BACKOFF_SECONDS
from warren.tasks import MAX_DELAY_SECONDS, TASK_NAME, TaskOptions
from warren.training import TRAIN_TASK

if TYPE_CHECKING:
    from warren.client import AsyncClient, AsyncJob, Client, Job

P = ParamSpec("P")
R = TypeVar("R")

ENTRY_POINT_GROUP: Final = "warren.tasks"

RESERVED: Final = frozenset({TRAIN_TASK, PREDICT_TASK})
"""The names of the tasks that are no functions."""


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """How a function is run as a task; a submitter's own options come first."""

    pool: str | None = None
    """The pool whose consumers run it; None: any pool of kind `serve`, by default the usual one."""
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
    """A function that is also a task. Called, it runs here and now; delayed, it runs in its pool.

    A delayed call's arguments are checked here already, by the function's annotations. They go to the client of
    `warren.configure()`, or to that of the environment, unless `with_options` names another.
    """

    def __init__(self, function: Callable[P, R], name: str, options: FunctionOptions) -> None:
        self.function = function
        self.name = name
        self.options = options
        self._terms = Terms(TaskOptions(pool=options.pool) if options.pool else TaskOptions())
        update_wrapper(self, function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __copy__(self) -> Self:
        """Return the same function, to go on other terms."""
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str, Terms]]:
        """Pickle as functions are: by the name under which the module holds it.

        Raises:
            PicklingError: it holds something else under that name, or nothing.

        """
        held = _found(module := self.function.__module__, name := self.function.__qualname__)
        if not isinstance(held, TaskFunction) or held._itself != self._itself:  # noqa: SLF001 - its own kind
            raise PicklingError(f"{self!r} cannot be pickled: {module} does not hold it as {name}")
        return _held, (module, name, self._terms)

    @property
    def _itself(self) -> tuple[object, ...]:
        """What it is on whatever terms."""
        return self.function, self.name, self.options

    def on(self, terms: Terms) -> Self:
        """Return the same function whose delayed calls go on these terms."""
        changed = copy(self)
        changed._terms = terms  # noqa: SLF001 - its own
        return changed

    def with_options(
        self,
        *,
        idempotency_key: str | None = None,
        client: Client | AsyncClient | None = None,
        **options: Any,  # noqa: ANN401 - see `TaskOptions`
    ) -> TaskFunction[P, R]:
        """Return the same function whose delayed calls go with options: `delay_seconds=60`, `priority="high"`, ...

        The options are those of `TaskOptions`. The same `idempotency_key` again is the same task; of a `map`, each
        call gets `<idempotency_key>/<its index>`.

        Raises:
            InvalidRequestError: an option is unknown or wrong.

        """
        return self.on(self._terms.changed(options, idempotency_key, client))

    def delay(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Submit a call and return its job, whose `get()` gives what the function returned.

        Raises:
            TypeError: the function cannot be called like this.
            InvalidRequestError: an argument is wrong; its name is in the message.
            UnavailableError: Warren could not be reached or could not accept it; nothing was lost.

        """
        return calls().one(self._call(args, kwargs), self._terms).reading(self.returned.read)

    def map(self, *iterables: Iterable[Any]) -> list[Job[R]]:
        """Submit a call for each item (of several iterables, in parallel), all at once; return their jobs in order.

        Raises:
            BatchRefusedError: some were refused; it tells which, why, and the ids of the others.
            InvalidRequestError: an argument is wrong; nothing was submitted. All else as for `delay`.

        """
        jobs = calls().many(self._calls(iterables), self._terms)
        return [job.reading(self.returned.read) for job in jobs]

    async def adelay(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncJob[R]:
        """Submit a call from a program of asyncio: see `delay`."""
        job = await calls().aone(self._call(args, kwargs), self._terms)
        return job.reading(self.returned.read)

    async def amap(self, *iterables: Iterable[Any]) -> list[AsyncJob[R]]:
        """Submit many calls from a program of asyncio: see `map`."""
        jobs = await calls().amany(self._calls(iterables), self._terms)
        return [job.reading(self.returned.read) for job in jobs]

    @cached_property
    def arguments(self) -> Arguments:
        """What the function takes."""
        return Arguments(self.function)

    @cached_property
    def returned(self) -> Returned:
        """What the function returns."""
        return Returned(self.function)

    def check(self) -> None:
        """Return if JSON can, and may, hold what the function takes and returns.

        Raises:
            SettingsError: it cannot, or must not.

        """
        _ = self.arguments, self.returned

    @cached_property
    def type(self) -> TaskType:
        """What is told to those who submit it."""
        return TaskType(
            self.name,
            self.arguments.model,
            self.options.pool,
            inspect.getdoc(self.function) or "",
            self.returned.schema(),
            self.arguments.schema(),
            self.options.max_attempts,
            self.options.timeout_seconds,
            self.options.process,
        )

    def _calls(self, iterables: Iterable[Iterable[Any]]) -> list[Call]:
        return [self._call(args, {}) for args in zip(*iterables, strict=False)]  # as the builtin `map` does

    def _call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
        given = self.arguments.of_call(args, kwargs)
        self.type.check(given)
        return Call(self, given)


@overload
def task(function: Callable[P, R], /) -> TaskFunction[P, R]: ...


@overload
def task(
    *,
    pool: str | None = ...,
    name: str | None = ...,
    max_attempts: int = ...,
    timeout_seconds: float | None = ...,
    retry_on: tuple[type[Exception], ...] = ...,
    retry_backoff_seconds: float = ...,
    retry_backoff_max_seconds: float = ...,
    process: bool = ...,
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


def task(  # noqa: PLR0913 - one keyword for each thing that an author may decide
    function: Callable[P, R] | None = None,
    /,
    *,
    pool: str | None = None,
    name: str | None = None,
    max_attempts: int = 1,
    timeout_seconds: float | None = None,
    retry_on: tuple[type[Exception], ...] = (Exception,),
    retry_backoff_seconds: float = BACKOFF_SECONDS,
    retry_backoff_max_seconds: float = BACKOFF_MAX_SECONDS,
    process: bool = False,
) -> TaskFunction[P, R] | Callable[[Callable[P, R]], TaskFunction[P, R]]:
    """Make a function a task of a pool (of the default one, if none is named), under its own name or another.

    `@task` by itself is `@task()`.

    Its parameters' annotations say what a payload must hold: a JSON object with one member a parameter. What it returns
    must be JSON too. A plain function runs in a thread, or with `process` in a child process, which alone can be
    stopped whatever it does; a coroutine function runs in the consumer's event loop, which it must not block.

    `max_attempts` limits the failed attempts. After an exception of `retry_on`, a timeout or the death of its child
    process another attempt follows a pause: `retry_backoff_seconds` at first, doubling up to
    `retry_backoff_max_seconds`, half of each left to chance.

    Raises:
        SettingsError: this cannot be a task, or the name is one of Warren's own.
        ValueError: the name cannot be a task's, or an option is out of range.

    """
    options = FunctionOptions(
        pool, max_attempts, timeout_seconds, retry_on, retry_backoff_seconds, retry_backoff_max_seconds, process
    )
    _check(options)

    def decorate(function: Callable[P, R]) -> TaskFunction[P, R]:
        _check_function(function)
        chosen = name or function.__name__
        if process and inspect.iscoroutinefunction(function):
            msg = f"{chosen!r} is a coroutine function, which the event loop runs: process=True is for plain functions"
            raise ValueError(msg)
        _check_name(chosen)
        return TaskFunction(function, chosen, options)

    return decorate if function is None else decorate(function)


def find_functions(modules: Iterable[ModuleType] = ()) -> dict[str, TaskFunction[..., Any]]:
    """Return the tasks of these modules and of all installed packages, by name.

    Raises:
        SettingsError: a module cannot be imported, or two functions bear the same name.

    """
    found: dict[str, TaskFunction[..., Any]] = {}
    for module in (*modules, *map(_load, entry_points(group=ENTRY_POINT_GROUP))):
        for function in (value for value in vars(module).values() if isinstance(value, TaskFunction)):
            known = found.setdefault(function.name, function)
            if known._itself != function._itself:  # noqa: SLF001 - its own kind
                where = " and ".join(each.function.__module__ for each in (known, function))
                raise SettingsError(f"two functions are tasks named {function.name!r}, in {where}: rename one")
    return found


def _held(module: str, qualname: str, terms: Terms) -> TaskFunction[..., Any]:
    """Return what a module holds under that name, on these terms."""
    return cast("TaskFunction[..., Any]", _found(module, qualname)).on(terms)


def _found(module: str, qualname: str) -> Any:  # noqa: ANN401 - whatever it is
    try:
        return attrgetter(qualname)(import_module(module))
    except (ImportError, AttributeError):
        return None


def _load(entry: EntryPoint) -> ModuleType:
    try:
        module = entry.load()
    except (Exception, SystemExit) as error:
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


def _check_function(given: object) -> None:
    if inspect.isclass(given) or not hasattr(given, "__qualname__"):
        raise SettingsError(f"a task is a function: define one by `def` that does what {given!r} does")
    if inspect.isgeneratorfunction(given) or inspect.isasyncgenfunction(given):
        raise SettingsError(f"{given.__qualname__} yields, and a task has one result: return a list, or a dictionary")


def _check_name(name: str) -> None:
    if not re.fullmatch(TASK_NAME, name):
        msg = f"{name!r} cannot be a task's name: it must start with a letter and hold letters, digits, - and _"
        raise ValueError(msg)
    if name in RESERVED:
        raise SettingsError(
            f"{name!r} is a task of Warren's own: give yours another name, as in @task(name='my-{name}')"
        )


def _check_seconds(option: str, seconds: float) -> None:
    if not 0 < seconds <= MAX_DELAY_SECONDS:
        msg = f"{option} must be more than 0 and at most {MAX_DELAY_SECONDS} (30 days), not {seconds}"
        raise ValueError(msg)


def _check_exceptions(given: object) -> None:
    if not isinstance(given, tuple) or not all(isinstance(one, type) and issubclass(one, Exception) for one in given):
        msg = f"retry_on must be a tuple of exception classes, such as (OSError,), not {given!r}"
        raise ValueError(msg)
