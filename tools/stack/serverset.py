"""The servers that Warren needs, as one thing: started together, ended together, addressed by what clients ask for."""

import fcntl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tools import gobuild
from tools.stack.credentials import Credentials
from tools.stack.origin import Origin, origin_of
from tools.stack.packages import Release, server_packages
from tools.stack.server import LOOPBACK, Server, ServerError
from tools.stack.servers.prometheus import Prometheus, Target
from tools.stack.servers.rabbitmq import BrokerPorts, PortMapper, RabbitMQ
from tools.stack.servers.store import Store
from tools.stack.servers.versitygw import ObjectStore
from warren.topology import TRAIN_CONSUMER_TIMEOUT_MS, User, users

ADMINISTRATOR = User("warren-administrator", ".*", ".*", ".*", ("administrator",))
_QUEUE_FAMILIES = {"family": ["queue_coarse_metrics", "queue_consumer_count"]}


@dataclass(frozen=True)
class Ports:
    """Where everything listens, counted from a base, so that a second set only needs another base."""

    base: int

    @property
    def broker(self) -> BrokerPorts:
        """RabbitMQ's and its port mapper's."""
        return BrokerPorts(*(self.base + offset for offset in (672, 673, 674, 675, 676)))

    @property
    def store(self) -> int:
        """Redis' or Valkey's."""
        return self.base + 679

    @property
    def objects(self) -> int:
        """The S3 server's."""
        return self.base + 690

    @property
    def prometheus(self) -> int:
        """Prometheus'."""
        return self.base + 790


@dataclass(frozen=True)
class ServerSet:
    """A broker with its port mapper, a store, an S3 server and, where it was asked for, a Prometheus."""

    state: Path
    mapper: Server[PortMapper]
    rabbitmq: Server[RabbitMQ]
    store: Server[Store]
    objects: Server[ObjectStore]
    prometheus: Server[Prometheus] | None = None

    @classmethod
    def create(cls, state: Path, base: int, release: Release, *, prometheus: bool = False) -> Self:
        """Describe a set of the `release`'s servers in the `state` folder, and install what it needs.

        Nothing is started. Raises `DebianError`, `ChrootError` or `GoBuildError` where a program cannot be had.
        """
        parts = _Parts(state, Ports(base), release)
        rabbitmq = parts.rabbitmq()
        return cls(
            state=state,
            mapper=Server(parts.mapper()),
            rabbitmq=Server(rabbitmq),
            store=Server(parts.store()),
            objects=Server(parts.objects()),
            prometheus=Server(parts.prometheus()) if prometheus else None,
        )

    @property
    def servers(self) -> tuple[Server[Any], ...]:
        """All of them, in the order of their start."""
        own = (self.mapper, self.rabbitmq, self.store, self.objects)
        return (*own, self.prometheus) if self.prometheus else own

    @contextmanager
    def running(self, tick: Callable[[], None] = lambda: None) -> Iterator[Self]:
        """Run them, ready, inside the block; `tick` is called while waiting. Raises `ServerError`."""
        with self.only_one():
            try:
                self.start(tick)
                yield self
            finally:
                self.stop()

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Hold the state folder's lock inside the block. Raises `ServerError` when another run holds it."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"the servers of {self.state} are running already; end that run first"
                raise ServerError(message) from None
            yield

    def start(self, tick: Callable[[], None] = lambda: None) -> None:
        """Start all at once, and return when each is ready."""
        self.mapper.start()
        # RabbitMQ looks for the mapper early, and would start one of its own that outlives it.
        self.mapper.wait()
        for server in self.servers[1:]:
            server.start()
        for server in self.servers[1:]:
            server.wait(tick)

    def stop(self) -> None:
        """End all at once; the mapper last, since RabbitMQ takes leave of it."""
        for server in self.servers[1:]:
            server.process.terminate()
        for server in reversed(self.servers):
            server.stop()

    def broker_url(self, user: str = ADMINISTRATOR.name) -> str:
        """AMQP, as one of the topology's users or as the administrator."""
        return self.rabbitmq.spec.url("amqp", user)

    def management_url(self, user: str = ADMINISTRATOR.name) -> str:
        """RabbitMQ's management API, as one of the topology's users or as the administrator."""
        return self.rabbitmq.spec.url("http", user)

    @property
    def broker_metrics_url(self) -> str:
        """RabbitMQ's plugin for Prometheus."""
        return self.rabbitmq.spec.metrics_url.removesuffix("/metrics")

    @property
    def records_url(self) -> str:
        """The store of records."""
        return self.store.spec.url

    @property
    def webhook_secret(self) -> str:
        """What webhooks are signed with."""
        made = Credentials(self.state / "credentials.json").secret("webhooks")
        return f"whsec_{b64encode(made.encode()).decode()}"

    @property
    def objects_environment(self) -> Mapping[str, str]:
        """The AWS SDKs' variables for the S3 server."""
        return self.objects.spec.environment


@dataclass(frozen=True)
class _Parts:
    """The specs of one set."""

    state: Path
    ports: Ports
    release: Release

    def mapper(self) -> PortMapper:
        return PortMapper(self.state / "epmd", self.ports.broker.mapper, self._origin())

    def rabbitmq(self) -> RabbitMQ:
        # A line of RabbitMQ cannot always read what another has written.
        state = self.state / f"rabbitmq-{self.release.rabbitmq}"
        known = (ADMINISTRATOR, *users())
        passwords = {user.name: self._secret(user.name) for user in known}
        return RabbitMQ(state, self.ports.broker, self._origin(), known, passwords, TRAIN_CONSUMER_TIMEOUT_MS)

    def store(self) -> Store:
        state = self.state / self.release.store
        return Store(state, self.ports.store, self._origin(), self._secret("store"), self.release.store)

    def objects(self) -> ObjectStore:
        binary = gobuild.build("versitygw")
        keys = (self._secret("s3-access-key"), self._secret("s3-secret-key"))
        return ObjectStore(self.state / "versitygw", self.ports.objects, binary, *keys)

    def prometheus(self) -> Prometheus:
        broker = f"{LOOPBACK}:{self.ports.broker.metrics}"
        targets = (Target("rabbitmq", broker, "/metrics/detailed", _QUEUE_FAMILIES),)
        origin = origin_of(self.release.suite, ["prometheus"])
        return Prometheus(self.state / "prometheus", self.ports.prometheus, origin, targets)

    def _origin(self) -> Origin:
        return origin_of(self.release.suite, server_packages(self.release))

    def _secret(self, name: str) -> str:
        return Credentials(self.state / "credentials.json").secret(name)
