"""The release's broker, as its own command line sees and changes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.e2e.namespace import Namespace

POD: Final = "warren-rabbitmq-0"
PORT: Final = 5672
_SCARCE, _USUAL = "0.000001", "0.6"
"""Of the memory that the broker may have: what it may use before it takes no more messages."""


def rabbitmqctl(namespace: Namespace, *command: str) -> str:
    """Run a command of the broker's, which must succeed, and return what it printed."""
    done = namespace.execute(f"pod/{POD}", "rabbitmqctl", "--quiet", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def peers(namespace: Namespace) -> set[str]:
    """Return the addresses of all that the broker takes for connected."""
    return set(rabbitmqctl(namespace, "list_connections", "--no-table-headers", "peer_host").split())


@contextmanager
def short_of_memory(namespace: Namespace) -> Iterator[None]:
    """Have the broker's memory alarm meanwhile."""
    rabbitmqctl(namespace, "set_vm_memory_high_watermark", _SCARCE)
    try:
        yield
    finally:
        rabbitmqctl(namespace, "set_vm_memory_high_watermark", _USUAL)
