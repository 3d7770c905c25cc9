"""Records in Valkey or Redis: each step is one Lua script, decided by the store's clock.

The scripts lie in `steps/`; `prelude.lua` stands before each of them. A step that is asked for again because its answer
was lost on the way finds what it did the first time.

Forbidden elsewhere: importing `redis`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from itertools import chain
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004
    NoPermissionError,
    NoScriptError,
    RedisError,
)

from warren.address import without_password
from warren.errors import IdempotencyConflictError, RecordsUnavailableError
from warren.record import (
    Claim,
    Lease,
    Outcome,
    Progress,
    Record,
    Renewal,
    Submission,
    TaskError,
    Verdict,
)
from warren.records import LEASE_SECONDS, MAX_LAPSES, RESULT_TTL_SECONDS
from warren.records.fields import Fields, outcome_fields, parse_record, task_digest, task_fields
from warren.records.pipeline import Answer, Command, Pipeline
from warren.records.poison import POISON
from warren.tasks import Task

PREFIX: Final = "warren:task:"
KEYS: Final = "warren:key:"
UNACCEPTED: Final = "warren:unaccepted"
DUE: Final = "warren:due"
ANSWER_SECONDS: Final = 0.8
"""How long a step waits for the store, a second try over a new connection included: callers learn within a second."""

CONNECTIONS: Final = 2
"""How many rounds of steps one process has under way at the store."""

STEPS: Final = (
    "create",
    "accept",
    "read",
    "claim",
    "renew",
    "finish",
    "retry",
    "release",
    "settle",
    "cancel",
    "hold",
    "disown",
    "sweep",
    "due",
)


class RedisRecords:
    """Task records in the store at `url` (`redis://user:password@host:port/db`)."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=ANSWER_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            )
        )
        self._where = without_password(url)
        self._scripts = {step: _script(step) for step in STEPS}
        self._digests = {step: hashlib.sha1(text).hexdigest() for step, text in self._scripts.items()}  # noqa: S324 - EVALSHA's
        self._pipeline = Pipeline(self._send, rounds=CONNECTIONS)

    async def create(self, task: Task, *, scope: str = "") -> tuple[Submission, Record]:
        """Write the record `queued` if the task, or its idempotency key within `scope`, is new."""
        keys = [_key(task.id), UNACCEPTED, *_idempotency(task, scope)]
        limits = (_milliseconds(task.options.delay_seconds), _milliseconds(task.options.expires_seconds or 0))
        answer = await self._run("create", keys, task.id, task_digest(task), PREFIX, *limits, *_flat(task_fields(task)))
        word, record, _ = _parse(answer)
        if word == "conflict":
            detail = f"the idempotency key belongs to task {record.id}, which was submitted with another body"
            raise IdempotencyConflictError(detail)
        return Submission(word), record

    async def accept(self, task_id: str) -> None:
        """Note that the broker confirmed the task's message."""
        await self._run("accept", [_key(task_id), UNACCEPTED], task_id)

    async def read(self, task_ids: Sequence[str]) -> list[Record | None]:
        """Return the records, None where there is none."""
        if not task_ids:
            return []
        async with self._answer():
            answers = await asyncio.gather(*(self._ask("read", [_key(task_id), DUE], task_id) for task_id in task_ids))
        return [_parse(answer)[1] if answer else None for answer in answers]

    async def claim(self, task: Task, consumer: str, *, alone: bool, seconds: float = LEASE_SECONDS) -> Claim:
        """Decide what the consumer does with a delivery of the task."""
        answer = await self._run(
            "claim",
            [_key(task.id), DUE, UNACCEPTED],
            task.id,
            consumer,
            _milliseconds(seconds),
            int(alone),
            MAX_LAPSES,
            POISON.model_dump_json(),
            *_flat(task_fields(task)),
        )
        word, record, wait = _parse(answer)
        holds = word in (Verdict.CLAIMED, Verdict.ADOPTED)
        lease = Lease(task.id, record.fence, record.attempt) if holds else None
        return Claim(Verdict(word), record, lease, wait)

    async def renew(
        self,
        lease: Lease,
        task: Task,
        consumer: str,
        *,
        progress: Progress | None = None,
        seconds: float = LEASE_SECONDS,
    ) -> Renewal:
        """Prolong the lease."""
        said = progress.model_dump_json() if progress else ""
        word = await self._run(
            "renew",
            [_key(lease.task_id)],
            lease.fence,
            _milliseconds(seconds),
            consumer,
            lease.attempt,
            said,
            *_flat(task_fields(task)),
        )
        return Renewal(word.decode())

    async def finish(self, lease: Lease, task: Task, outcome: Outcome) -> bool:
        """Set the terminal record and list its reply and webhook as due."""
        said = _flat(outcome_fields(outcome))
        return bool(
            await self._run(
                "finish",
                [_key(lease.task_id), DUE],
                lease.task_id,
                lease.fence,
                lease.attempt,
                outcome.state.value,
                len(said),
                *said,
                *_flat(task_fields(task)),
            )
        )

    async def retry(self, lease: Lease, task: Task, error: TaskError, *, after_seconds: float) -> bool:
        """Charge a failure and set `retrying` with its due time."""
        return bool(
            await self._run(
                "retry",
                [_key(lease.task_id)],
                lease.fence,
                lease.attempt,
                _milliseconds(after_seconds),
                error.model_dump_json(),
                *_flat(task_fields(task)),
            )
        )

    async def release(self, lease: Lease) -> bool:
        """Hand back: end the lease without charging anything."""
        return bool(await self._run("release", [_key(lease.task_id)], lease.fence))

    async def settle(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS) -> None:
        """Strike the ended task off the due list and let its record's life begin to run out, unless owned."""
        await self._run("settle", [_key(task_id), DUE], task_id, _milliseconds(ttl_seconds))

    async def due(self, *, older_than_seconds: float, limit: int = 100) -> list[Record]:
        """Return ended records whose reply or webhook has been due for that long."""
        ids = await self._run("due", [DUE], PREFIX, _milliseconds(older_than_seconds), limit)
        records = await self.read([task_id.decode() for task_id in ids])
        return [record for record in records if record]

    async def cancel(self, task_id: str, *, absent: Task | None = None) -> Record | None:
        """End the task as canceled unless it has ended."""
        fields = _flat(task_fields(absent)) if absent else []
        answer = await self._run("cancel", [_key(task_id), DUE], task_id, int(absent is not None), *fields)
        return _parse(answer)[1] if answer else None

    async def hold(self, task_id: str, *, held: bool) -> Record | None:
        """Suspend or resume a task."""
        answer = await self._run("hold", [_key(task_id)], int(held))
        return _parse(answer)[1] if answer else None

    async def disown(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS) -> None:
        """Let go of an ended record that an MLJob owned."""
        await self._run("disown", [_key(task_id)], _milliseconds(ttl_seconds))

    async def sweep(self, *, older_than_seconds: float, limit: int = 1000) -> list[str]:
        """Delete records that were never accepted for that long."""
        swept = await self._run("sweep", [UNACCEPTED], PREFIX, _milliseconds(older_than_seconds), limit)
        return [task_id.decode() for task_id in swept]

    async def ping(self) -> None:
        """Return if the store answers and takes writes."""
        async with self._answer():
            await self._pipeline.ask(("SET", "warren:ping", "1", "PX", 1000))

    async def close(self) -> None:
        """Close the connections."""
        await self._pipeline.close()
        await self._redis.aclose()

    async def _run(self, step: str, keys: Sequence[str], *arguments: str | bytes | float) -> Any:  # noqa: ANN401
        async with self._answer():
            return await self._ask(step, keys, *arguments)

    def _ask(self, step: str, keys: Sequence[str], *arguments: str | bytes | float) -> Answer:
        return self._pipeline.ask(("EVALSHA", self._digests[step], len(keys), *keys, *arguments))

    async def _send(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Send commands together; a store that was restarted is taught the scripts anew."""
        async with asyncio.timeout(ANSWER_SECONDS):
            answers = await self._exchange(commands)
            unknown = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if unknown:
                await self._exchange([("SCRIPT LOAD", text) for text in self._scripts.values()])
                again = await self._exchange([commands[number] for number in unknown])
                for number, answer in zip(unknown, again, strict=True):
                    answers[number] = answer
        return answers

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute(raise_on_error=False)

    @asynccontextmanager
    async def _answer(self) -> AsyncIterator[None]:
        """Bound what is asked of the store, and name it when it does not answer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                yield
        except TimeoutError as error:
            raise RecordsUnavailableError(f"the record store at {self._where} does not answer") from error
        except RedisError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: RedisError) -> RecordsUnavailableError:
        if isinstance(error, AuthenticationError | NoPermissionError):
            detail = f"the record store at {self._where} refuses the credentials: {error}"
            return RecordsUnavailableError(detail, retry_after=None)
        return RecordsUnavailableError(f"the record store at {self._where} does not answer: {error}")


def _script(step: str) -> bytes:
    steps = files("warren.records").joinpath("steps")
    return b"".join(steps.joinpath(f"{name}.lua").read_bytes() for name in ("prelude", step))


def _key(task_id: str) -> str:
    return PREFIX + task_id


def _idempotency(task: Task, scope: str) -> list[str]:
    if task.idempotency_key is None:
        return []
    return [KEYS + hashlib.sha256(f"{scope}\0{task.idempotency_key}".encode()).hexdigest()]


def _flat(fields: Fields) -> list[str | bytes]:
    return list(chain.from_iterable(fields.items()))


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _parse(answer: Sequence[Any]) -> tuple[str, Record, float]:
    """Read what `answer()` of the prelude returns: verdict, wait in ms, the clock in ms, the record's fields."""
    word, wait, now, flat = answer
    fields: Mapping[str, bytes] = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    return word.decode(), parse_record(fields, int(now)), int(wait) / 1000
