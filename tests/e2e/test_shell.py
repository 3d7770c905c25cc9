"""What an operator's person asks in a shell: is all well, and what is to be done?"""

import asyncio
import json
from typing import Any

import aio_pika
import httpx2
import pytest

from tests.e2e import broker
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.shell import Shell
from warren.client import Client
from warren.pool import DEFAULT_POOLS
from warren.topology import DELIVERY_LIMIT, topology

pytestmark = pytest.mark.timeout(300)

VALKEY = "statefulset/warren-valkey"
AS_IT_SHOULD_BE = {"ok", "orphaned", "surplus"}
(QUEUE,) = (queue for queue in topology(DEFAULT_POOLS).queues if queue.name == DEFAULT_POOLS[0].due_queue)
(POLICY,) = (policy for policy in topology(()).policies if policy.name == "warren-tasks")
FORMER_LIMIT = '{"delivery-limit": 7}'
TASK = {"task": "echo", "args": {"text": "hello"}}


@pytest.fixture(name="shell")
def _shell(namespace: Namespace) -> Shell:
    return Shell(namespace)


def test_the_doctor_finds_everything_well(shell: Shell, diary: Diary) -> None:
    diary.say(shell.run("doctor"))
    code, findings = _doctor(shell, *shell.topology)
    assert code == 0
    assert [finding for finding in findings if finding["level"] in {"problem", "warning"}] == []
    seen = {finding["dependency"] for finding in findings if finding["level"] == "ok"}
    assert seen == {"settings", "producer", "broker", "records", "storage"}


def test_the_topology_is_as_it_should_be(shell: Shell) -> None:
    checked = shell.tried("topology", "check", environment=shell.topology)
    assert checked.returncode == 0, checked.stdout


def test_what_changed_in_a_queues_arguments_is_said_with_the_steps_that_mend_it(
    namespace: Namespace, shell: Shell, diary: Diary
) -> None:
    """A tunable is changed by `apply` itself; an argument of a queue cannot be, and nothing else waits for that."""
    former = {**QUEUE.arguments, "x-message-ttl": 5000}
    broker.rabbitmqctl(namespace, "delete_queue", QUEUE.name)
    with namespace.forwarded("warren-rabbitmq", broker.PORT) as address:
        asyncio.run(_declare(f"amqp://{shell.topology_account}@{address}/", QUEUE.name, former))
    broker.rabbitmqctl(namespace, "set_policy", "--apply-to", "queues", POLICY.name, POLICY.pattern, FORMER_LIMIT)

    before = _differences(shell)
    assert before[POLICY.name]["detail"] == f"delivery-limit 7 -> {DELIVERY_LIMIT}"
    assert before[QUEUE.name]["verdict"] == "conflict"
    assert before[QUEUE.name]["detail"].startswith("x-message-ttl is 5000, wanted is 0; arguments of a queue cannot")
    applied = shell.tried("topology", "apply", environment=shell.topology)
    diary.say(f"{applied.stdout}{applied.stderr}")
    assert applied.returncode == 1
    assert all(words in applied.stderr for words in (before[QUEUE.name]["detail"], *before[QUEUE.name]["advice"]))
    assert _differences(shell).keys() == {QUEUE.name}

    for program, *arguments in map(str.split, before[QUEUE.name]["advice"]):
        if program == "rabbitmqctl":
            broker.rabbitmqctl(namespace, *arguments)
        elif program == "warren":
            assert shell.tried(*arguments, environment=shell.topology).returncode == 0
    assert _differences(shell) == {}


async def _declare(url: str, queue: str, arguments: dict[str, Any]) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(queue, durable=True, arguments=arguments)


def _differences(shell: Shell) -> dict[str, dict[str, Any]]:
    """Return what `warren topology check` says of all that does not stand as it should, by name."""
    checked = shell.tried("topology", "check", "-o", "json", environment=shell.topology)
    said = json.loads(checked.stdout)
    steps = {step["name"]: step for step in said["steps"] if step["verdict"] not in AS_IT_SHOULD_BE}
    assert (said["complete"], checked.returncode) == (not steps, bool(steps))
    return steps


def test_the_doctor_names_a_store_that_is_away(
    namespace: Namespace, shell: Shell, api: str, client: Client, diary: Diary
) -> None:
    namespace.run("scale", VALKEY, "--replicas=0")
    try:
        until("the store is gone", lambda: not namespace.tried("get", "pod", "warren-valkey-0"), seconds=40)
        code, findings = _doctor(shell)
        ready = until("the producer has seen it", lambda: _unready(api), seconds=10)
        answer = httpx2.post(f"{api}/v1/tasks", json=TASK, timeout=10)
    finally:
        namespace.run("scale", VALKEY, "--replicas=1")
    problems = {finding["dependency"]: finding for finding in findings if finding["level"] == "problem"}
    diary.say("\n".join(f"{name}: {found['detail']} -> {found['advice']}" for name, found in problems.items()))
    diary.say(f"{ready}\n{answer.status_code} after {answer.elapsed.total_seconds():.2f} s: {answer.text}")
    assert (code, set(problems)) == (1, {"records", "producer"})
    assert "WARREN_RECORDS_URL" in problems["records"]["advice"]
    assert ready["dependencies"]["records"]["state"] != "ok"
    assert (answer.status_code, answer.json()["code"]) == (503, "records-unavailable")
    assert answer.elapsed.total_seconds() < 1.5
    namespace.await_rollout(VALKEY)
    until("all is well again", lambda: _doctor(shell)[0] == 0, seconds=20)
    assert client.submit("echo", text="back").get(30) == "back"


def _doctor(shell: Shell, *environment: str) -> tuple[int, list[dict[str, Any]]]:
    done = shell.tried("doctor", "-o", "json", environment=environment)
    assert not done.stderr.replace("command terminated with exit code 1", "").strip(), done.stderr
    return done.returncode, json.loads(done.stdout)


def _unready(api: str) -> dict[str, Any] | None:
    """Return what `/readyz` says, always with 200, once it is not `ready`."""
    answer = httpx2.get(f"{api}/readyz")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return None if document["status"] == "ready" else document
