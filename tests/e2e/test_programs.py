"""Programs that people write around their tasks: calls, asyncio, straight to the broker, many gathered, events."""

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.pools import hold
from tests.e2e.shell import PRODUCER, Shell
from tests.e2e.workshop import Workshop
from tests.e2e.workshop_tasks import POOL, assemble, carve, pass_on
from warren.client import AsyncClient, Client
from warren.errors import InvalidRequestError, TaskFailedError
from warren.record import State

pytestmark = pytest.mark.timeout(300)

GATHER = Path(__file__).parents[2] / "examples" / "gather" / "gather.py"
COUNT = 30
DIRECT = """
import os
from warren import Client

with Client(os.environ["WARREN_BROKER_URL"], records=os.environ["WARREN_RECORDS_URL"], pools="workshop") as client:
    job = client.submit("carve", seconds=0.1)
    print(job.get(timeout=30), job.status.value)
    print(client.submit("carve", seconds=600, options={"delay_seconds": 600}).cancel().status.value)
"""
"""A program inside the trust domain."""


@pytest.fixture(autouse=True)
def _awake(namespace: Namespace, workshop: Workshop) -> None:
    """Have one consumer of the pool."""
    hold(namespace, workshop.pool, 1)


def test_functions_are_delayed_mapped_and_gathered(client: Client) -> None:
    mine = carve.with_options(client=client)
    job = mine.delay(0.1)
    jobs = mine.map([0.1] * COUNT)
    assert client.gather([job, *jobs], timeout=60) == [1] * (COUNT + 1)
    assert job.status is State.SUCCEEDED
    with pytest.raises(InvalidRequestError, match=r"args\.seconds"):
        mine.delay("long")  # type: ignore[arg-type]
    with pytest.raises(TaskFailedError, match="'hinge' is not on the shelf"):
        assemble.with_options(client=client).delay("hinge").get(30)


def test_a_function_has_another_called_and_waits_for_it(client: Client) -> None:
    assert pass_on.with_options(client=client).delay(0.1).get(60) == 1


def test_a_program_of_asyncio_does_the_same(api: str) -> None:
    asyncio.run(_asynchronous(api))


async def _asynchronous(api: str) -> None:
    async with AsyncClient(api) as client:
        mine = carve.with_options(client=client)
        jobs = [await mine.adelay(0.1), *await mine.amap([0.1] * COUNT)]
        endless = await client.submit("carve", seconds=600, options={"pool": POOL, "delay_seconds": 600})
        assert (await endless.cancel()).status is State.CANCELED
        ended = {job.id async for job in client.as_completed([*jobs, endless], timeout=60)}
        assert ended == {job.id for job in [*jobs, endless]}
        assert await client.gather(jobs, timeout=60) == [1] * (COUNT + 1)
        assert await jobs[0].status() is State.SUCCEEDED


def test_a_program_inside_goes_straight_to_the_broker(namespace: Namespace) -> None:
    done = namespace.execute(PRODUCER, "python3", "-c", DIRECT)
    assert (done.returncode, done.stdout) == (0, "1 succeeded\ncanceled\n"), done.stderr


def test_the_results_of_two_types_of_workers_are_gathered(namespace: Namespace, api: str, diary: Diary) -> None:
    """By the example's program: over HTTP from outside, then straight to the broker from inside."""
    command = [sys.executable, str(GATHER), str(COUNT)]
    environment = os.environ | {"WARREN_URL": api}
    outside = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    inside = namespace.execute(PRODUCER, "python3", "-m", "gather", str(COUNT))
    for done in (outside, inside):
        diary.say(done.stdout)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"495 words on {COUNT} pages, 10 of them read twice\n172 primes below 1029\n"


def test_all_that_happens_is_printed(namespace: Namespace, client: Client) -> None:
    shell = Shell(namespace)
    with ThreadPoolExecutor() as several:
        every = several.submit(shell.tried, "events", "--count=4", "-o", "json", "task.*.carve")
        failed = several.submit(shell.tried, "events", "--count=1", "task.failed.*")
        jobs = []
        while not (every.done() and failed.done()):
            jobs.append(carve.with_options(client=client).delay(0.1))
            assemble.with_options(client=client).delay("hinge").wait(30)
    events = [json.loads(line) for line in every.result().stdout.splitlines()]
    assert {event["event"] for event in events} == {"task.started.carve", "task.succeeded.carve"}
    assert {event["id"] for event in events} <= {job.id for job in jobs}
    assert "'hinge' is not on the shelf" in failed.result().stdout
