"""The broker's dead letters, into records: whatever the broker gave up on ends as a record or is published again.

Forbidden here: leaving a dead letter without either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import structlog

from warren.errors import InvalidRequestError, UnknownProtocolError
from warren.message import decode_task
from warren.record import End, Outcome, State, TaskError
from warren.records.poison import POISON
from warren.tasks import Payload, Task, new_task_id
from warren.topology import TASKS
from warren_consumer.closing import CODE_HEADER, INVALID_MESSAGE, REASON_HEADER, fresh
from warren_consumer.patience import insist

if TYPE_CHECKING:
    from warren.broker import Broker, Delivery
    from warren.message import Message
    from warren.pool import Pool
    from warren.records import Records
    from warren_consumer.system.endings import Endings
    from warren_consumer.system.metrics import SystemMetrics

AT_ONCE: Final = 10
ROUNDS_HEADER: Final = "warren-rounds"
"""How often the broker has given a message up because it came back from its consumers too often."""
MOST_ROUNDS: Final = 3
"""Then it ends: no lease tells of what kills a worker that is not Warren's."""
DEATH_HEADER: Final = "warren-death"
"""Why the broker gave up, on a dead letter that was put to the end of its queue and lost the broker's own notes."""

REJECTED: Final = "rejected"
EXPIRED: Final = "expired"
WENT_ROUND: Final = "delivery_limit"
"""RabbitMQ's words for a message that its worker refused, for one that ran out of its time at the broker, which Warren
never gives it, and for one that came back too often."""

_EXPIRED_SAID: Final = "its message ran out of its time at the broker before a worker took it"
_POISON_SAID: Final = f"its message came back from the pool's workers until the broker gave it up, {MOST_ROUNDS} times"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What lies in a dead-letter queue, as the task that its record will be of."""

    task: Task
    outcome: Outcome | None
    """How the task has to end; None where it may be tried again."""
    rounds: int = 0
    """How often it went round, this time included."""


class DeadLetters:
    """Sees to the dead letters of one pool."""

    def __init__(self, pool: Pool, broker: Broker, records: Records, endings: Endings, metrics: SystemMetrics) -> None:
        self._pool = pool
        self._broker = broker
        self._records = records
        self._endings = endings
        self._metrics = metrics

    async def take(self, delivery: Delivery) -> None:
        """See to one dead letter, then ack it."""
        await self.settle(delivery, read(delivery.message, self._pool))

    async def settle(self, delivery: Delivery, letter: DeadLetter) -> None:
        """Do with a dead letter what was read of it, then ack it."""
        fate = await self._settle(letter, delivery.message)
        await delivery.ack()
        self._metrics.dead_letters.labels(fate).inc()

    def again(self, message: Message) -> Message:
        """Return a dead letter as it goes to the end of its queue: why it died is Warren's to remember from then on."""
        reason = death(message.headers, self._pool.queue)
        return fresh(message, {DEATH_HEADER: reason} if reason else None)

    async def _settle(self, letter: DeadLetter, message: Message) -> str:
        message = unmarked(message, letter.rounds)
        if letter.outcome is None:
            return await self._try_again(letter.task, message)
        return await self._end(letter.task, letter.outcome, message)

    async def _try_again(self, task: Task, message: Message) -> str:
        found = await insist(lambda: self._records.read([task.id]), what="reading a dead letter's record")
        record = found[0] if found else None
        if record is None or not record.state.terminal:
            return await self._publish(task, message)
        await self._endings.tell([task.id], message_gone=True)
        return "ended-before"

    async def _end(self, task: Task, outcome: Outcome, message: Message) -> str:
        end = await insist(lambda: self._records.end(task, outcome), what="recording a dead letter")
        if end is End.LEASED:
            return await self._publish(task, message)
        await self._endings.tell([task.id], message_gone=True)
        if end is End.ALREADY:
            return "ended-before"
        problem = outcome.error.message if outcome.error else None
        log.warning("a dead letter was recorded", task=task.id, pool=task.pool, state=outcome.state, problem=problem)
        return "recorded"

    async def _publish(self, task: Task, message: Message) -> str:
        await self._broker.publish(message, exchange=TASKS, routing_key=task.pool)
        log.info("a dead letter was published again", task=task.id, pool=task.pool)
        return "published-again"


def read(message: Message, pool: Pool) -> DeadLetter:
    """Tell what task a dead letter is of, and how it has to end."""
    try:
        task = decode_task(message, pool.name)
    except UnknownProtocolError as error:
        return failed(_nameless(message, pool), error.code, error.detail)
    except InvalidRequestError as error:
        return failed(_nameless(message, pool), INVALID_MESSAGE, error.detail)
    said = message.headers.get(REASON_HEADER)
    if said is not None:
        return failed(task, str(message.headers.get(CODE_HEADER, INVALID_MESSAGE)), str(said))
    return _of_death(task, death(message.headers, pool.queue), _rounds(message))


def _of_death(task: Task, why: str | None, rounds: int) -> DeadLetter:
    """Tell how a task ends that the broker gave up on; `rounds` are those before this one."""
    if why == REJECTED:
        return failed(task, REJECTED, "a worker of the pool refused the message")
    if why == EXPIRED:
        return DeadLetter(task, Outcome(State.EXPIRED, error=TaskError(code=EXPIRED, message=_EXPIRED_SAID)))
    if why != WENT_ROUND:
        return DeadLetter(task, None, rounds)
    if rounds + 1 < MOST_ROUNDS:
        return DeadLetter(task, None, rounds + 1)
    return failed(task, POISON.code, _POISON_SAID)


def unmarked(message: Message, rounds: int) -> Message:
    """Return the message as it was before it died; of its rounds it is noted how many there were."""
    born = fresh(message)
    own = {name: value for name, value in born.headers.items() if name not in {DEATH_HEADER, ROUNDS_HEADER}}
    return replace(born, headers=own | ({ROUNDS_HEADER: rounds} if rounds else {}))


def death(headers: Mapping[str, Any], queue: str) -> str | None:
    """Return the broker's word for why a message of the queue died."""
    said = headers.get(DEATH_HEADER)
    if said is not None:
        return str(said)
    deaths = headers.get("x-death")
    newest = deaths[0] if isinstance(deaths, list) and deaths else {}
    # A message that was delayed has died of its time on the ladder before.
    known = isinstance(newest, Mapping) and newest.get("queue", queue) == queue
    return str(newest.get("reason")) if known else None


def _rounds(message: Message) -> int:
    said = message.headers.get(ROUNDS_HEADER)
    return max(0, said) if isinstance(said, int) else 0


def failed(task: Task, code: str, message: str) -> DeadLetter:
    """Return that the task has to end as failed, with this code and message; it keeps its payload for a replay."""
    return DeadLetter(task, Outcome.failed(TaskError(code=code, message=message), task.payload))


def _nameless(message: Message, pool: Pool) -> Task:
    payload = Payload(message.body, message.content_type or "application/octet-stream")
    return Task(message.type or "unknown", pool.name, payload, id=message.message_id or new_task_id())
