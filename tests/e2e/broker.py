"""The release's broker, as its own command line sees and changes it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.e2e.namespace import Namespace
from warren.topology import DELIVERY_LIMIT

POD: Final = "warren-rabbitmq-0"
PORT: Final = 5672
_SCARCE, _USUAL = "0.000001", "0.6"
"""Of the memory that the broker may have: what it may use before it takes no more messages."""
_USUAL_OFFER_MS: Final = 180_000


def rabbitmqctl(namespace: Namespace, *command: str) -> str:
    """Run a command of the broker's, which must succeed, and return what it printed."""
    done = namespace.execute(f"pod/{POD}", "rabbitmqctl", "--quiet", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def peers(namespace: Namespace) -> set[str]:
    """Return the addresses of all that the broker takes for connected."""
    return set(rabbitmqctl(namespace, "list_connections", "--no-table-headers", "peer_host").split())


def consumers(namespace: Namespace, queue: str) -> int:
    """Return how many take from a queue."""
    return rabbitmqctl(namespace, "list_consumers", "--no-table-headers", "queue_name").split().count(queue)


@contextmanager
def refusing(namespace: Namespace, account: str) -> Iterator[None]:
    """Hang up on an account of the broker's, and let it connect no more meanwhile."""
    rabbitmqctl(namespace, "set_user_limits", account, '{"max-connections": 0}')
    try:
        rabbitmqctl(namespace, "close_all_user_connections", account, "a test of clients")
        yield
    finally:
        rabbitmqctl(namespace, "clear_user_limits", account, "max-connections")


@contextmanager
def full(namespace: Namespace, queue: str, messages: int) -> Iterator[None]:
    """Let a queue hold only so many messages meanwhile, as somebody does who writes a policy of their own."""
    limit = json.dumps({"max-length": messages, "delivery-limit": DELIVERY_LIMIT})
    policy = ("--priority", "9", "--apply-to", "queues", "full", f"^{re.escape(queue)}$", limit)
    rabbitmqctl(namespace, "set_policy", *policy)
    try:
        yield
    finally:
        rabbitmqctl(namespace, "clear_policy", "full")


@contextmanager
def offering_again(namespace: Namespace, milliseconds: int) -> Iterator[None]:
    """Have queues that are made meanwhile offer again so soon what they are to hand on and another refused."""
    _offer_again(namespace, milliseconds)
    try:
        yield
    finally:
        _offer_again(namespace, _USUAL_OFFER_MS)


def _offer_again(namespace: Namespace, milliseconds: int) -> None:
    setting = f"dead_letter_worker_publisher_confirm_timeout, {milliseconds}"
    rabbitmqctl(namespace, "eval", f"application:set_env(rabbit, {setting}).")


@contextmanager
def short_of_memory(namespace: Namespace) -> Iterator[None]:
    """Have the broker's memory alarm meanwhile."""
    rabbitmqctl(namespace, "set_vm_memory_high_watermark", _SCARCE)
    try:
        yield
    finally:
        rabbitmqctl(namespace, "set_vm_memory_high_watermark", _USUAL)
