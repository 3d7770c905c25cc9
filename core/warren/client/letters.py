"""Dead letters for asyncio programs: those that fit a filter, as something to go through, replay and discard.

Each call to Warren names the dead letters that it means. So a call whose answer was lost can be made again, and what
fails in the meantime is not drawn in.

Forbidden here: how Warren is reached. That is a gateway's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from warren.client.dead_letter import (
    MAX_IDS,
    DeadLetterFilter,
    DeadLetterQuery,
    DiscardMany,
    Replay,
    ReplayMany,
    Treatment,
)
from warren.client.problem import InvalidFieldsError
from warren.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from warren.client.asynchronous import AsyncJob
    from warren.client.dead_letter import DeadLetter, DeadLetterDetail, DeadLetterPage, Treated
    from warren.client.gateway import Gateway

PAGE: Final = 100

Model = TypeVar("Model", bound=BaseModel)


class AsyncDeadLetters:
    """The dead letters that fit a filter, the newest end first: `async for letter in client.dead_letters(...)`.

    What fails while they are gone through comes before the first, so none of it is met, and none is met twice.
    """

    def __init__(
        self,
        gateway: Gateway,
        job: Callable[[str], AsyncJob[Any]],
        *,
        pool: str | None = None,
        task: str | None = None,
        code: str | None = None,
    ) -> None:
        self._gateway = gateway
        self._job = job
        self._filter = _checked(DeadLetterFilter, pool=pool, task=task, code=code)

    async def __aiter__(self) -> AsyncIterator[DeadLetter]:
        """Go through them, a page at a time."""
        page = await self.page()
        while True:
            for letter in page.dead_letters:
                yield letter
            if page.next is None:
                return
            page = await self.page(page.next)

    async def page(self, after: str | None = None) -> DeadLetterPage:
        """Return the first page, or the one that comes after another: `after` is that one's `next`."""
        return await self._gateway.dead_letters(DeadLetterQuery(**self._filter.model_dump(), limit=PAGE, after=after))

    async def get(self, task_id: str) -> DeadLetterDetail:
        """Return all that is known of one: payload, error with traceback, attempts.

        Raises:
            DeadLetterNotFoundError: it is none.

        """
        return await self._gateway.dead_letter(task_id)

    async def replay(self, task_id: str, *, pool: str | None = None, force: bool = False) -> AsyncJob[Any]:
        """Submit one anew and return the new job; replayed before, it is the same job.

        `pool` is another pool to run in; `force` replays what was replayed, and failed, too often in a row.

        Raises:
            DeadLetterNotFoundError: it is none.
            ReplayLimitError: it was replayed too often in a row.
            ReplayRefusedError: it cannot be replayed; the detail says what to do instead.

        """
        document = await self._gateway.replay(task_id, _checked(Replay, pool=pool, force=force))
        return self._job(document.id)

    async def discard(self, task_id: str) -> DeadLetter:
        """Strike one off and drop its payload; return it.

        Raises:
            DeadLetterNotFoundError: it is none.

        """
        return await self._gateway.discard(task_id)

    async def replay_many(
        self,
        ids: Iterable[str] | None = None,
        *,
        every: bool = False,
        limit: int | None = None,
        pool: str | None = None,
        force: bool = False,
    ) -> list[Treated]:
        """Submit anew these, or all that fit the filter, `limit` at most; tell of each what became of it.

        Without ids and without a filter, `every` says that really all are meant.

        Raises:
            UnavailableError: Warren is away; some may have been replayed, and the same call goes on with the rest.

        """
        how = _checked(Replay, pool=pool, force=force)

        async def some(chosen: tuple[str, ...]) -> Treatment:
            return await self._gateway.replay_many(ReplayMany(ids=chosen, **how.model_dump()))

        return await self._treat(some, self._meant(ids, every=every), limit)

    async def discard_many(
        self, ids: Iterable[str] | None = None, *, every: bool = False, limit: int | None = None
    ) -> list[Treated]:
        """Strike off these, or all that fit the filter, `limit` at most; tell of each what became of it.

        Without ids and without a filter, `every` says that really all are meant.

        Raises:
            UnavailableError: Warren is away; some may have been discarded, and the same call goes on with the rest.

        """

        async def some(chosen: tuple[str, ...]) -> Treatment:
            return await self._gateway.discard_many(DiscardMany(ids=chosen))

        return await self._treat(some, self._meant(ids, every=every), limit)

    async def _meant(self, ids: Iterable[str] | None, *, every: bool) -> AsyncIterator[str]:
        if ids is not None:
            for task_id in dict.fromkeys(ids):
                yield task_id
            return
        if not self._filter.given and not every:
            raise InvalidRequestError("say which: some ids, or pool, task or code, or every=True for all there are")
        async for letter in self:
            yield letter.id

    @staticmethod
    async def _treat(
        call: Callable[[tuple[str, ...]], Awaitable[Treatment]], ids: AsyncIterator[str], limit: int | None
    ) -> list[Treated]:
        done: list[Treated] = []
        async for some in _batches(ids, limit):
            left = some
            while left:  # what a dependency that went away left undone is not among the results
                results = (await call(left)).results
                done += results
                treated = {result.id for result in results}
                left = tuple(task_id for task_id in left if task_id not in treated)
        return done


async def _batches(ids: AsyncIterator[str], limit: int | None) -> AsyncIterator[tuple[str, ...]]:
    batch: list[str] = []
    count = 0
    async for task_id in ids:
        if count == limit:
            break
        count += 1
        batch.append(task_id)
        if len(batch) == MAX_IDS:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)


def _checked(kind: type[Model], **values: Any) -> Model:  # noqa: ANN401 - the model checks them
    try:
        return kind(**values)
    except ValidationError as error:
        raise InvalidFieldsError.of(error) from error
