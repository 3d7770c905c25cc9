"""Programs that people write around their tasks: calls, asyncio, straight to the broker, many gathered, events."""

import asyncio
import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.broker import refusing
from tests.e2e.diary import Diary
from tests.e2e.line import Line
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import hold
from tests.e2e.shell import PRODUCER, Shell
from tests.e2e.terminal import watched
from tests.e2e.workshop import Workshop
from tests.e2e.workshop_tasks import POOL, assemble, carve, pass_on
from warren.client import AsyncClient, Client
from warren.errors import InvalidRequestError, TaskFailedError
from warren.record import State

pytestmark = pytest.mark.timeout(300)

GATHER = Path(__file__).parents[2] / "examples" / "gather" / "gather.py"
COUNT = 30
DIRECT = """
import os, time
from functools import partial
from warren import Client
from warren.errors import BrokerUnavailableError

connected = partial(
    Client, os.environ["WARREN_BROKER_URL"], records=os.environ["WARREN_RECORDS_URL"], pools="workshop"
)
with connected(patience=30) as client, connected(patience=0) as hasty:
    job = client.submit("carve", seconds=0.1)
    print(job.get(timeout=30), job.status.value)
    print(client.submit("carve", seconds=600, options={"delay_seconds": 600}).cancel().status.value)
    ids, refused = [], 0
    while not os.path.exists("/tmp/enough"):
        key = f"{job.id} {len(ids)}"
        try:
            hasty.submit("carve", seconds=0, idempotency_key=key)
        except BrokerUnavailableError:
            refused += 1
        ids.append(client.submit("carve", seconds=0, idempotency_key=key).id)
        time.sleep(0.02)
    again = [client.submit("carve", seconds=0, idempotency_key=f"{job.id} {number}").id for number in range(len(ids))]
    print(again == ids, refused > 0, set(client.gather(map(client.job, ids), timeout=30)))
    print(*ids)
"""
"""A program inside the trust domain, which goes on submitting while the broker refuses it."""

PODS = "app.kubernetes.io/component=producer"
ASKED, LOST = 8, 5
"""How many tasks are submitted side by side, and how many of the first answers get lost."""
REFUSED_SECONDS = 2
"""Longer than a publish waits for the connection that is being made again, and than the pause before the next try."""
LONG = 6
"""Seconds that a task takes while the producer is replaced."""


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


def test_a_program_inside_goes_straight_to_the_broker_though_that_hangs_up_and_refuses_for_a_while(
    namespace: Namespace, workshop: Workshop, diary: Diary
) -> None:
    before = set(workshop.rows().started)
    with ThreadPoolExecutor() as several:
        program = several.submit(namespace.execute, PRODUCER, "python3", "-c", DIRECT)
        until("it submits", lambda: len(workshop.rows().started) > len(before) + 1, seconds=20)
        with refusing(namespace, "warren-producer"):
            time.sleep(REFUSED_SECONDS)
        namespace.execute(PRODUCER, "touch", "/tmp/enough")  # noqa: S108 - of a pod
        done = program.result()
    assert done.returncode == 0, done.stderr
    *told, last = done.stdout.splitlines()
    ids = last.split()
    diary.say(f"{len(ids)} tasks were submitted meanwhile, each twice")
    started = {task_id: times for task_id, times in workshop.rows().started.items() if task_id not in before}
    assert told == ["1 succeeded", "canceled", "True True {1}"]
    assert len(started) == len(ids) + 1
    assert started.keys() > set(ids)
    assert set(started.values()) == {1}


def test_what_a_client_asks_for_is_done_once_though_answers_and_producers_are_lost(
    namespace: Namespace, workshop: Workshop
) -> None:
    before = set(workshop.rows().started)
    with Line() as line, Client(line.url, patience=60) as client, ThreadPoolExecutor() as several:
        with namespace.forwarded("warren-producer", 8000) as address:
            line.lead_to(address)
            line.lose(1)
            job = client.submit("carve", seconds=LONG)
            result = several.submit(job.get, 60)
            others = several.submit(asyncio.run, _asked_for(line))
            until("all are started", lambda: len(workshop.rows().started) > len(before) + ASKED, seconds=20)
            namespace.replace(PODS)
        with namespace.forwarded("warren-producer", 8000) as address:
            line.lead_to(address)
            assert result.result() == 1
            ids = {job.id, *others.result()}
    assert line.lost == 1 + LOST
    started = {task_id: times for task_id, times in workshop.rows().started.items() if task_id not in before}
    assert started == dict.fromkeys(ids, 1)


async def _asked_for(line: Line) -> list[str]:
    """Submit tasks side by side by another client, have their results, and return their ids."""
    async with AsyncClient(line.url, patience=60) as client:
        line.lose(LOST)
        jobs = await asyncio.gather(*(client.submit("carve", seconds=LONG) for _ in range(ASKED)))
        assert await client.gather(jobs, timeout=60) == [1] * ASKED
        return [job.id for job in jobs]


def test_the_results_of_two_types_of_workers_are_gathered(namespace: Namespace, api: str, diary: Diary) -> None:
    """By the example's program: over HTTP from outside, then straight to the broker from inside."""
    command = [sys.executable, str(GATHER), str(COUNT)]
    outside = watched(command, os.environ | {"WARREN_URL": api})
    inside = namespace.execute(PRODUCER, "python3", "-m", "gather", str(COUNT))
    for done in (outside, inside):
        diary.say(done.stdout)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"495 words on {COUNT} pages, 10 of them read twice\n172 primes below 1029\n"
    ended = [int(count) for count in re.findall(rf"(\d+)/{2 * COUNT}\b", outside.stderr)]
    diary.say(f"the bar in a terminal: {ended}")
    assert (ended[0], ended, ended[-1]) == (0, sorted(ended), 2 * COUNT)
    assert len(set(ended)) > 2, "it moves while they end"
    assert inside.stderr.count(f"{2 * COUNT}/{2 * COUNT}") == inside.stderr.count("\n") == 1, "elsewhere in one line"


def test_all_that_happens_is_printed(namespace: Namespace, client: Client) -> None:
    shell = Shell(namespace)
    with ThreadPoolExecutor() as several:
        every = several.submit(shell.tried, "events", "--count=4", "-o", "json", "task.*.carve")
        failed = several.submit(shell.tried, "events", "--count=1", "task.failed.*")
        jobs = []
        while not (every.done() and failed.done()):
            jobs.append(carve.with_options(client=client).delay(0.1))
            jobs[-1].wait(30)  # each ends before the next begins, or all that is printed may be beginnings
            assemble.with_options(client=client).delay("hinge").wait(30)
    events = [json.loads(line) for line in every.result().stdout.splitlines()]
    assert {event["event"] for event in events} == {"task.started.carve", "task.succeeded.carve"}
    assert {event["id"] for event in events} <= {job.id for job in jobs}
    assert "'hinge' is not on the shelf" in failed.result().stdout
