"""The installation under a soak: real servers, a producer, the system pool and several consumers, as local processes.

Each process reaches broker and store through proxies of its own, so that its connections can be cut without a word.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.plan import LEASE_SECONDS
from tests.soak.proxy import Proxy
from tests.soak.traced import ROWS
from tools.stack import steps
from tools.stack.components import BUCKET, Component, program
from tools.stack.packages import Release
from tools.stack.process import Command
from tools.stack.server import LOOPBACK, Server
from tools.stack.serverset import ServerSet
from warren.pool import DEFAULT_POOLS, SYSTEM_POOL

CHECKOUT = Path(__file__).resolve().parents[2]
CONSUMERS = 3
CONCURRENCY = 16
"""Together they do about a hundred tasks a second, so that a busy machine, too, submits more than they do."""
_POOL = DEFAULT_POOLS[0].name
_PROXIES, _STORE_PROXIES, _API = 700, 750, 800


@dataclass
class Site:
    """Servers and processes, with their state in one folder and their ports from one base on."""

    state: Path
    base: int
    servers: ServerSet
    producer: Server[Component] = field(init=False)
    system: Server[Component] = field(init=False)
    consumers: list[Server[Component]] = field(init=False)
    proxies: dict[str, Proxy] = field(init=False, default_factory=dict)
    """Each process' way to the broker."""
    store_proxies: dict[str, Proxy] = field(init=False, default_factory=dict)
    """Each process' way to the record store."""
    deaths: dict[int, float] = field(init=False, default_factory=dict)
    """When each consumer died, by pid."""
    _pids: dict[str, int] = field(init=False, default_factory=dict)

    @classmethod
    def create(cls, state: Path, base: int, release: Release) -> Site:
        """Describe a site; nothing is started."""
        return cls(state, base, ServerSet.create(state / "servers", base, release))

    def __post_init__(self) -> None:
        """Describe the processes."""
        self._install_tasks()
        api = {"WARREN_HOST": LOOPBACK, "WARREN_PORT": str(self.base + _API)}
        self.producer = self._component("producer", "warren-producer", 0, api)
        self.system = self._consumer(SYSTEM_POOL, "system", "warren-system", 1)
        self.consumers = [
            self._consumer(_POOL, f"consumer-{number}", "warren-consumer", 2 + number) for number in range(CONSUMERS)
        ]

    @property
    def rows(self) -> Path:
        """Where the tasks write."""
        return self.state / "rows"

    @property
    def processes(self) -> list[Server[Component]]:
        """Warren's own."""
        return [self.producer, self.system, *self.consumers]

    @property
    def url(self) -> str:
        """The API."""
        return self.producer.spec.url

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run everything inside the block; the proxies must be served by then."""
        with self.servers.running():
            steps.upload(self.servers.objects_environment)
            steps.run(self._topology())
            try:
                for process in self.processes:
                    self.start(process)
                for process in self.processes:
                    process.wait()
                yield
            finally:
                for process in self.processes:
                    process.process.terminate()
                for process in self.processes:
                    process.stop()

    def start(self, process: Server[Component]) -> None:
        """Start one of Warren's processes, keeping the log of the one before it."""
        log = process.process.log
        if log.exists():
            log.rename(log.with_name(f"{log.stem}-{time.time():.0f}.log"))
        process.start()
        self._pids[process.spec.name] = process.process.pid or 0

    def kill(self, process: Server[Component]) -> None:
        """Kill one of Warren's processes."""
        process.kill()
        self._note_death(process)

    def tend(self) -> None:
        """Start again what has died by itself, as Kubernetes would; servers do not die by themselves."""
        for process in self.processes:
            if not process.process.alive():
                self._note_death(process)
                process.kill()
                self.start(process)
        for server in self.servers.servers:
            if not server.process.alive():
                raise server.died()

    def control(self, *arguments: str) -> None:
        """Run `rabbitmqctl`."""
        spec = self.servers.rabbitmq.spec
        command = spec.origin.command(["/usr/lib/rabbitmq/bin/rabbitmqctl", *arguments], spec.state)
        environment = {name: value for name, value in spec.prepare().environment.items() if name != "detached"}
        steps.run(Command(command, environment, spec.state))

    def _note_death(self, process: Server[Component]) -> None:
        self.deaths.setdefault(self._pids[process.spec.name], time.time())

    def _topology(self) -> Command:
        settings = {
            "WARREN_BROKER_URL": self.servers.broker_url("warren-topology"),
            "WARREN_BROKER_MANAGEMENT_URL": self.servers.management_url("warren-topology"),
        }
        return Command([program("warren"), "topology", "apply"], _bare_environment() | settings, self.state)

    def _consumer(self, pool: str, name: str, user: str, number: int) -> Server[Component]:
        settings = {
            "WARREN_POOL": pool,
            "WARREN_METRICS_PORT": str(self.base + _API + number),
            "WARREN_LEASE_SECONDS": str(LEASE_SECONDS),
            "WARREN_GRACE_SECONDS": "10",
        }
        if pool != SYSTEM_POOL:
            settings |= {"WARREN_CONCURRENCY": str(CONCURRENCY)}
        return self._component(name, user, number, settings)

    def _component(self, name: str, user: str, number: int, settings: Mapping[str, str]) -> Server[Component]:
        amqp = self.servers.rabbitmq.spec.listeners.amqp
        proxy = self.proxies[name] = Proxy(self.base + _PROXIES + number, amqp)
        store = self.servers.store.spec.ports[0]
        store_proxy = self.store_proxies[name] = Proxy(self.base + _STORE_PROXIES + number, store)
        environment = {
            "WARREN_LOG_FORMAT": "console",
            "WARREN_BROKER_URL": self.servers.broker_url(user).replace(f":{amqp}/", f":{proxy.port}/"),
            "WARREN_RECORDS_URL": self.servers.records_url.replace(f":{store}/", f":{store_proxy.port}/"),
            "WARREN_STORAGE_BUCKET": BUCKET,
            "PYTHONPATH": f"{self.state / 'tasks'}:{CHECKOUT}",
            ROWS: str(self.rows),
        }
        command = program("warren-producer" if name == "producer" else "warren-consumer")
        whole = _bare_environment() | environment | dict(self.servers.objects_environment) | dict(settings)
        return Server(Component(name, self.state / "processes", self.base + _API + number, [command], whole))

    def _install_tasks(self) -> None:
        described = self.state / "tasks" / "soak_tasks-1.0.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: soak-tasks\nVersion: 1.0\n")
        (described / "entry_points.txt").write_text("[warren.tasks]\nsoak = tests.soak.traced\n")
        (self.state / "processes").mkdir()
        self.rows.touch()


def _bare_environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "NO_PROXY": LOOPBACK}
