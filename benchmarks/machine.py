"""The ground under the figures: servers with their data in memory, and a core of its own for each side of the wire.

Whoever is measured runs on the client's cores; the servers, and what puts load on the measured, on the machine's last
one. Where there is one core, all share it: then a ratio still holds, and no rate means anything.

Forbidden here: what is measured.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import redis

from benchmarks import environment
from benchmarks.contestant import Contestant
from tools.stack import web
from tools.stack.components import BUCKET
from tools.stack.packages import own_release
from tools.stack.server import LOOPBACK
from tools.stack.serverset import ServerSet
from tools.stack.steps import upload
from warren.broker.provision import provision
from warren.pool import DEFAULT_POOLS, Pool
from warren.topology import topology

PORTS_FROM: Final = 16000
API_PORT: Final = PORTS_FROM + 850
POOL: Final[Pool] = DEFAULT_POOLS[0]
IN_FLIGHT: Final = 256
"""How many publishes are under way, and how many deliveries a consumer may hold, on every side that can be told."""

READY_SECONDS: Final = 60.0
_CHECKOUT: Final = Path(__file__).parent.parent
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a tmpfs is the point: a disk's bad moments are not ours to measure
_FOREIGN: Final = ("WARREN_", "AWS_", "PYTHON")


@dataclass(frozen=True)
class Ground:
    """Running servers, and processes started beside them; all end with it."""

    servers: ServerSet
    folder: Path
    client_cores: Sequence[int]
    server_cores: Sequence[int]
    _stack: ExitStack = field(default_factory=ExitStack)

    def own(self, name: str, module: str, *arguments: str, loads: bool = False) -> Contestant:
        """Start a program of `benchmarks.programs`; one that `loads` what is measured runs beside the servers."""
        cores = self.server_cores if loads else self.client_cores
        command = [sys.executable, "-m", f"benchmarks.programs.{module}", *arguments]
        return self._start(name, command, cores, {"PYTHONPATH": str(_CHECKOUT)})

    def peer(self, name: str, program: str, *arguments: str) -> Contestant:
        """Start a program of the peers' environment."""
        programs = environment.programs()
        paths = {"PYTHONPATH": str(_CHECKOUT / "benchmarks" / "peers"), "PYTHONDONTWRITEBYTECODE": "1"}
        return self._start(name, [str(programs / program), *arguments], self.client_cores, paths)

    def component(self, name: str, **settings: str) -> Contestant:
        """Start one of Warren's own commands with `WARREN_*` settings."""
        common = {
            "broker_url": self.servers.broker_url(),
            "records_url": self.servers.records_url,
            "storage_bucket": BUCKET,
            "log_level": "warning",
        }
        settings = {f"WARREN_{key.upper()}": value for key, value in (common | settings).items()}
        settings |= dict(self.servers.objects_environment)
        return self._start(name, [str(Path(sys.executable).with_name(name))], self.client_cores, settings)

    def api(self) -> tuple[Contestant, str]:
        """Start a producer; return it, ready, with its URL."""
        producer = self.component("warren-producer", host=LOOPBACK, port=str(API_PORT))
        url = f"http://{LOOPBACK}:{API_PORT}"
        self.until(lambda: answers(f"{url}/healthz"), producer)
        return producer, url

    def empty(self, *queues: str) -> None:
        """Empty the store and the queues, so that nobody pays for the backlog of the one before."""
        for queue in queues:
            web.call("DELETE", f"{self.servers.management_url()}api/queues/%2F/{queue}/contents")
        with self.store() as store:
            store.flushall()

    def store(self) -> redis.Redis:
        """Return a client of the store."""
        return redis.Redis.from_url(self.servers.records_url)

    @staticmethod
    def until(met: Callable[[], bool], watched: Contestant, *, every: float = 0.05) -> None:
        """Wait until the condition is met. Raises `TimeoutError`, or what `watched` has to say when it ends."""
        deadline = time.monotonic() + READY_SECONDS
        while not met():
            watched.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"not met within {READY_SECONDS:.0f} s")
            time.sleep(every)

    @contextmanager
    def scene(self) -> Iterator[None]:
        """End whatever was started inside the block."""
        outer = self._stack.pop_all()
        try:
            with self._stack:
                yield
        finally:
            self._stack.push(outer)

    def _start(
        self, name: str, command: Sequence[str], cores: Sequence[int], settings: Mapping[str, str]
    ) -> Contestant:
        known = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        own = {
            "BENCHMARK_BROKER": self.servers.broker_url(),
            "BENCHMARK_STORE": self.servers.records_url,
            "BENCHMARK_PREFETCH": str(IN_FLIGHT),
        }
        started = Contestant(
            f"{name}-{time.monotonic_ns()}",
            command,
            cores=cores,
            environment={**known, **own, **settings},
            folder=self.folder,
        )
        self._stack.callback(started.stop)
        return started


def answers(url: str) -> bool:
    """Tell whether somebody answers there."""
    try:
        return web.call("GET", url).status == web.OK
    except OSError:
        return False


@contextmanager
def ground() -> Iterator[Ground]:
    """Run a broker, a store and object storage on tmpfs, with Warren's topology and bucket."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="warren-benchmark-", dir=_MEMORY) as state:
        # Children inherit the core, and Erlang starts as many schedulers as it has cores.
        os.sched_setaffinity(0, cores[-1:])
        with ServerSet.create(Path(state), PORTS_FROM, own_release()).running() as running:
            os.sched_setaffinity(0, cores)
            wanted = topology(DEFAULT_POOLS)
            asyncio.run(provision(wanted, running.broker_url(), running.management_url(), lambda _: None))
            upload(running.objects_environment)
            yield Ground(running, Path(state), cores[:-1] or cores, cores[-1:])
