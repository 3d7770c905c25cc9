"""Where a page of the dead letters begins: a place between two records, by the ms of their ends and their ids.

Whoever reads pages need not see the records at their edges, so a place tells no more of an id than it takes to tell the
two apart: nothing, unless both ended in the same millisecond.

Forbidden here: I/O.
"""

from __future__ import annotations

from typing import TypeAlias

Place: TypeAlias = tuple[int, str]
"""The time of an end in ms, and the id of what ended, or the beginning of one."""


def write_cursor(last: Place, following: Place) -> str:
    """Return the place right after `last`, the last record of a page, and before the one that follows it."""
    ended, task_id = last
    shown = next(count for count in range(len(task_id) + 1) if (ended, task_id[:count]) > following)
    return f"{ended}-{task_id[:shown]}"


def read_cursor(text: str) -> Place:
    """Return what was written: what ended later, or at that time with an id that is not less, lies before the place.

    Raises:
        ValueError: it is anything else.

    """
    ended, dash, task_id = text.partition("-")
    if not (dash and ended.isascii() and ended.isdecimal()):
        raise ValueError(f"{text!r} is not the `next` of a page of dead letters")
    return int(ended), task_id
