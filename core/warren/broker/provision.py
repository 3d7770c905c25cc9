"""Bringing the broker's topology about: what `warren topology apply` does.

Exchanges, queues and bindings go over AMQP, policies over the management API. A queue's arguments can never change: one
that stands with others is reported with what to do, and nothing of it is touched. No queue is ever deleted.

Forbidden here: what the topology is. That is `warren.topology`.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit

import httpx2
from aio_pika.abc import AbstractChannel, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelPreconditionFailed

from warren.address import without_password
from warren.broker.link import Link
from warren.errors import BrokerUnavailableError, TopologyError
from warren.topology import Binding, Exchange, Policy, Queue, Topology

Report = Callable[[str], None]


async def provision(topology: Topology, broker_url: str, management_url: str, report: Report) -> None:
    """Create what is missing; `report` is told each thing that stands.

    Raises:
        BrokerUnavailableError: the broker or its management API does not answer or refuses the credentials.
        TopologyError: something stands with other arguments; the detail says what, and what to do.

    """
    link = Link(broker_url, "warren topology apply")
    connection = await link.connection()
    try:
        for exchange in topology.exchanges:
            await _declare_exchange(connection, exchange, report)
        for queue in topology.queues:
            await _declare_queue(connection, queue, report)
        await _bind(connection, topology.bindings)
        report(f"{len(topology.bindings)} bindings")
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerUnavailableError(f"{without_password(broker_url)}: {error}") from error
    finally:
        await link.close()
    await _put_policies(topology.policies, broker_url, management_url, report)


async def _declare_exchange(connection: AbstractRobustConnection, exchange: Exchange, report: Report) -> None:
    try:
        async with connection.channel() as channel:
            await channel.declare_exchange(exchange.name, exchange.type, durable=True)
    except ChannelPreconditionFailed as error:
        detail = f"the exchange {exchange.name} stands with another type ({error}); delete it and apply again"
        raise TopologyError(detail) from error
    report(f"exchange {exchange.name} ({exchange.type})")


async def _declare_queue(connection: AbstractRobustConnection, queue: Queue, report: Report) -> None:
    try:
        async with connection.channel() as channel:
            await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
    except ChannelPreconditionFailed as error:
        detail = (
            f"the queue {queue.name} stands with other arguments, which cannot change: {error}. Let it run empty, "
            "delete it and apply again"
        )
        raise TopologyError(detail) from error
    report(f"queue {queue.name}")


async def _bind(connection: AbstractRobustConnection, bindings: tuple[Binding, ...]) -> None:
    async with connection.channel() as channel:
        for binding in bindings:
            await _bind_one(channel, binding)


async def _bind_one(channel: AbstractChannel, binding: Binding) -> None:
    if binding.to_exchange:
        target = await channel.get_exchange(binding.destination, ensure=False)
        await target.bind(binding.source, binding.routing_key)
    else:
        queue = await channel.get_queue(binding.destination, ensure=False)
        await queue.bind(binding.source, binding.routing_key)


async def _put_policies(policies: tuple[Policy, ...], broker_url: str, management_url: str, report: Report) -> None:
    vhost = quote(unquote(urlsplit(broker_url).path[1:]) or "/", safe="")
    parts = urlsplit(management_url)
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    auth = (unquote(parts.username or ""), unquote(parts.password or ""))
    async with httpx2.AsyncClient(base_url=base, auth=auth, timeout=10) as client:
        for policy in policies:
            await _put_policy(client, vhost, policy)
            report(f"policy {policy.name} {dict(policy.definition)}")


async def _put_policy(client: httpx2.AsyncClient, vhost: str, policy: Policy) -> None:
    body = {"pattern": policy.pattern, "definition": dict(policy.definition), "apply-to": "queues", "priority": 0}
    try:
        answer = await client.put(f"/api/policies/{vhost}/{policy.name}", json=body)
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        detail = f"the policy {policy.name} was not set by the management API at {client.base_url}: {error}"
        raise BrokerUnavailableError(detail) from error
