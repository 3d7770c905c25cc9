"""The machine under a figure: data in memory, and a core of its own for each side of the wire.

Forbidden here: what is measured.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.stack.packages import own_release
from tools.stack.serverset import ServerSet

PORTS_FROM: Final = 16000
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a tmpfs is the point: a disk's bad moments are not ours to measure


@contextmanager
def servers() -> Iterator[ServerSet]:
    """Run a broker and a store whose data lies on tmpfs, on the machine's last core; the client gets the others.

    Where there is one core, both share it: then the ratio holds, and no rate means anything.
    """
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="warren-benchmark-", dir=_MEMORY) as state:
        # Children inherit the core, and Erlang starts as many schedulers as it has cores.
        os.sched_setaffinity(0, cores[-1:])
        with ServerSet.create(Path(state), PORTS_FROM, own_release()).running() as running:
            os.sched_setaffinity(0, cores[:-1] or cores)
            yield running
    os.sched_setaffinity(0, cores)
