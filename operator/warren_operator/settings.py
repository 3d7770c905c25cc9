"""The operator's settings.

Forbidden here: defaults that only fit one deployment, reading the environment at import.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from pydantic import Field

from warren.settings import BrokerSettings, HttpUrls, PoolsSettings, RecordsSettings, Settings, StorageSettings, Url

_FRESH_PERIODS = 3
"""A figure older than this many scrapes is unknown."""


class OperatorSettings(BrokerSettings, RecordsSettings, StorageSettings, PoolsSettings, Settings):
    """What the operator is told by `WARREN_*` variables."""

    namespace: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    """The one namespace that it works in."""
    prometheus_url: Url = Field(pattern="^https?://")
    """Where the broker's figures come from."""
    broker_metrics_url: HttpUrls | None = None
    """Where RabbitMQ's plugin `rabbitmq_prometheus` answers, `http://host:15692`; of a cluster every node, by spaces.
    It is asked while Prometheus is away. None: then pools stay as they are."""
    scrape_seconds: float = Field(2.0, gt=0, le=60)
    """How often that Prometheus scrapes the broker; figures older than three times this are not relied on."""
    tick_seconds: float = Field(2.0, gt=0, le=30)
    """How often pools are decided on and the records of unfinished MLJobs read."""
    resync_seconds: float = Field(30.0, gt=0, le=600)
    """How often all resources are listed anew, so that a watch that has died costs no more than this."""
    metrics_port: int = Field(0, ge=0, le=65535)
    """Where `/healthz`, `/readyz` and `/metrics` are served; 0: on any free port, which the log names."""

    @property
    def fresh_seconds(self) -> float:
        """How old a figure may be."""
        return _FRESH_PERIODS * self.scrape_seconds

    @property
    def vhost(self) -> str:
        """The broker's vhost, as the URL names it."""
        return unquote(urlsplit(self.broker_url).path[1:]) or "/"
