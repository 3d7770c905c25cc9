"""`warren events` beside a real broker."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from tests.integration.servers import Workspace, tied
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.message import Message
from warren.pool import DEFAULT_POOLS
from warren.topology import EVENTS, topology

DOCUMENT: dict[str, Any] = {
    "id": "01a1fe0b-22c4-71de-8ec0-946ea8854bce",
    "name": "echo",
    "pool": "cpu",
    "state": "failed",
    "attempt": 2,
    "error": {"code": "exception", "message": "boom"},
}


async def test_events_are_printed_as_they_happen(workspace: Workspace) -> None:
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    await provision(topology(DEFAULT_POOLS), *urls, lambda _: None)
    listeners = [listener(workspace), listener(workspace, "-o", "json", "task.failed.*")]
    broker = AmqpBroker(workspace.broker_url("warren-consumer"), "test")
    try:
        while any(process.poll() is None for process in listeners):
            for state in ("started", "failed"):
                key = f"task.{state}.echo"
                message = Message(orjson.dumps(DOCUMENT | {"state": state}), type=key)
                await broker.publish(message, exchange=EVENTS, routing_key=key, mandatory=False)
            await asyncio.sleep(0.2)
    finally:
        await broker.close()
    table, line = [process.communicate()[0].decode() for process in listeners]
    assert "echo" in table
    assert DOCUMENT["id"] in table
    assert "exception: boom" in table
    assert orjson.loads(line) == {"event": "task.failed.echo", **DOCUMENT}


def listener(workspace: Workspace, *options: str) -> subprocess.Popen[bytes]:
    """Start the command, which ends with the first event that it hears."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
    environment |= {"WARREN_BROKER_URL": workspace.broker_url("warren-producer"), "WARREN_POOLS": "cpu"}
    command = [str(Path(sys.executable).with_name("warren")), "events", "--count", "1", *options]
    return subprocess.Popen(tied(*command), env=environment, stdout=subprocess.PIPE)
