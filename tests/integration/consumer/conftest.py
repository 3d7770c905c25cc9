"""Fixtures: a topology, consumers, and a client inside the trust domain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.consumer.crew import Crew
from tests.integration.servers import Workspace
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.client.watch import Watch
from warren.objects.s3 import S3Objects
from warren.payloads import Payloads
from warren.pool import DEFAULT_POOLS, Pool
from warren.record import Record
from warren.submission import Submitter
from warren.tasks import Payload, Task
from warren.topology import topology

AT_ONCE = 20


class Client:
    """Submits tasks and reads their records and replies."""

    def __init__(self, workspace: Workspace) -> None:
        self.broker = AmqpBroker(workspace.broker_url())
        self.records = workspace.records()
        self.replies: list[str | None] = []
        self._reply_to: str | None = None
        self._submitter = Submitter(self.broker, self.records, Payloads(S3Objects(), workspace.bucket))

    async def listen(self) -> None:
        """Collect replies until cancelled."""
        async with self.broker.replies() as (name, subscription):
            self._reply_to = name
            async for delivery in subscription:
                self.replies.append(delivery.message.message_id)

    async def submit(self, name: str, count: int, seconds: float) -> list[Task]:
        """Submit numbered tasks that last so long."""
        await until(lambda: self._reply_to is not None)
        tasks = [
            Task(
                name, "cpu", Payload(f'{{"number": {number}, "seconds": {seconds}}}'.encode()), reply_to=self._reply_to
            )
            for number in range(count)
        ]
        for first in range(0, count, AT_ONCE):
            await asyncio.gather(*map(self._submitter.submit, tasks[first : first + AT_ONCE]))
        return tasks

    async def read(self, tasks: list[Task]) -> list[Record]:
        """Return the records of the tasks."""
        records = await self.records.read([task.id for task in tasks])
        found = [record for record in records if record is not None]
        assert len(found) == len(tasks)
        return found

    async def ended(self, tasks: list[Task], within: float) -> list[Record]:
        """Wait until all the tasks have ended and are told; return their records."""
        async with asyncio.timeout(within):
            while not all(record.state.terminal for record in await self.read(tasks)):  # noqa: ASYNC110 - see `until`
                await asyncio.sleep(0.2)
        await until(lambda: {task.id for task in tasks} <= set(self.replies), 15)
        return await self.read(tasks)

    async def watched(self, tasks: list[Task], within: float) -> list[Record]:
        """Wait for each task's end as the API's process does, whose reply queue goes with its connection."""
        async with Watch(self.broker, self.records) as watch:
            return await asyncio.gather(*(watch.wait(task.id, within) for task in tasks))


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that processes are about to do."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.05)


async def apply_topology(workspace: Workspace, *pools: Pool) -> None:
    """Do what `warren topology apply` does, for the default pools if none are named."""
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    await provision(topology(pools or DEFAULT_POOLS), *urls, lambda _: None)


@pytest.fixture
def crew(workspace: Workspace, tmp_path: Path) -> Iterator[Crew]:
    """Give consumers, none of which survives the test."""
    crew = Crew(workspace, tmp_path)
    yield crew
    crew.kill_all()


@pytest.fixture
async def client(workspace: Workspace) -> AsyncIterator[Client]:
    """Give a client of a broker whose topology is applied."""
    await apply_topology(workspace)
    client = Client(workspace)
    listening = asyncio.create_task(client.listen())
    yield client
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await client.broker.close()
    await client.records.close()
