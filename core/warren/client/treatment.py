"""Doing the same to many dead letters: which of them, some at a time, and what became of each.

Forbidden here: what is done to one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from warren.client.dead_letter import Fate, Treated, Treatment
from warren.errors import UnavailableError, WarrenError
from warren.tasks import replay_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from warren.record import Record

AT_ONCE: Final = 20
"""How many are replayed or discarded side by side."""


@dataclass(slots=True)
class Chosen:
    """The dead letters that a call means."""

    records: dict[str, Record | None] = field(default_factory=dict)
    """By id; None for an id that there is no record of."""
    more: bool = False
    """Whether there may be others that fit."""


@dataclass(slots=True)
class Kin:
    """What a call replays, so that of a task and its replay only one is taken."""

    ids: set[str] = field(default_factory=set)

    def skips(self, record: Record) -> bool:
        """Tell whether to leave a record alone; if not, it counts as replayed."""
        kin = {record.id, *filter(None, [record.replay_of])}
        if kin & self.ids:
            return True
        self.ids |= kin | {next_id(record)}
        return False


def next_id(record: Record) -> str:
    """Return the id of a failed task's replay."""
    return replay_id(record.id, record.finished_at or 0)


async def treat(
    chosen: Chosen, one: Callable[[str], Awaitable[Treated]], skips: Callable[[Record], bool] = lambda _: False
) -> Treatment:
    """Do it to each that is not skipped, until all are done or a dependency is away.

    What a dependency kept from being done is not among the results, and `more` is true.

    Raises:
        UnavailableError: there is nothing to tell of any.

    """
    skipped = {task_id for task_id, record in chosen.records.items() if record is not None and skips(record)}
    done = Treatment(results=[Treated(id=task_id, fate=Fate.SKIPPED) for task_id in skipped], more=chosen.more)
    ids = [task_id for task_id in chosen.records if task_id not in skipped]
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        answers = await asyncio.gather(*map(one, some), return_exceptions=True)
        pairs = zip(some, answers, strict=True)
        done.results += [_treated(*pair) for pair in pairs if not isinstance(pair[1], UnavailableError)]
        away = next((answer for answer in answers if isinstance(answer, UnavailableError)), None)
        if away is not None and not done.results:
            raise away
        if away is not None:
            done.more = True
            break
    return done


def _treated(task_id: str, answer: Treated | BaseException) -> Treated:
    if isinstance(answer, WarrenError):
        return Treated.refused(task_id, answer)
    if isinstance(answer, BaseException):
        raise answer
    return answer
