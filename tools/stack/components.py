"""Warren's own processes on a set of servers: the producer, the system pool and a consumer of each pool.

Each is told where things are by its environment alone, and connects to the broker as its own user.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.stack import web
from tools.stack.examples import Example
from tools.stack.process import Command
from tools.stack.server import LOOPBACK, NotReadyError
from tools.stack.serverset import ServerSet
from warren.pool import DEFAULT_POOLS, SYSTEM_POOL, Pool

BUCKET = "warren"
_GRACE_SECONDS = 15
_FOREIGN = ("WARREN_", "AWS_", "PYTHON")


@dataclass(frozen=True)
class Component:
    """One process of Warren; it serves its health on `port`."""

    name: str
    state: Path
    port: int
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    start_seconds: float = 60
    stop_seconds: float = _GRACE_SECONDS

    @property
    def ports(self) -> Sequence[int]:
        """Its one port."""
        return (self.port,)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> Command:
        """Return the command; there is nothing to configure."""
        return Command(self.arguments, self.environment, self.state)

    def check(self) -> None:
        """Ask whether it is ready."""
        answer = web.call("GET", f"{self.url}/readyz")
        if answer.status != web.OK:
            message = f"/readyz answers {answer.status}: {answer.body.decode(errors='replace')[:500]}"
            raise NotReadyError(message)


@dataclass(frozen=True)
class Components:
    """Describes the processes of one stack. The API listens on `port`, the others' health on those after it."""

    servers: ServerSet
    state: Path
    port: int
    examples: Mapping[Example, Path] = field(default_factory=dict)
    """Task packages that have pools of their own, each with the folder that it is installed in."""

    def all(self) -> list[Component]:
        """Return every component, the producer first."""
        pools = [SYSTEM_POOL, *(pool.name for pool in self._pools)]
        consumers = [self._consumer(pool, self.port + number) for number, pool in enumerate(pools, start=1)]
        return [self._producer(), *consumers]

    def topology(self) -> Command:
        """Return the command that declares what the broker must have."""
        user = "warren-topology"
        settings = {
            "WARREN_BROKER_URL": self.servers.broker_url(user),
            "WARREN_BROKER_MANAGEMENT_URL": self.servers.management_url(user),
        }
        environment = _clean_environment() | self._known_pools | settings
        return Command([program("warren"), "topology", "apply"], environment, self.state)

    @property
    def _pools(self) -> list[Pool]:
        return [*DEFAULT_POOLS, *(example.pool for example in self.examples)]

    @property
    def _known_pools(self) -> dict[str, str]:
        return {"WARREN_POOLS": " ".join(f"{pool.name}:{pool.kind}" for pool in self._pools)}

    def _producer(self) -> Component:
        settings = {"WARREN_HOST": LOOPBACK, "WARREN_PORT": str(self.port)} | _path(*self.examples.values())
        environment = self._environment("warren-producer") | settings
        return Component("producer", self.state, self.port, [program("warren-producer")], environment)

    def _consumer(self, pool: str, port: int) -> Component:
        user = "warren-system" if pool == SYSTEM_POOL else "warren-consumer"
        settings = {
            "WARREN_POOL": pool,
            "WARREN_METRICS_PORT": str(port),
            "WARREN_GRACE_SECONDS": str(_GRACE_SECONDS),
        }
        if pool == SYSTEM_POOL:
            settings["WARREN_BROKER_METRICS_URL"] = self.servers.broker_metrics_url
            settings["WARREN_CALLBACK_ALLOW"] = "127.0.0.0/8 ::1"
            settings["WARREN_WEBHOOK_SECRETS"] = self.servers.webhook_secret
        for example, folder in self.examples.items():
            if example.pool.name == pool:
                settings |= {"WARREN_CONCURRENCY": "1"} | example.settings | _path(folder)
        environment = self._environment(user) | settings
        name = f"consumer-{pool}"
        return Component(name, self.state, port, [program("warren-consumer")], environment)

    def _environment(self, user: str) -> dict[str, str]:
        settings = {
            "WARREN_LOG_FORMAT": "console",
            "WARREN_BROKER_URL": self.servers.broker_url(user),
            "WARREN_RECORDS_URL": self.servers.records_url,
            "WARREN_STORAGE_BUCKET": BUCKET,
        }
        return _clean_environment() | self._known_pools | settings | dict(self.servers.objects_environment)


def program(name: str) -> str:
    """Return the path of one of the distribution's commands, in the environment that runs this."""
    return str(Path(sys.executable).with_name(name))


def _path(*folders: Path) -> dict[str, str]:
    """Return the variable that lets a process import what is installed in the folders."""
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))} if folders else {}


def _clean_environment() -> dict[str, str]:
    """Return this process' environment without settings that are meant for another Warren, and without proxies."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {"NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK, "PYTHONUNBUFFERED": "1"}
