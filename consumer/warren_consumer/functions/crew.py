"""A crew of children that call functions: as many as there are calls, each used again when it is idle.

A call that is to stop is told so, gets SIGTERM a second later and SIGKILL two seconds after that, with all of its
process group. A child that dies by itself ends only its own call.

Forbidden here: what the functions do, and what follows from how they end.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from warren.settlement import AssessedError
from warren.tasks import Payload
from warren_consumer.children.process import Child, death
from warren_consumer.functions.job import EVENT, STOP, Advanced, Call, Raised, Returned, line
from warren_consumer.handler import TaskFault

if TYPE_CHECKING:
    from warren_consumer.handler import Context

MODULE: Final = "warren_consumer.functions.child"
TOLD_SECONDS: Final = 1.0
"""How long a function that was told to stop may take to put things in order."""

TERMINATED_SECONDS: Final = 2.0
"""How long its process may take to end after SIGTERM."""

DISMISSED_SECONDS: Final = 3.0
"""How long an idle child may take to end when it is needed no more."""


class Crew:
    """The children of one consumer that call functions."""

    def __init__(self) -> None:
        self._idle: list[Child] = []

    async def call(self, context: Context) -> Payload:
        """Call the task's function in a child and return its result; a cancellation ends the call, and certainly.

        Raises:
            AssessedError: the function raised, or could not be called.
            TaskFault: the child died.

        """
        child = await self._take()
        talk = asyncio.create_task(_talk(child, context))
        try:
            await asyncio.wait({talk})
        except asyncio.CancelledError:
            await _tell_to_stop(child, talk)
            raise
        finally:
            code = await self._leave(child, talk)
        if code is not None and isinstance(talk.exception(), EOFError):
            raise TaskFault("child-died", f"the child process that ran the task {death(code)}", retryable=True)
        return _outcome(talk.result())

    async def close(self) -> None:
        """Let the children end; none of them is at work any more."""
        await asyncio.gather(*map(_dismiss, self._idle))
        self._idle.clear()

    async def _take(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            if child.running:
                return child
            await child.end()
        return await Child.start(MODULE, purpose="functions")

    async def _leave(self, child: Child, talk: asyncio.Task[Ended]) -> int | None:
        """Keep the child for the next call if this one has come to its end, or end it and return its exit status."""
        if talk.done() and not talk.cancelled() and talk.exception() is None:
            self._idle.append(child)
            return None
        talk.cancel()
        return await child.end(patience_seconds=TERMINATED_SECONDS)


Ended = Raised | tuple[Returned, bytes]


async def _talk(child: Child, context: Context) -> Ended:
    """Order the call and follow it to its end, passing its progress on.

    Raises:
        EOFError: the child died.

    """
    task, payload = context.task, context.task.payload
    call = Call(
        task=task.id,
        name=task.name,
        attempt=context.attempt,
        fence=context.fence,
        deadline=context.deadline,
        content_type=payload.content_type,
        size=len(payload.body),
    )
    await child.order(line(call), payload.body)
    while text := await child.events.readline():
        match EVENT.validate_json(text):
            case Advanced(progress=progress):
                context.report(progress)
            case Returned() as returned:
                return returned, await child.events.readexactly(returned.size)
            case Raised() as raised:
                return raised
    raise EOFError


async def _tell_to_stop(child: Child, talk: asyncio.Task[Ended]) -> None:
    """Tell the call to stop and wait a little for its end; a child that hangs may not even take the order."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TOLD_SECONDS):
            await child.order(STOP)
            await asyncio.wait({talk})


async def _dismiss(child: Child) -> None:
    child.order_no_more()
    await child.wait(DISMISSED_SECONDS)
    await child.end()


def _outcome(ended: Ended) -> Payload:
    if isinstance(ended, Raised):
        raise AssessedError(ended.assessment)
    returned, data = ended
    return Payload(data, returned.content_type)
