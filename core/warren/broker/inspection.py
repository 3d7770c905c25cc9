"""What the broker tells about itself, for `warren doctor`: facts, over AMQP and over the management API.

Forbidden here: judging the facts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelClosed, ChannelNotFoundEntity

from warren.address import without_password
from warren.broker import Depth
from warren.broker.amqp import AmqpBroker
from warren.broker.depths import REFUSED, depths
from warren.broker.link import Link
from warren.broker.management import Management, ManagementRefusedError
from warren.broker.plan import Plan
from warren.broker.provision import OURS, compared
from warren.errors import BrokerUnavailableError, WarrenError
from warren.message import Message
from warren.topology import EVENTS, Topology

PROBE_KEY: Final = "warren.probe"
"""Nobody listens for it."""


@dataclass(frozen=True, slots=True)
class AmqpFacts:
    """What can be seen with any of Warren's accounts."""

    version: str
    missing: tuple[str, ...]
    """Exchanges and queues that are wanted and do not exist."""
    depths: dict[str, Depth]
    refusal: str | None
    """Why a message was not confirmed."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A node's disk, in bytes."""

    node: str
    free: int
    limit: int


@dataclass(frozen=True, slots=True)
class ManagementFacts:
    """What the management API adds."""

    plan: Plan
    alarms: tuple[str, ...]
    disks: tuple[Disk, ...] | None
    """None: the account may not see them."""
    policies: dict[str, str | None]
    """The policy in force, by queue."""
    skew_seconds: float | None
    """How far the broker's clock is ahead of this one; it tells whole seconds."""


async def ask_amqp(url: str, wanted: Topology) -> AmqpFacts:
    """Look at the broker over AMQP.

    Raises:
        BrokerUnavailableError: it does not answer or refuses the credentials.

    """
    names = [queue.name for queue in wanted.queues]
    counted, (version, exchanges), refusal = await asyncio.gather(
        depths(url, names), _exchanges(url, [exchange.name for exchange in wanted.exchanges]), _refusal(url)
    )
    missing = (*exchanges, *(name for name in names if name not in counted))
    known = {name: depth for name, depth in counted.items() if depth is not None}
    return AmqpFacts(version, missing, known, refusal)


async def ask_management(url: str, broker_url: str, wanted: Topology) -> ManagementFacts:
    """Look at the broker over its management API.

    Raises:
        BrokerUnavailableError: it does not answer or refuses the credentials.

    """
    async with Management(url, broker_url) as management:
        plan, alarms, disks, queues, skew = await asyncio.gather(
            compared(wanted, management, broker_url),
            management.alarms(),
            _disks(management),
            management.queues(OURS),
            _skew(management),
        )
    policies = {queue["name"]: queue.get("policy") for queue in queues}
    return ManagementFacts(plan, tuple(alarms), disks, policies, skew)


async def _exchanges(url: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the broker's version, and which of the exchanges do not exist."""
    link = Link(url, "warren doctor")
    connection = await link.connection()
    try:
        transport: Any = connection.transport
        version = transport.connection.server_properties.get("version", "")
        missing: list[str] = []
        left = list(names)
        while left:
            async with connection.channel() as channel:
                left = await _look(channel, left, missing)
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerUnavailableError(f"{without_password(url)}: {error}") from error
    finally:
        await link.close()
    return version.decode() if isinstance(version, bytes) else str(version), missing


async def _look(channel: AbstractChannel, names: list[str], missing: list[str]) -> list[str]:
    """Look for exchanges until one is missing, which closes the channel; return those that are left."""
    for number, name in enumerate(names, 1):
        try:
            await channel.get_exchange(name, ensure=True)
        except ChannelNotFoundEntity:
            missing.append(name)
            return names[number:]
        except ChannelClosed as error:
            if REFUSED not in str(error):
                raise
            return names[number:]  # RabbitMQ 4.3 does not tell this account
    return []


async def _refusal(url: str) -> str | None:
    broker = AmqpBroker(url, "warren doctor")
    try:
        for _ in range(2):  # under an alarm, the first message of a connection is still confirmed
            await broker.publish(Message(b""), exchange=EVENTS, routing_key=PROBE_KEY, mandatory=False)
    except WarrenError as error:
        return error.detail
    finally:
        await broker.close()
    return None


async def _disks(management: Management) -> tuple[Disk, ...] | None:
    try:
        nodes = await management.nodes()
    except ManagementRefusedError:
        return None
    known = (node for node in nodes if "disk_free" in node and "disk_free_limit" in node)
    return tuple(Disk(node["name"], node["disk_free"], node["disk_free_limit"]) for node in known)


async def _skew(management: Management) -> float | None:
    before = time.time()
    date = await management.date()
    middle = (before + time.time()) / 2
    # Its seconds are cut off: on average, half a one is gone.
    return None if date is None else parsedate_to_datetime(date).timestamp() + 0.5 - middle
