"""Servers' state in memory: sets that sync each write to the one disk hold each other up, and are taken to be away.

A process that is killed leaves a file in memory as it leaves one on a disk; what is lost with a machine is not tested.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps it
ENOUGH_BYTES = 4 << 30
"""What must be free: a set of servers has needed well under 1 GiB, and three of them run."""

_PREFIX = "warren-tests-"


@contextmanager
def folder_in_memory(instead: Path) -> Iterator[Path]:
    """Make a folder in memory that is gone afterwards; where there is not enough of it, give `instead`."""
    _remove_leftovers()
    if not MEMORY.is_mount() or shutil.disk_usage(MEMORY).free < ENOUGH_BYTES:
        yield instead
        return
    folder = MEMORY / f"{_PREFIX}{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _remove_leftovers() -> None:
    """Remove the folders of processes that were killed; their servers have died with them."""
    for folder in MEMORY.glob(f"{_PREFIX}*"):
        if not Path("/proc", folder.name.removeprefix(_PREFIX)).exists():
            shutil.rmtree(folder, ignore_errors=True)
