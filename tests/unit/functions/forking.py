"""What becomes of a call in a process that was forked beside threads, which stay with its parent."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable

SECONDS = 10


def in_a_forked_process(call: Callable[[], object]) -> int:
    """Make the call there and return the process's exit code; one that hangs is ended by a signal (negative)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what is tried
        child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # pytest's own handler would have it go on as pytest
        signal.alarm(SECONDS)
        try:
            call()
        except BaseException:  # noqa: BLE001 - a child of a test ends here, whatever happens
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
