"""Where a page of the dead letters begins: the time of an end in ms and the id of the record that ended then.

Forbidden here: I/O.
"""

from __future__ import annotations


def write_cursor(ended_ms: int, task_id: str) -> str:
    """Return the place right after that record."""
    return f"{ended_ms}-{task_id}"


def read_cursor(text: str) -> tuple[int, str]:
    """Return what was written; raise `ValueError` for anything else."""
    ended, dash, task_id = text.partition("-")
    if not (dash and task_id and ended.isascii() and ended.isdecimal()):
        raise ValueError(f"{text!r} is not the `next` of a page of dead letters")
    return int(ended), task_id
