"""The life of a consumer process: reach what it depends on, work, and stop in good order.

Forbidden here: adapters, and what the work is.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from warren.errors import UnavailableError
from warren_consumer.events import Events
from warren_consumer.health import Health

AGAIN_SECONDS = 2.0
WATCH_SECONDS = 3.0
CLOSE_SECONDS = 3.0
LOOK_SECONDS = 1.0
PROBE_SECONDS = 10.0
"""How long a dependency is waited for that neither answers nor refuses: readiness is about all of them, and a process
that notes nothing for a while is taken for one that hangs. Its answer is noted whenever it comes."""

log = structlog.get_logger(__name__)


class Member(Protocol):
    """What works for a pool: the worker, or the system pool's duties."""

    @property
    def consuming(self) -> bool:
        """Whether it really does its work now."""

    async def run(self) -> None:
        """Work until stopped.

        Raises:
            UnavailableError: it could not begin; `run` may be called again.

        """

    async def stop(self) -> None:
        """Take on nothing more."""

    async def drain(self, *, finish_seconds: float, hurry: asyncio.Event, hand_back_seconds: float) -> None:
        """Finish or hand back what is at hand."""

    async def beat(self) -> None:
        """Keep what is at hand."""

    async def look(self) -> None:
        """See what has become of what is at hand, and tell how far it has come; cheap."""


Probe = Callable[[], Awaitable[object]]
"""Ends by itself, sooner or later: until then it is not begun again."""


@dataclass(slots=True)
class Runtime:
    """One consumer process, from start to stop."""

    member: Member
    events: Events
    health: Health
    probes: Mapping[str, Probe]
    """How to tell whether a dependency answers, by the name that readiness gives it."""
    worn: Callable[[], str | None]
    """Says why this process must be replaced; None while it need not be."""
    beat_seconds: float
    grace_seconds: float
    hand_back_seconds: float
    _stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _asked: dict[str, asyncio.Future[object]] = field(init=False, default_factory=dict)
    """The probes under way, of `_watch`."""

    def obey_signals(self) -> None:
        """Stop in good order at SIGTERM and SIGINT, and without finishing anything at the second one."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        """Begin to stop; called again, hurry."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def run(self) -> None:
        """Work until told to stop, and have everything finished or handed back then.

        Raises:
            UnavailableError: a dependency refuses in a way that waiting cannot mend, such as wrong credentials, or
                this process is worn and has stopped to be replaced.

        """
        loops = [asyncio.create_task(loop) for loop in (self._beat(), self._look(), self._watch(), self.events.run())]
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait({working, stopping, *loops}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            worn = self.worn()
            await self._shut_down(working)
        finally:
            left: list[asyncio.Future[Any]] = [*loops, stopping, working, *self._asked.values()]
            for each in left:
                each.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        if worn:
            raise UnavailableError(worn, retry_after=None)

    async def _shut_down(self, working: asyncio.Task[None]) -> None:
        log.info("stopping", grace_seconds=self.grace_seconds)
        self.health.note("consuming", "stopping")
        await self.member.stop()
        await self.member.drain(
            finish_seconds=self.grace_seconds - self.hand_back_seconds,
            hurry=self._hurry,
            hand_back_seconds=self.hand_back_seconds - CLOSE_SECONDS,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.events.flush()
                await asyncio.wait({working})
        log.info("stopped")

    async def _work(self) -> None:
        for name in self.probes:
            await self._reach(name)
        while not self._stopping.is_set():
            try:
                await self.member.run()
            except UnavailableError as error:
                self._complain("consuming", error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _reach(self, name: str) -> None:
        while True:
            try:
                await self.probes[name]()
            except UnavailableError as error:
                self._complain(name, error)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self.health.note(name, None)
                return

    def _complain(self, name: str, error: UnavailableError) -> None:
        """Say what is missing; raise where waiting cannot help."""
        self.health.note(name, error.detail)
        if error.retry_after is None:
            raise error
        log.warning("not ready, trying again", dependency=name, problem=error.detail)

    async def _watch(self) -> None:
        while True:
            await asyncio.gather(*map(self._probe, self.probes))
            if not self._stopping.is_set():
                self.health.note("consuming", None if self.member.consuming else "nothing is taken from the queue")
                self._replace_if_worn()
            await asyncio.sleep(WATCH_SECONDS)

    def _replace_if_worn(self) -> None:
        if worn := self.worn():
            self.health.note("functions", worn)
            log.error("stopping to be replaced", problem=worn)
            self.stop()

    async def _probe(self, name: str) -> None:
        """Note how a dependency answers. One that does not is waited for on: each probe may hold a thread meanwhile."""
        if name not in self._asked:
            self._asked[name] = asyncio.ensure_future(self.probes[name]())
        await asyncio.wait({self._asked[name]}, timeout=PROBE_SECONDS)
        if not self._asked[name].done():
            self.health.note(name, f"no answer within {PROBE_SECONDS:g} s")
            return
        try:
            self._asked.pop(name).result()
        except UnavailableError as error:
            self.health.note(name, error.detail)
        else:
            self.health.note(name, None)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.beat_seconds)
            await self.member.beat()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.member.look()
