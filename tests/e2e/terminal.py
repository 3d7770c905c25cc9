"""A program in a terminal of its own, as a person sees it."""

import os
import pty
import subprocess
from collections.abc import Iterator, Sequence

_SIZE = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}


def watched(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program whose standard error is a terminal; return what it printed, and all that was shown there."""
    shown, terminal = pty.openpty()
    with (
        os.fdopen(shown, "rb", buffering=0),
        subprocess.Popen(
            command, env=environment | _SIZE, stdout=subprocess.PIPE, stderr=terminal, text=True
        ) as program,
    ):
        os.close(terminal)
        seen = b"".join(_pieces(shown)).decode()
        printed, _ = program.communicate()
    return subprocess.CompletedProcess(command, program.returncode, printed, seen)


def _pieces(shown: int) -> Iterator[bytes]:
    """Give what is shown until the program has let go of its terminal, which is told as a fault of reading."""
    try:
        while piece := os.read(shown, 65536):
            yield piece
    except OSError:
        return
