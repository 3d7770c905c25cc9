"""Who calls, as far as tasks go: whose they are, and which may be seen.

Forbidden here: how a caller is known; that is whoever's who lets them in.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from warren.record import Record


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who submits tasks and asks for them."""

    name: str | None = None
    """Whose the tasks are that it submits; None where nobody is asked for a name."""
    sees_all: bool = True
    """Whether it sees the tasks of others. Where it does not, they are for it as if they were not."""

    def sees(self, record: Record) -> bool:
        """Tell whether the task is there for it."""
        return self.sees_all or record.caller == self.name


ANYBODY: Final = Caller()
"""Whoever reaches Warren, where no names are asked for."""


class ByCaller:
    """Works for anybody; a copy of it, for one caller."""

    _caller: Caller = ANYBODY

    def by(self, caller: Caller) -> Self:
        """Return the same for a caller, whose the tasks are that it submits, and for whom there are those it sees."""
        its = copy.copy(self)
        its._caller = caller  # noqa: SLF001 - of the same class
        return its
