"""Bringing the broker's topology about: what `warren topology apply` does.

What stands is read over the management API and compared with what is wanted (`plan`); exchanges, queues and bindings
are made over AMQP, policies over the management API. What is in conflict is left as it is and said, after everything
else was done. No queue is ever deleted.

Forbidden here: what the topology is (`warren.topology`), and what there is to do (`plan`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from aio_pika.abc import AbstractChannel, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelPreconditionFailed

from warren.address import without_password
from warren.broker import Depth
from warren.broker.depths import depths
from warren.broker.link import Link
from warren.broker.management import Management
from warren.broker.plan import FoundQueue, Plan, Standing, Step, Verdict, compare
from warren.errors import BrokerUnavailableError, TopologyError
from warren.topology import Binding, Exchange, Policy, Queue, Topology

Report = Callable[[str], None]

OURS: Final = r"^warren\.(tasks|dead|delay|results)"
"""The queues that are looked at: not those of clients, of which there may be thousands."""

APPLY_SECONDS: Final = 20.0
"""How long each answer of the management API is waited for: a broker that has just been started is busy."""

_DONE: Final = {Verdict.MISSING: "created", Verdict.DIFFERS: "updated", Verdict.MISROUTES: "removed"}


async def provision(topology: Topology, broker_url: str, management_url: str, report: Report) -> None:
    """Create what is missing and change what may be changed; `report` is told each thing that was done or is odd.

    Raises:
        BrokerUnavailableError: the broker or its management API does not answer or refuses the credentials.
        TopologyError: something stands in a way that cannot be changed; the detail says what, and what to do. All else
            was done.

    """
    async with Management(management_url, broker_url, seconds=APPLY_SECONDS) as management:
        plan = await compared(topology, management, broker_url)
        await _over_amqp(plan, broker_url, report)
        for step in plan.to_do:
            if isinstance(step.thing, Policy):
                await _put_policy(management, step.thing)
                report(_done(step))
    for step in plan.notes:
        report(f"note: {step}; {'; then '.join(step.advice) or 'it was left as it is'}")
    report(f"{len(plan.of(Verdict.OK))} things stood as they should, {len(plan.to_do)} were created or changed")
    if plan.conflicts:
        raise TopologyError(" ".join(f"{step}. To do: {'; then '.join(step.advice)}." for step in plan.conflicts))


async def survey(topology: Topology, broker_url: str, management_url: str) -> Plan:
    """Return what there is to do, and do nothing.

    Raises:
        BrokerUnavailableError: the broker or its management API does not answer or refuses the credentials.

    """
    async with Management(management_url, broker_url) as management:
        return await compared(topology, management, broker_url)


async def compared(topology: Topology, management: Management, broker_url: str) -> Plan:
    """Return what there is to do, as `survey` does."""
    found = await standing(management)
    plan = compare(topology, found)
    odd = [step.name for step in plan.of(Verdict.CONFLICT, Verdict.ORPHANED) if isinstance(step.thing, Queue)]
    return compare(topology, await counted(found, odd, broker_url)) if odd else plan


async def standing(management: Management) -> Standing:
    """Return what stands on the broker; the messages of its queues are as many as seconds ago."""
    exchanges, queues, bindings, policies = await asyncio.gather(
        management.exchanges(), management.queues(OURS), management.bindings(), management.policies()
    )
    return Standing(
        exchanges={found["name"]: _exchange_type(found) for found in exchanges},
        queues={found["name"]: _queue(found) for found in queues},
        bindings=frozenset(map(_binding, bindings)),
        policies={found["name"]: _policy(found) for found in policies},
    )


async def counted(found: Standing, queues: Sequence[str], broker_url: str) -> Standing:
    """Return it with these queues counted now: nobody may be told that a queue is empty which is not."""
    now = await depths(broker_url, queues)
    return replace(
        found, queues={**found.queues, **{name: _recounted(found, name, depth) for name, depth in now.items() if depth}}
    )


def _recounted(found: Standing, name: str, depth: Depth) -> FoundQueue:
    """Put both counts together: what was handed out is in the older one alone."""
    queue = found.queues[name]
    return replace(queue, messages=max(queue.messages, depth.ready))


def _exchange_type(found: Mapping[str, Any]) -> str:
    odd = [name for name in ("auto_delete", "internal") if found.get(name)] + ["transient"] * (not found["durable"])
    return " ".join([found["type"], *(f"({name})" for name in odd)])


def _queue(found: Mapping[str, Any]) -> FoundQueue:
    arguments = {"x-queue-type": found.get("type"), **found["arguments"]}
    return FoundQueue(arguments, found.get("messages") or 0)


def _binding(found: Mapping[str, Any]) -> Binding:
    to_exchange = found["destination_type"] == "exchange"
    return Binding(found["source"], found["destination"], found["routing_key"], to_exchange)


def _policy(found: Mapping[str, Any]) -> Policy:
    return Policy(found["name"], found["pattern"], found["definition"], found["apply-to"], found["priority"])


async def _over_amqp(plan: Plan, broker_url: str, report: Report) -> None:
    steps = [step for step in plan.to_do if not isinstance(step.thing, Policy)]
    if not steps:
        return
    link = Link(broker_url, "warren topology apply")
    connection = await link.connection()
    try:
        for step in steps:
            await _carry_out(connection, step)
            report(_done(step))
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerUnavailableError(f"{without_password(broker_url)}: {error}") from error
    finally:
        await link.close()


async def _carry_out(connection: AbstractRobustConnection, step: Step) -> None:
    async with connection.channel() as channel:
        match step.thing:
            case Binding() as binding:
                await _bind(channel, binding, away=step.verdict is Verdict.MISROUTES)
            case Queue() as queue:
                await _declare(channel, queue)
            case Exchange() as exchange:
                await channel.declare_exchange(exchange.name, exchange.type, durable=True)


async def _declare(channel: AbstractChannel, queue: Queue) -> None:
    try:
        await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
    except ChannelPreconditionFailed as error:
        detail = (
            f"the queue {queue.name} is refused by this broker: {error}; was it declared by somebody else meanwhile?"
        )
        raise TopologyError(detail) from error


async def _bind(channel: AbstractChannel, binding: Binding, *, away: bool) -> None:
    get = channel.get_exchange if binding.to_exchange else channel.get_queue
    target = await get(binding.destination, ensure=False)
    await (target.unbind if away else target.bind)(binding.source, binding.routing_key)


async def _put_policy(management: Management, policy: Policy) -> None:
    body = {
        "pattern": policy.pattern,
        "definition": dict(policy.definition),
        "apply-to": policy.apply_to,
        "priority": policy.priority,
    }
    try:
        await management.set_policy(policy.name, body)
    except BrokerUnavailableError as error:
        raise BrokerUnavailableError(f"the policy {policy.name} was not set: {error.detail}") from error


def _done(step: Step) -> str:
    return f"{_DONE[step.verdict]} {step.kind} {step.name}" + (f": {step.detail}" if step.detail else "")
