"""Fills Warren's queue with tasks as the producer submits those that nobody waits for: no reply is asked for.

Forbidden here: being measured.
"""

from __future__ import annotations

import uvloop

from benchmarks.machine import POOL
from benchmarks.programs.orders import BROKER, STORE, many, obey
from warren.broker.amqp import AmqpBroker
from warren.objects.memory import MemoryObjects
from warren.payloads import Payloads
from warren.records.redis import RedisRecords
from warren.submission import Submitter
from warren.tasks import Payload, Task


async def main() -> None:
    broker, records = AmqpBroker(BROKER), RedisRecords(STORE)
    submitter = Submitter(broker, records, Payloads(MemoryObjects(), "warren"))
    task = Payload(b'{"text":"hello"}')
    await obey(lambda count: many(lambda: submitter.submit(Task("echo", POOL.name, task)), count))
    await broker.close()
    await records.close()


if __name__ == "__main__":
    uvloop.run(main())
