"""Conditions as the Kubernetes API conventions have them: each keeps the time at which its status last changed.

Forbidden here: clocks, I/O, what the conditions are about.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from warren.resources import Condition

ConditionStatus = Literal["True", "False", "Unknown"]


def moment(seconds: float) -> datetime:
    """Return seconds since the epoch as a time of whole seconds, as Kubernetes writes them."""
    return datetime.fromtimestamp(int(seconds), UTC)


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """Return the condition of this type, None if there is none."""
    return next((condition for condition in conditions if condition.type == kind), None)


def standing(conditions: Iterable[Condition]) -> Condition | None:
    """Return the (first) condition that is True, None if there is none."""
    return next((condition for condition in conditions if condition.status == "True"), None)


def put(conditions: tuple[Condition, ...], new: Condition) -> tuple[Condition, ...]:
    """Return the conditions with this one in place; its transition time moves only if its status differs."""
    old = find(conditions, new.type)
    if old is None:
        return (*conditions, new)
    if old.status == new.status:
        new = new.model_copy(update={"last_transition_time": old.last_transition_time})
    return tuple(new if condition.type == new.type else condition for condition in conditions)
