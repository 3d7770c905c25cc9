"""Functions as handlers.

Forbidden here: deliveries, records.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from warren.arguments import Arguments, result
from warren.attempt import CurrentTask, enter
from warren.function import FunctionOptions, TaskFunction
from warren.settlement import Backoff, ordinary
from warren.tasks import Payload
from warren_consumer.functions.containment import EXITS
from warren_consumer.functions.executors import Executors
from warren_consumer.functions.threads import Threads
from warren_consumer.handler import Context, Handler
from warren_consumer.handlers import SERVE_TIMEOUT_SECONDS, Registration


def registrations(functions: Mapping[str, TaskFunction[..., Any]], executors: Executors) -> dict[str, Registration]:
    """Return how each of the functions is run as a task.

    Raises:
        SettingsError: a function takes or returns what JSON cannot, or must not, hold.

    """
    return {name: _registration(function, executors) for name, function in functions.items()}


def _registration(function: TaskFunction[..., Any], executors: Executors) -> Registration:
    function.check()
    terms = function.options
    return Registration(
        _handler(function, executors),
        terms.timeout_seconds or SERVE_TIMEOUT_SECONDS,
        terms.max_attempts,
        terms.retry_on,
        _backoff(terms),
    )


def _handler(function: TaskFunction[..., Any], executors: Executors) -> Handler:
    call, arguments = function.function, function.arguments
    if function.options.process:
        return executors.crew.call
    return (
        _in_loop(call, arguments)
        if inspect.iscoroutinefunction(call)
        else _in_thread(call, arguments, executors.threads)
    )


def _in_loop(call: Callable[..., Any], arguments: Arguments) -> Handler:
    async def handle(context: Context) -> Payload:
        given = arguments.read(context.task.payload, _entered(context))
        return await _finished(call(**given))

    return handle


def _in_thread(call: Callable[..., Any], arguments: Arguments, threads: Threads) -> Handler:
    async def handle(context: Context) -> Payload:
        current = _entered(context)

        def work() -> Payload | Awaitable[object]:  # also makes a large result's JSON, which holds up nobody here
            returned = call(**arguments.read(context.task.payload, current))
            return returned if inspect.isawaitable(returned) else result(returned)

        returned = await threads.run(work)
        return returned if isinstance(returned, Payload) else await _finished(returned)

    return handle


async def _finished(work: Awaitable[object]) -> Payload:
    """Wait for what a coroutine function does, in the event loop."""
    try:
        return result(await work)
    except EXITS as error:  # each would end the whole consumer
        raise ordinary(error) from None


def _entered(context: Context) -> CurrentTask:
    """Make the attempt the one at hand, and return it."""
    task = context.task
    current = CurrentTask(
        task.id, task.name, context.attempt, context.fence, context.deadline, context.stop, context.report
    )
    enter(current)
    return current


def _backoff(terms: FunctionOptions) -> Backoff:
    return Backoff(terms.retry_backoff_seconds, terms.retry_backoff_max_seconds)
