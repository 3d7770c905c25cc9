"""What functions cannot do to their consumer: end it, hold up its loop, hang in it."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from pydantic import BaseModel, model_serializer

from tests.unit.consumer.stage import Stage, until
from tests.unit.consumer.test_functions import call
from warren import task
from warren.errors import InvalidResultError
from warren.function import TaskFunction
from warren.record import State
from warren_consumer.functions.containment import contain
from warren_consumer.functions.executors import Executors
from warren_consumer.functions.handlers import registrations


async def leave() -> None:
    await asyncio.sleep(0)
    sys.exit(3)


async def be_interrupted() -> None:
    raise KeyboardInterrupt


@task
async def leaves_in_wait_for() -> None:
    await asyncio.wait_for(leave(), 5)


@task
async def leaves_in_gather() -> None:
    await asyncio.gather(leave(), be_interrupted())


@task
async def leaves_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(leave())


@task
async def leaves_behind() -> None:
    """Start what ends when the function has ended."""
    kept.append(asyncio.create_task(leave()))


@task
async def cancels_at_once() -> str:
    begun = asyncio.create_task(leave(), name="begun")
    begun.cancel()
    await asyncio.wait([begun])
    return f"{begun.get_name()} {begun.cancelled()}"


kept: list[asyncio.Task[None]] = []


@pytest.mark.parametrize("function", [leaves_in_wait_for, leaves_in_gather, leaves_in_a_group])
async def test_what_a_function_starts_cannot_end_the_consumer(function: TaskFunction[..., Any]) -> None:
    stage = Stage()
    stage.registrations |= registrations({function.name: function}, Executors(2))
    asyncio.get_running_loop().set_task_factory(contain)
    submitted = await stage.submit(function.name)
    async with stage.working():
        await until(lambda: bool(stage.replies))
    record = await stage.record(submitted)
    assert record.state is State.FAILED
    assert record.error is not None
    assert "RuntimeError: the function raised" in (record.error.traceback or "")


async def test_what_outlives_its_function_cannot_either() -> None:
    asyncio.get_running_loop().set_task_factory(contain)
    await call(leaves_behind, b"{}")
    with pytest.raises(RuntimeError, match="SystemExit"):
        await kept.pop()


async def test_what_is_contained_is_cancelled_and_named_as_any_task() -> None:
    asyncio.get_running_loop().set_task_factory(contain)
    assert await call(cancels_at_once, b"{}") == b'"begun True"'


@task
async def fails_in_a_group_of_anyio() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 5)
        raise ValueError("its own")


async def test_other_libraries_find_a_coroutine_in_what_is_contained() -> None:
    asyncio.get_running_loop().set_task_factory(contain)
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(call(fails_in_a_group_of_anyio, b"{}"), 1)
    assert str(caught.value.exceptions[0]) == "its own"


class Slow(BaseModel):
    """A model that tells in which thread its JSON is made, or fails at it."""

    fails: bool

    @model_serializer
    def _told(self) -> str:
        if self.fails:
            raise OSError("disk")
        return threading.current_thread().name


@task
def slow(*, fails: bool = False) -> Slow:
    return Slow(fails=fails)


async def test_a_result_is_made_json_where_the_function_ran() -> None:
    assert await call(slow, b"{}") == b'"warren-function"'
    with pytest.raises(InvalidResultError, match="disk"):
        await call(slow, b'{"fails": true}')


def plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as those do who do not think of coroutine functions."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return called


@task
@plainly
async def increase(number: int) -> int:
    await asyncio.sleep(0)
    if not number:
        sys.exit(3)
    return number + 1


async def test_a_coroutine_function_behind_a_plain_decorator_is_awaited() -> None:
    assert await call(increase, b'{"number": 2}') == b"3"
    with pytest.raises(RuntimeError, match="SystemExit"):
        await call(increase, b'{"number": 0}')
