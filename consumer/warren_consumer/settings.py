"""The consumer's settings.

Forbidden here: reading the environment; `warren.settings.load` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from warren.outbound.addresses import Allowed
from warren.pool import SYSTEM_POOL, Pool, PoolKind
from warren.records import LEASE_SECONDS
from warren.settings import (
    MOST_SECONDS,
    BrokerSettings,
    HttpUrls,
    PoolsSettings,
    RecordsSettings,
    Settings,
    StorageSettings,
    Words,
    words,
)
from warren.webhook import Secret

HAND_BACK_SECONDS: Final = 30.0
"""How long before the end of its grace a stopping consumer hands back what it cannot finish."""

SERVE_CONCURRENCY: Final = 8


class ConsumerSettings(Settings, BrokerSettings, RecordsSettings, StorageSettings, PoolsSettings):
    """All settings of a consumer."""

    pool: str
    """The pool to work for: one of `pools`, or `system`."""
    broker_metrics_url: HttpUrls | None = None
    """Where RabbitMQ's plugin `rabbitmq_prometheus` answers, `http://host:15692`; of a cluster every node, by spaces.
    None: the system pool does not look for lost tasks."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many tasks it works on at once; None: 8 in a `serve` pool, 1 in a `train` pool."""
    cpus: Annotated[int, Field(ge=1)] = 1
    """How many cores numerics may use: the pod's CPU limit (downward API), for a container sees all of its node's."""
    lease_seconds: Annotated[float, Field(ge=1, le=MOST_SECONDS)] = LEASE_SECONDS
    """How long a task stays this consumer's without a heartbeat; a heartbeat comes every third of it."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where `/healthz`, `/readyz` and `/metrics` are served; 0: nowhere."""
    grace_seconds: Annotated[float, Field(ge=10, le=MOST_SECONDS)] = 60
    """How long it may take to stop: the pod's `terminationGracePeriodSeconds`."""

    callback_allow: Words = ()
    """Where webhooks may go besides public addresses: networks, addresses and hosts (`10.1.2.0/24 *.apps.svc`)."""
    webhook_secrets: Annotated[tuple[Secret, ...], BeforeValidator(words), Field(repr=False)] = ()
    """What webhooks are signed with (`whsec_...`) unless an API key has a secret for those of its tasks; of two, both
    sign: a receiver may know either. None: unsigned."""
    keys_dir: Path | None = None
    """The folder with the entries of the API keys (`warren keys create`), which sign the webhooks of their tasks."""

    @field_validator("callback_allow")
    @classmethod
    def _allows(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        Allowed.parse(words)
        return words

    @field_validator("pool")
    @classmethod
    def _exists(cls, name: str, info: ValidationInfo) -> str:
        known = [*(pool.name for pool in info.data.get("pools", ())), SYSTEM_POOL]
        if name not in known:
            msg = f"there is no pool {name!r}; WARREN_POOLS and Warren itself name: {', '.join(known)}"
            raise ValueError(msg)
        return name

    @property
    def served_pool(self) -> Pool | None:
        """The pool whose tasks are to be executed; None for the system pool."""
        return next((pool for pool in self.pools if pool.name == self.pool), None)

    @property
    def slots(self) -> int:
        """How many tasks to work on at once."""
        pool = self.served_pool
        usual = 1 if pool is None or pool.kind is PoolKind.TRAIN else SERVE_CONCURRENCY
        return self.concurrency or usual

    @property
    def hand_back_seconds(self) -> float:
        """How much of the grace is kept for handing back."""
        return min(HAND_BACK_SECONDS, self.grace_seconds / 2)
