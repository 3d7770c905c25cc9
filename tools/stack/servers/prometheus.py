"""Prometheus, reading what it is told to every 2 s, as the chart's does."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.stack import web
from tools.stack.origin import Origin
from tools.stack.process import PROGRAM_PATH, Command
from tools.stack.server import LOOPBACK, NotReadyError


@dataclass(frozen=True)
class Target:
    """Something that offers metrics: `host:port`, the path, and query parameters."""

    job: str
    address: str
    path: str = "/metrics"
    parameters: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def scrape(self) -> dict[str, object]:
        """Return it as an entry of Prometheus' configuration."""
        return {
            "job_name": self.job,
            "metrics_path": self.path,
            "params": dict(self.parameters),
            "static_configs": [{"targets": [self.address]}],
        }


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus with fixed targets."""

    state: Path
    port: int
    origin: Origin
    targets: Sequence[Target]
    name: str = "prometheus"
    start_seconds: float = 30
    stop_seconds: float = 10

    @property
    def ports(self) -> Sequence[int]:
        """Its one port."""
        return (self.port,)

    @property
    def url(self) -> str:
        """Where queries go."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> Command:
        """Write the configuration as JSON, which every YAML parser reads."""
        inside = self.origin.inside(self.state)
        scrapes = [target.scrape() for target in self.targets]
        configuration = {"global": {"scrape_interval": "2s", "scrape_timeout": "2s"}, "scrape_configs": scrapes}
        (self.state / "prometheus.yml").write_text(json.dumps(configuration, indent=1))
        arguments = [
            "/usr/bin/prometheus",
            f"--config.file={inside / 'prometheus.yml'}",
            f"--storage.tsdb.path={inside / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
        ]
        return Command(self.origin.command(arguments, self.state), {"PATH": PROGRAM_PATH}, self.state)

    def check(self) -> None:
        """Ask whether it is ready to answer queries."""
        status = web.call("GET", f"{self.url}/-/ready").status
        if status != web.OK:
            message = f"/-/ready answers {status}"
            raise NotReadyError(message)
