"""The inside of a child: `python -m MODULE PARENT`, orders in, events out.

Forbidden here: asyncio, what the orders and events are.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

_PR_SET_PDEATHSIG: Final = 1


def begin() -> tuple[BinaryIO, BinaryIO]:
    """Bind the child's life to its parent's, and return where orders come from and where events go to.

    From here on standard input is empty and standard output, also that of C libraries, is standard error.
    """
    _die_with_parent(int(sys.argv[1]))
    orders, events = os.dup(0), os.dup(1)
    _empty(0)
    os.dup2(2, 1)
    # A process that the child forks must neither read the one nor, by keeping the other open, hide the child's death.
    os.register_at_fork(after_in_child=lambda: _empty(orders, events))
    return os.fdopen(orders, "rb"), os.fdopen(events, "wb")


def _empty(*descriptors: int) -> None:
    """Let the descriptors lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor, inheritable=descriptor == 0)
    os.close(nowhere)


def _die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent ends, and end at once if it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has ended")
