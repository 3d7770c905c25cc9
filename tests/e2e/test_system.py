"""The system pool: what waits for it outlives its deaths."""

import asyncio
import json
from collections.abc import Sequence

import aio_pika
import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.shell import Shell
from tests.e2e.store import Store
from warren.client import Client
from warren.record import State
from warren.tasks import new_task_id

pytestmark = pytest.mark.timeout(300)

SYSTEM = "deployment/warren-system"
PODS = "app.kubernetes.io/component=system"
MALFORMED, FOREIGN = 2000, 50
DELAYED = {"delay_seconds": 3600}


def test_dead_letters_and_foreign_results_are_all_recorded(namespace: Namespace, client: Client, diary: Diary) -> None:
    shell, store = Shell(namespace), Store(namespace)
    namespace.run("scale", SYSTEM, "--replicas=0")
    until("the system pool is away", lambda: not namespace.names("pods", PODS), seconds=60)
    jobs = client.submit_many({"task": "echo", "args": {"text": "x"}, "options": DELAYED} for _ in range(FOREIGN))
    with namespace.forwarded("warren-rabbitmq", 5672) as address:
        asyncio.run(_publish(f"amqp://{shell.topology_account}@{address}/", [job.id for job in jobs]))
    assert client.submit("echo", text="awake").get(30) == "awake"
    until("the consumer has refused all that is malformed", lambda: _dead(shell) >= MALFORMED, seconds=30, every=1)

    before = store.dead
    namespace.run("scale", SYSTEM, "--replicas=1")
    until("it records", lambda: store.dead > before, seconds=40, every=0.05)
    (pod,) = namespace.names("pods", PODS)
    namespace.kill(pod)
    diary.say(f"{pod} is killed after {store.dead - before} of {MALFORMED} dead letters")
    until("all dead letters are recorded", lambda: store.dead - before >= MALFORMED, seconds=40)
    records = [job.wait(30) for job in jobs]
    assert [(record.status, record.result) for record in records] == [(State.SUCCEEDED, "done")] * FOREIGN
    until("the broker's dead letters are empty", lambda: _dead(shell) == 0, seconds=20, every=1)
    assert _recorded(client) == MALFORMED
    discarded = client.dead_letters(code="invalid-message").discard_many(every=True, limit=MALFORMED)
    assert len(discarded) == MALFORMED
    namespace.await_rollout(SYSTEM)


async def _publish(url: str, task_ids: Sequence[str]) -> None:
    """Publish messages that are no tasks, and results as a worker in another language does."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        tasks = await channel.get_exchange("warren.tasks", ensure=False)
        results = await channel.get_exchange("warren.results", ensure=False)
        mode = aio_pika.DeliveryMode.PERSISTENT
        await asyncio.gather(
            *(
                tasks.publish(aio_pika.Message(b"no task", message_id=new_task_id(), delivery_mode=mode), "cpu")
                for _ in range(MALFORMED)
            ),
            *(
                results.publish(aio_pika.Message(b'"done"', message_id=task_id, delivery_mode=mode), "warren.results")
                for task_id in task_ids
            ),
        )


def _recorded(client: Client) -> int:
    return len({letter.id for letter in client.dead_letters(code="invalid-message")})


def _dead(shell: Shell) -> int:
    """Return how many dead letters of the pool `cpu` the broker holds."""
    listed = shell.tried("pools", "list", "-o", "json", environment=shell.topology)
    return {row["pool"]: int(row["dead_letters"]) for row in json.loads(listed.stdout)}["cpu"]
