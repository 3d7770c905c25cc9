"""A Deployment that KEDA scales, and who stands in for its pods: a consumer in this process for each of them.

A pod takes as long to start as it is told to, takes one task at a time, and finishes what it has begun when it goes.

Forbidden here: deciding how many pods there are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from benchmarks.keda.plane import Plane, Resource

NAME: Final = "workers"
_LABELS: Final = {"app": NAME}
_PODS: Final = f"/api/v1/namespaces/default/pods?watch=true&labelSelector=app%3D{NAME}"
_DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/default/deployments?watch=true&fieldSelector=metadata.name%3D{NAME}"


def deployment() -> dict[str, Any]:
    """Return the Deployment, asleep. Nobody runs its pods, so their image is none."""
    pod = {"metadata": {"labels": _LABELS}, "spec": {"containers": [{"name": "none", "image": "none"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": _LABELS}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _place(), "spec": spec}


def scaled_object(queue: str, management_url: str, value: float) -> dict[str, Any]:
    """Return the ScaledObject that scales it by so many tasks per replica. All else is as it is without a word."""
    metadata = {
        "protocol": "http",
        "host": management_url,
        "queueName": queue,
        "mode": "QueueLength",
        "value": f"{value:g}",
    }
    spec = {"scaleTargetRef": {"name": NAME}, "triggers": [{"type": "rabbitmq", "metadata": metadata}]}
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": _place(), "spec": spec}


def _place() -> dict[str, str]:
    return {"name": NAME, "namespace": "default"}


@dataclass
class Workers:
    """Those who stand in for the pods, and what was seen of them; times are those of `clock`."""

    connection: AbstractConnection
    queue: str
    services: Sequence[float]
    """How long each task takes, in seconds; a message's body is the number of its task."""
    start_seconds: float
    clock: Callable[[], float]
    begun: dict[int, float] = field(default_factory=dict)
    """When each task was begun."""
    curve: list[tuple[float, int]] = field(default_factory=list)
    """From when on the Deployment wanted how many replicas."""

    async def follow_deployment(self, plane: Plane) -> None:
        """Note how many replicas are wanted, until canceled."""
        async for _, found in plane.watch(_DEPLOYMENT):
            wanted = int(found["spec"]["replicas"])
            if not self.curve or self.curve[-1][1] != wanted:
                self.curve.append((self.clock(), wanted))

    async def follow_pods(self, plane: Plane) -> None:
        """Stand in for every pod there is, until canceled."""
        present: dict[str, asyncio.Event] = {}
        async with asyncio.TaskGroup() as everybody:
            async for happened, pod in plane.watch(_PODS):
                name = str(pod["metadata"]["name"])
                if _goes(happened, pod):
                    if name in present:
                        present[name].set()
                elif name not in present:
                    present[name] = asyncio.Event()
                    everybody.create_task(self._stand_in(present[name]))

    async def _stand_in(self, leaves: asyncio.Event) -> None:
        """Be a pod: start, work, and go when told to."""
        with suppress(TimeoutError):
            await asyncio.wait_for(leaves.wait(), self.start_seconds)
            return
        async with self.connection.channel() as channel:
            await channel.set_qos(prefetch_count=1)
            idle = asyncio.Event()
            idle.set()
            queue = await channel.get_queue(self.queue)
            tag = await queue.consume(lambda message: self._work(message, idle, leaves))
            await leaves.wait()
            await queue.cancel(tag)
            await idle.wait()

    async def _work(self, message: AbstractIncomingMessage, idle: asyncio.Event, leaves: asyncio.Event) -> None:
        if leaves.is_set():
            await message.nack()
            return
        idle.clear()
        number = int(json.loads(message.body))
        self.begun[number] = self.clock()
        await asyncio.sleep(self.services[number])
        await message.ack()
        idle.set()


def _goes(happened: str, pod: Resource) -> bool:
    return happened == "DELETED" or "deletionTimestamp" in pod["metadata"]
