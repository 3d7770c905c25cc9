"""Pools: a queue and the consumers that serve it.

Forbidden here: I/O, clocks, imports of adapters.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

SYSTEM_POOL: Final = "system"
"""The pool that Warren itself works from: webhooks, dead letters, sweeping. No task is submitted to it."""

POOL_NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
"""A pool's name is one word of a routing key and part of Kubernetes names, hence a short DNS label."""

_FOREIGN: Final = "foreign"


class PoolKind(StrEnum):
    """What a pool's tasks are like; a task of the wrong kind is refused."""

    SERVE = "serve"
    """Short work: predictions and functions."""
    TRAIN = "train"
    """Long work: training runs, hours to days."""


class Pool(BaseModel):
    """A pool as the topology and the submit path know it. How it scales is said by its ConsumerPool resource."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=f"^{POOL_NAME.pattern}$")
    kind: PoolKind = PoolKind.SERVE
    foreign: bool = False
    """Whether its workers are not Warren's: they hold no leases, so that the broker alone sees what kills them."""

    @property
    def queue(self) -> str:
        """The name of the queue that holds the pool's waiting tasks."""
        return f"warren.tasks.{self.name}"

    @property
    def dead_letter_queue(self) -> str:
        """The name of the queue to which the broker moves what it gave up on."""
        return f"warren.dead.{self.name}"

    @property
    def due_queue(self) -> str:
        """The name of the queue through which the pool's delayed tasks come to its queue when they are due."""
        return f"warren.delay.due.{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name`, `name:kind`, `name:foreign` or `name:kind:foreign`, as the setting `WARREN_POOLS` holds them.

        Raises:
            ValueError: the name or the kind is not valid (pydantic's ValidationError is one).

        """
        name, *words = text.strip().split(":")
        foreign = words[-1:] == [_FOREIGN]
        kind = ":".join(words[: len(words) - foreign])
        return cls(name=name, kind=PoolKind(kind or PoolKind.SERVE), foreign=foreign)


DEFAULT_POOLS: Final = (Pool(name="cpu"), Pool(name="train-cpu", kind=PoolKind.TRAIN))
"""The pools of the embedded run and of the chart's default values."""


def parse_pools(text: str) -> tuple[Pool, ...]:
    """Read pools as the setting `WARREN_POOLS` holds them: `cpu train-cpu:train stone:foreign`.

    Raises:
        ValueError: one of them is not valid.

    """
    return tuple(map(Pool.parse, text.replace(",", " ").split()))
