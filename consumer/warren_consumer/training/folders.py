"""The folders that runs work in: each is gone with its run, and what a killed consumer left goes when the next starts.

Forbidden here: what lies in them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = "warren-training-"


@contextmanager
def working_folder() -> Iterator[Path]:
    """Give a folder, named for this process, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


def clear_leftovers() -> None:
    """Delete the folders of processes that are gone; to be called before this one makes its first."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and _is_gone(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_gone(pid: int) -> bool:
    """Tell whether no such process lives; one with this process's own id lived before it, in a container say."""
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
