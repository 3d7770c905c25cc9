"""Tasks whose messages the broker has lost, of a pool that nobody works for.

The system pool takes nothing for lost before its queue was empty for minutes, so they are lost in good time before a
scenario looks what has become of them.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

from tests.e2e.broker import rabbitmqctl
from tests.e2e.namespace import Namespace
from warren.client import Client, Job

POOL: Final = "attic"
_TASKS: Final = 3


@dataclass(frozen=True)
class Lost:
    """What was lost, and when."""

    jobs: list[Job[Any]]
    delayed: Job[Any]
    """One of the same pool that waits elsewhere, and is not lost."""
    at: float


def lose(namespace: Namespace, client: Client) -> Lost:
    """Submit tasks, and purge their queue."""
    work = {"task": "echo", "args": {"text": "lost"}}
    jobs = client.submit_many([work | {"options": {"pool": POOL}}] * _TASKS)
    delayed = client.submit("echo", text="not lost", options={"pool": POOL, "delay_seconds": 3600})
    rabbitmqctl(namespace, "purge_queue", f"warren.tasks.{POOL}")
    return Lost(jobs, delayed, time.time())
