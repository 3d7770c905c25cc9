"""The servers that everything else is tested on: they start, keep what they confirmed, and are gone afterwards."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aio_pika
import pytest
import redis
from aiormq.exceptions import ChannelAccessRefused

from tests.integration.servers import BASES, EMBEDDED_PORT, Workspace, create, ports_of, s3_client
from tools.stack import web
from tools.stack.embedded import API_OFFSET
from tools.stack.packages import RELEASES
from tools.stack.process import Identity
from tools.stack.serverset import ServerSet

QUEUE = "kept"
SUPERVISOR = """
import sys, time
from pathlib import Path
from tests.integration.servers import create
from tools.stack.packages import RELEASES

servers = create(RELEASES[0], Path(sys.argv[1]))
servers.start()
print(*(server.process.pid for server in servers.servers), flush=True)
time.sleep(600)
"""


async def publish(url: str, body: bytes) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, QUEUE)


async def fetch(url: str) -> bytes | None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(QUEUE, passive=True)
        message = await queue.get(fail=False, timeout=2)
        return message.body if message else None


def fetched(workspace: Workspace) -> bytes | None:
    """Fetch without acknowledging. A quorum queue has no leader for a moment after the listener is back."""
    try:
        return asyncio.run(fetch(workspace.broker_url()))
    except (TimeoutError, aio_pika.exceptions.AMQPError):
        return None


def eventually(met: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not met() and time.monotonic() < deadline:
        time.sleep(0.1)
    return met()


def listening_elsewhere(ports: set[int]) -> list[str]:
    """Return the listening sockets on these ports whose address is not a loopback one."""
    found = []
    for table, loopback in (("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(port, 16) in ports and address != loopback:
                found.append(f"{table} {address}:{int(port, 16)}")
    return found


def test_the_lines_are_those_that_were_asked_for(servers: ServerSet, request: pytest.FixtureRequest) -> None:
    overview = web.call("GET", f"{servers.management_url()}api/overview").json()
    with redis.Redis.from_url(servers.records_url) as store:
        flavour = "valkey" if "valkey_version" in store.info("server") else "redis"

    line = ".".join(overview["rabbitmq_version"].split(".")[:2])
    assert f"rabbitmq-{line}-{flavour}" in request.node.name


def test_guest_does_not_exist(servers: ServerSet) -> None:
    url = servers.management_url().replace(servers.management_url().split("@")[0], "http://guest:guest")

    assert web.call("GET", f"{url}api/overview").status == 401


def test_everything_listens_on_the_loopback_interface_only(servers: ServerSet) -> None:
    ports = {port for server in servers.servers for port in server.spec.ports}

    assert listening_elsewhere(ports) == []


def test_a_confirmed_message_survives_a_crash_of_the_broker(workspace: Workspace) -> None:
    asyncio.run(publish(workspace.broker_url(), b"persistent"))
    # The registry of quorum queues reaches the disk a second after a declaration (3.10 and 4.0); a crash before that
    # leaves a queue without a leader for good.
    time.sleep(2)

    workspace.servers.rabbitmq.kill()
    workspace.servers.rabbitmq.restart()

    assert eventually(lambda: fetched(workspace) == b"persistent", seconds=20)


def test_a_key_survives_a_crash_of_the_store(workspace: Workspace) -> None:
    with redis.Redis.from_url(workspace.records_url) as store:
        store.set("kept", "persistent")

    workspace.servers.store.kill()
    workspace.servers.store.restart()

    with redis.Redis.from_url(workspace.records_url) as store:
        assert store.get("kept") == b"persistent"
        assert store.config_get("appendfsync") == {"appendfsync": "always"}
        assert store.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_an_object_survives_a_crash_of_the_object_store(workspace: Workspace) -> None:
    s3 = s3_client(workspace.servers)
    s3.put_object(Bucket=workspace.bucket, Key="a/b", Body=b"persistent", IfNoneMatch="*")

    workspace.servers.objects.kill()
    workspace.servers.objects.restart()

    assert s3.get_object(Bucket=workspace.bucket, Key="a/b")["Body"].read() == b"persistent"
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=workspace.bucket, Key="a/b", Body=b"another", IfNoneMatch="*")


def test_prometheus_reads_the_depth_of_a_queue(workspace: Workspace) -> None:
    asyncio.run(publish(workspace.broker_url(), b"waiting"))
    assert workspace.servers.prometheus is not None
    query = f"{workspace.servers.prometheus.spec.url}/api/v1/query?query=rabbitmq_detailed_queue_messages_ready"

    def depth() -> list[str]:
        samples = web.call("GET", query).json()["data"]["result"]
        return [sample["value"][1] for sample in samples if sample["metric"]["vhost"] == workspace.name]

    assert eventually(lambda: depth() == ["1"], seconds=20), depth()


def test_a_frozen_store_hangs_until_it_is_thawed(workspace: Workspace) -> None:
    workspace.servers.store.freeze()
    try:
        store = redis.Redis.from_url(workspace.records_url, socket_timeout=0.3)
        with store, pytest.raises(redis.TimeoutError):
            store.ping()
    finally:
        workspace.servers.store.thaw()

    with redis.Redis.from_url(workspace.records_url) as store:
        assert store.ping()


def test_an_account_has_only_the_rights_it_was_given(workspace: Workspace) -> None:
    with pytest.raises(ChannelAccessRefused):
        asyncio.run(publish(workspace.broker_url("warren-consumer"), b"forbidden"))


def test_a_killed_supervisor_leaves_no_server_and_the_next_start_works(tmp_path: Path) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with supervisor.stdout:
        started = [Identity.of(int(pid)) for pid in supervisor.stdout.readline().split()]
    frozen = started[2]
    assert frozen is not None
    os.kill(frozen.pid, signal.SIGSTOP)
    stat = Path(f"/proc/{frozen.pid}/stat")
    assert eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", seconds=5)

    supervisor.kill()
    supervisor.wait()

    left = [process for process in started if process is not None]
    assert len(left) == 5
    assert eventually(lambda: not any(process.alive() for process in left), seconds=5)
    servers = create(RELEASES[0], tmp_path)
    with servers.running():
        pass
    assert not any(server.process.alive() for server in servers.servers)


def test_no_two_sets_of_servers_meet_on_a_port() -> None:
    taken = [port for base in BASES for port in ports_of(base)] + ports_of(EMBEDDED_PORT - API_OFFSET)
    assert len(set(taken)) == len(taken)
    assert max(taken) < EMBEDDED_PORT
