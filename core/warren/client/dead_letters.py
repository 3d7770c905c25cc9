"""The dead letters: what is done with tasks that failed, for the producer and for the direct client.

A replay is a new task whose id follows from the failed one's, so that a dead letter has one replay, whoever asks for
it, how often, and whatever dies half-way. Then the failed one is struck off.

Forbidden here: HTTP, imports of adapters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warren.client.caller import ByCaller
from warren.client.dead_letter import (
    MAX_PAGE,
    MAX_REPLAYS,
    DeadLetter,
    DeadLetterDetail,
    DeadLetterPage,
    Fate,
    Treated,
    Treatment,
)
from warren.client.routing import choose_pool
from warren.client.treatment import AT_ONCE, Chosen, Kin, next_id, treat
from warren.errors import (
    DeadLetterNotFoundError,
    IdempotencyConflictError,
    InvalidRequestError,
    ObjectNotFoundError,
    PayloadMissingError,
    ReplayLimitError,
    ReplayRefusedError,
    UnknownProtocolError,
)
from warren.record import State
from warren.tasks import JSON, Payload, Task, TaskOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warren.client.dead_letter import DeadLetterFilter, DeadLetterQuery, DiscardMany, Replay, ReplayMany
    from warren.objects import Download
    from warren.payloads import Payloads
    from warren.pool import Pool
    from warren.record import DeadPage, Record
    from warren.records import Records
    from warren.submission import Submitter

INVALID_MESSAGE: Final = "invalid-message"
"""How a message fails that is no task: there is nothing to submit again."""

KEPT_OPTIONS: Final = ("priority", "timeout_seconds", "max_attempts", "callback_url", "callback_events")

LOOKS: Final = 4
"""How many of the store's largest pages one call reads for a page of those that fit a filter."""


class DeadLetters(ByCaller):
    """Lists, shows, replays and discards dead letters."""

    def __init__(self, submitter: Submitter, records: Records, payloads: Payloads, pools: Sequence[Pool]) -> None:
        self._submitter = submitter
        self._records = records
        self._payloads = payloads
        self._pools = pools

    async def page(self, query: DeadLetterQuery) -> DeadLetterPage:
        """Return a page, the newest end first.

        Raises:
            InvalidRequestError: `after` is not the `next` of a page.

        """
        records, following = await self._page(query.filter, query.after, query.limit)
        page = DeadLetterPage(dead_letters=[DeadLetter.of(record) for record in records])
        return page if following is None else page.model_copy(update={"next": following})

    async def read(self, task_id: str) -> DeadLetterDetail:
        """Return all that is known of one.

        Raises:
            DeadLetterNotFoundError: it is none.

        """
        return DeadLetterDetail.of(await self._failed(task_id))

    async def payload(self, task_id: str) -> Download:
        """Return the payload of one, as it comes from object storage where it lies there.

        Raises:
            DeadLetterNotFoundError: it is none.
            ObjectNotFoundError: its payload is not kept (any more).

        """
        record = await self._failed(task_id)
        if not _keeps_payload(record):
            raise ObjectNotFoundError(f"the payload of {task_id} is not kept (any more)")
        try:
            return await self._payloads.stream(_payload(record))
        except PayloadMissingError as error:
            raise ObjectNotFoundError(error.detail) from error

    async def replay(self, task_id: str, how: Replay) -> Record:
        """Submit a failed task anew and return the new one's record; replayed before, it is the same new task.

        Raises:
            DeadLetterNotFoundError: it is no dead letter.
            ReplayLimitError: it was replayed too often in a row, and `force` was not given.
            ReplayRefusedError: it cannot be replayed; the detail says what to do instead.
            WrongPoolError: its pool is gone, or the other one does not fit.
            UnavailableError: it is not known to be accepted; the same call may succeed later.

        """
        record = await self._failed(task_id)
        if record.replayed_as is not None:
            return await self._replayed(record, record.replayed_as)
        _check(record, how)
        pool = choose_pool(record.name, self._pools, wanted=how.pool or record.pool)
        new = await self._submit(record, await self._anew(record, pool.name))
        await self._records.discard(record.id, replayed_as=new.id)
        return new

    async def replay_many(self, which: ReplayMany, count: Callable[[int], None] | None = None) -> Treatment:
        """Replay those that are meant, the newest first, and tell of each what became of it.

        All are chosen before the first is replayed, and of a task and its replay only the newer one is: replays that
        fail meanwhile cannot feed the call. `count` is told before that how many were chosen, if any: what it raises
        is raised, and nothing is replayed.

        Raises:
            UnavailableError: nothing was replayed. Where something was, the rest is left, and `more` says so.

        """

        async def one(task_id: str) -> Treated:
            new = await self.replay(task_id, which)
            return Treated(id=task_id, fate=Fate.REPLAYED, task_id=new.id)

        chosen = await self._choose(which)
        if count is not None and chosen.records:
            count(len(chosen.records))
        return await treat(chosen, one, Kin().skips)

    async def discard(self, task_id: str) -> DeadLetter:
        """Strike one off and drop its payload; return it. The record stays until its life runs out.

        Raises:
            DeadLetterNotFoundError: it is none.
            ReplayRefusedError: an MLJob owns it.

        """
        if not self._caller.sees_all:
            await self._failed(task_id)
        record = await self._records.discard(task_id)
        if record is None:
            record = await self._failed(task_id)
            if record.owner is not None:
                raise ReplayRefusedError(f"the task {task_id} goes with its owner, {_owner(record.owner)}: delete that")
        return DeadLetter.of(record)

    async def discard_many(self, which: DiscardMany) -> Treatment:
        """Discard those that are meant, the newest first, and tell of each what became of it.

        Raises:
            UnavailableError: nothing was discarded. Where something was, the rest is left, and `more` says so.

        """

        async def one(task_id: str) -> Treated:
            await self.discard(task_id)
            return Treated(id=task_id, fate=Fate.DISCARDED)

        return await treat(await self._choose(which), one)

    async def _failed(self, task_id: str) -> Record:
        record = self._seen(*await self._records.read([task_id]))
        if record is None:
            detail = f"no dead letter has the id {task_id!r}; they are kept for a while, 48 hours by default"
            raise DeadLetterNotFoundError(detail)
        if record.state is not State.FAILED:
            raise DeadLetterNotFoundError(f"the task {task_id} is no dead letter: it is {record.state}")
        return record

    def _seen(self, record: Record | None) -> Record | None:
        return record if record is not None and self._caller.sees(record) else None

    async def _page(self, wanted: DeadLetterFilter, after: str | None, limit: int) -> tuple[list[Record], str | None]:
        """Return records that fit, and where to go on. Where few fit, only so many are looked at."""

        def fits(record: Record) -> bool:
            return self._caller.sees(record) and wanted.fits(record)

        some = wanted.given or not self._caller.sees_all
        found: list[Record] = []
        for _ in range(LOOKS):
            room = limit - len(found)
            page = await self._dead(after, MAX_PAGE if some else room)
            fitting = [number for number, record in enumerate(page.records, 1) if fits(record)]
            if len(fitting) > room:  # where to go on after the last that there is room for, the store knows
                page = await self._dead(after, fitting[room - 1])
            found += filter(fits, page.records)
            after = page.next
            if after is None or len(found) == limit:
                break
        return found, after

    async def _dead(self, after: str | None, limit: int) -> DeadPage:
        try:
            return await self._records.dead(after=after, limit=limit)
        except ValueError as error:
            raise InvalidRequestError(f"after={after!r} is not the `next` of a page of dead letters") from error

    async def _choose(self, which: ReplayMany | DiscardMany) -> Chosen:
        chosen = Chosen()
        ids = list(dict.fromkeys(which.ids))[: which.limit]
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            found = zip(some, await self._records.read(some), strict=True)
            chosen.records |= {task_id: _slim(self._seen(record)) for task_id, record in found}
        after = None
        while not ids and (left := which.limit - len(chosen.records)) > 0:
            records, after = await self._page(which.filter, after, min(MAX_PAGE, left))
            chosen.records |= {record.id: record for record in records}
            if after is None:
                break
        chosen.more = after is not None
        return chosen

    async def _anew(self, old: Record, pool: str) -> Task:
        """Return the task as it was submitted the first time, without delay and expiry, which were of that time."""
        kept = {name: value for name in KEPT_OPTIONS if (value := getattr(old, name)) is not None}
        new_id = next_id(old)
        try:
            payload = await self._payloads.inherit(_payload(old), new_id)
        except PayloadMissingError as error:
            raise _no_payload(old.id) from error
        return Task(
            old.name,
            pool,
            payload,
            TaskOptions.model_validate(kept),
            id=new_id,
            model=old.model,
            caller=old.caller,
            replay_of=old.id,
            replays=old.replays + 1,
        )

    async def _submit(self, old: Record, task: Task) -> Record:
        try:
            return await self._submitter.submit(task)
        except IdempotencyConflictError as error:  # with another replay of it, into another pool
            [new] = await self._records.read([task.id])
            if new is not None and new.accepted:
                return new
            detail = f"the task {old.id} is being replayed in another pool at this moment; ask again"
            raise ReplayRefusedError(detail, retry_after=1) from error

    async def _replayed(self, old: Record, new_id: str) -> Record:
        [new] = await self._records.read([new_id])
        if new is None:
            raise ReplayRefusedError(f"the task {old.id} was replayed as {new_id}, whose record is gone by now")
        return new


def _check(record: Record, how: Replay) -> None:
    """Raise what stands against a replay."""
    if record.owner is not None:
        detail = (
            f"the task {record.id} belongs to {_owner(record.owner)}: delete that and apply it anew to run it again"
        )
        raise ReplayRefusedError(detail)
    if record.error is not None and record.error.code in {INVALID_MESSAGE, UnknownProtocolError.code}:
        detail = (
            f"the message {record.id} was no task ({record.error.message}): correct whoever published it, and publish "
            "or submit it anew"
        )
        raise ReplayRefusedError(detail)
    if not _keeps_payload(record):
        raise _no_payload(record.id)
    if record.replays >= MAX_REPLAYS and not how.force:
        detail = (
            f"the task {record.id} is the replay number {record.replays} in a row, and failed like those before it: "
            "correct the cause, then replay it with force"
        )
        raise ReplayLimitError(detail)


def _slim(record: Record | None) -> Record | None:
    """Return the record without its payload: of many, that would be a lot."""
    return None if record is None else record.model_copy(update={"payload": None})


def _payload(record: Record) -> Payload:
    kind = record.payload_type or JSON
    return Payload(record.payload or b"", kind, reference=record.payload_ref, sha256=record.payload_sha256)


def _keeps_payload(record: Record) -> bool:
    return record.payload is not None or record.payload_ref is not None


def _no_payload(task_id: str) -> ReplayRefusedError:
    detail = f"the payload of the task {task_id} is not kept (any more): it was discarded, or its message was lost"
    return ReplayRefusedError(f"{detail}; submit it anew")


def _owner(owner: str) -> str:
    """Return what to call an MLJob whose owner's mark is `mljob/<namespace>/<name>/<uid>`."""
    kind, *parts = owner.split("/")
    return f"the MLJob {'/'.join(parts[:2])}" if kind == "mljob" else owner
