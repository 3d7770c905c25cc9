"""Real servers for integration tests: which ones, where, and a place of its own in them for every test."""

import itertools
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import redis

from tests.soak.proxy import Proxy
from tools.stack import steps, web
from tools.stack.embedded import API_OFFSET
from tools.stack.packages import Release
from tools.stack.server import is_free
from tools.stack.serverset import ADMINISTRATOR, Ports, ServerSet
from warren.records.redis import RedisRecords

BASES = range(17_160, 17_880, 30)
"""Where sets of servers may be: thirty apart, no port of one is a port of another (see `Ports`)."""

EMBEDDED_PORT = BASES.stop + API_OFFSET
"""Of the one run of `tools.stack` that tests begin at a time, whose servers are like a set on the next base."""

PATIENCE_SECONDS = 10.0
"""How long a test, which looks on, waits for a busy machine's store; what is tested has its own limits."""

_OWN_PORTS = 18_900
_OWN_PORTS_EACH = 80
_own_ports = itertools.cycle(range(_OWN_PORTS_EACH))


class Workspace:
    """A virtual host, a bucket and an empty store: whatever a test does there, the next one does not see.

    The host and the bucket are made when they are first asked for: many tests need the store alone.
    """

    def __init__(self, servers: ServerSet, name: str) -> None:
        self.servers = servers
        self._own = name

    @cached_property
    def name(self) -> str:
        """The test's own virtual host, in which each user of the topology has its rights."""
        management = self.servers.management_url()
        _expect_made(web.call("PUT", f"{management}api/vhosts/{self._own}", {}))
        for user in self.servers.rabbitmq.spec.users:
            rights = {"configure": user.configure, "write": user.write, "read": user.read}
            _expect_made(web.call("PUT", f"{management}api/permissions/{self._own}/{user.name}", rights))
        return self._own

    @cached_property
    def bucket(self) -> str:
        """The test's own bucket."""
        s3_client(self.servers).create_bucket(Bucket=self._own)
        return self._own

    @property
    def records_url(self) -> str:
        """The store, which was emptied."""
        return self.servers.records_url

    def records(self) -> RedisRecords:
        """Records in that store, as a test looks at them. Close them."""
        return RedisRecords(self.records_url, PATIENCE_SECONDS)

    def broker_url(self, user: str = ADMINISTRATOR.name) -> str:
        """AMQP in the test's own virtual host, as the administrator or one of the topology's users."""
        return f"{self.servers.broker_url(user)}{self.name}"

    def management_url(self, user: str = ADMINISTRATOR.name) -> str:
        """The management API; it serves all virtual hosts."""
        return self.servers.management_url(user)

    @property
    def objects_environment(self) -> Mapping[str, str]:
        """The AWS SDKs' variables."""
        return self.servers.objects_environment

    def clear(self) -> None:
        """Take the virtual host away: its queues would go on costing memory and time."""
        if "name" in vars(self):
            web.call("DELETE", f"{self.servers.management_url()}api/vhosts/{self._own}", timeout=30)


@contextmanager
def workspace(servers: ServerSet, name: str) -> Iterator[Workspace]:
    """Make a workspace of that name, and clear it afterwards."""
    with redis.Redis.from_url(servers.records_url) as store:
        store.flushall()
    own = Workspace(servers, name)
    try:
        yield own
    finally:
        own.clear()


def through_a_proxy(url: str) -> tuple[Proxy, str]:
    """Return a proxy before the server at this address, for a test to run, and the address that leads through it."""
    parts = urlsplit(url)
    proxy = Proxy(free_port(), parts.port or 0)
    return proxy, parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{proxy.port}").geturl()


def control(servers: ServerSet, *arguments: str) -> str:
    """Run `rabbitmqctl` on the broker; return what it said."""
    return steps.run(servers.rabbitmq.spec.control(*arguments))


def s3_client(servers: ServerSet):  # type: ignore[no-untyped-def]  # noqa: ANN201  boto3 makes its clients at run time
    """Return a client of the servers' S3."""
    known = servers.objects_environment
    return boto3.client(
        "s3",
        endpoint_url=known["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        region_name=known["AWS_REGION"],
    )


def create(release: Release, state: Path) -> ServerSet:
    """Describe a set of the release on ports that are free now, of those that this worker has to itself."""
    worker, workers = _share()
    base = next(base for base in BASES[worker::workers] if all(map(is_free, ports_of(base))))
    return ServerSet.create(state, base, release, prometheus=True)


def tied(*command: str | Path) -> list[str | Path]:
    """Return a command whose process the kernel kills with the main thread of this one, as when a run is killed."""
    if threading.current_thread() is not threading.main_thread():
        return [*command]  # the kernel would kill it with the thread that starts it
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


def free_port() -> int:
    """Return a port for a process under test, never the same one twice in a row: it is taken only when that listens."""
    first = _OWN_PORTS + _share()[0] * _OWN_PORTS_EACH
    return next(port for port in (first + offset for offset in _own_ports) if is_free(port))


def _share() -> tuple[int, int]:
    """Return which of how many workers of pytest-xdist this is: each has ports of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return int(worker.removeprefix("gw")), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def ports_of(base: int) -> list[int]:
    """Return where the servers of a set on this base listen."""
    ports, broker = Ports(base), Ports(base).broker
    listeners = [broker.amqp, broker.management, broker.metrics, broker.distribution, broker.mapper]
    return [*listeners, ports.store, ports.objects, ports.prometheus]


def _expect_made(answer: web.Answer) -> None:
    if answer.status not in {201, 204}:
        message = f"RabbitMQ's management API answers {answer.status}: {answer.body.decode(errors='replace')}"
        raise RuntimeError(message)
