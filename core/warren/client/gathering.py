"""Many jobs at once: each as it ends, and the results of all.

Only some are waited for at a time, in turn, so that any number may be given.

Forbidden here: how Warren is reached.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeVar

from warren.client.bar import Bar
from warren.errors import NotFoundError, WaitTimeoutError, WarrenError

if TYPE_CHECKING:
    from warren.client.asynchronous import AsyncJob

R = TypeVar("R")

AT_ONCE: Final = 50
"""How many jobs are waited for side by side: fewer than a client over HTTP has places to wait from."""

LOOK_SECONDS = 2.0
"""How long a job is waited for while others wait for their turn."""


async def as_completed(
    jobs: Sequence[AsyncJob[R]],
    timeout: float | None = None,  # noqa: ASYNC109 - of all of them
    look: Callable[[AsyncJob[R]], Coroutine[Any, Any, bool]] | None = None,
) -> AsyncGenerator[AsyncJob[R], None]:
    """Yield each job when it has ended, however it ended, or there is no record of it any more; ask the job itself how.

    Of many, those that were submitted first are looked at first. Another `look` at a job tells when to yield it.

    Raises:
        WaitTimeoutError: some have not ended after `timeout` seconds; they go on.

    """
    waiting, end = deque(jobs), None if timeout is None else time.monotonic() + timeout
    looks: dict[asyncio.Task[bool], AsyncJob[R]] = {}
    try:
        while waiting or looks:
            while waiting and len(looks) < AT_ONCE:
                job = waiting.popleft()
                looks[asyncio.create_task((look or _over)(job))] = job
            left = None if end is None else max(0.0, end - time.monotonic())
            done, _ = await asyncio.wait(looks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                count = len(waiting) + len(looks)
                raise WaitTimeoutError(f"{count} of {len(jobs)} tasks have not ended after {timeout:g} s; they go on")
            for task in done:
                job = looks.pop(task)
                if task.result():
                    yield job
                else:
                    waiting.append(job)
    finally:
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)


async def gather(
    jobs: Sequence[AsyncJob[Any]],
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - it is passed on
    progress: bool = False,
    return_exceptions: bool = False,
) -> list[Any]:
    """Wait until all have ended and return their results in the jobs' order.

    `progress` shows a bar on standard error. With `return_exceptions` the fault of a task that did not succeed, or
    whose record is gone, stands in its result's place; else the first such fault is raised, once all have ended.

    Raises:
        WaitTimeoutError: after `timeout` seconds some have not ended, or large results are not read; they go on.

    """
    found: dict[AsyncJob[Any], Any] = {}

    async def read(job: AsyncJob[Any]) -> bool:
        if over := await _over(job):
            found[job] = await _result(job)  # a large one takes its time
        return over

    with Bar(len(jobs), shown=progress) as bar:
        async with aclosing(as_completed(jobs, timeout, read)) as ended:
            async for job in ended:
                bar.advance(succeeded=not isinstance(found[job], WarrenError))
    results = [found[job] for job in jobs]
    if not return_exceptions:
        for fault in results:
            if isinstance(fault, WarrenError):
                raise fault
    return results


async def _over(job: AsyncJob[Any]) -> bool:
    try:
        return (await job.wait(LOOK_SECONDS)).status.terminal
    except NotFoundError:  # which is this job's end, and no other's
        return True


async def _result(job: AsyncJob[Any]) -> Any:  # noqa: ANN401 - whatever the task returned
    try:
        return await job.get()
    except WarrenError as fault:
        return fault
