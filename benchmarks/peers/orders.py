"""Orders from the benchmark: a number on each line of standard input, an answer on each line of standard output.

Forbidden here: imports of Warren, and of any peer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable


def obey(carry_out: Callable[[int], dict[str, float] | None]) -> None:
    """Carry out each order until the input ends."""
    for line in sys.stdin:
        answer = carry_out(int(line)) or {}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
