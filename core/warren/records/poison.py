"""How a record ends whose task kills its consumers."""

from __future__ import annotations

from typing import Final

from warren.record import TaskError
from warren.records import MAX_LAPSES

POISON: Final = TaskError(
    code="poison",
    message=f"{MAX_LAPSES} consumers died, or froze past their lease, while they worked on this task alone",
)
