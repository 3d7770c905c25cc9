"""Python's collector of cycles, set for a process that holds hundreds of tasks at once.

As it comes, the collector looks through what is young at every 700 new objects, while one task alone makes about fifty
that live until its end: most of the work at hand grows old and is looked through over and over. That was a fifth of
what a small task costs.

Forbidden here: turning the collector off. What tasks leave behind in cycles is theirs, and may be large.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 20_000
"""After so many new objects the young ones are looked through; what refers to itself stays at most that much longer.

256 tasks at hand hold about 15,000: with a limit below that, work that comes and goes evenly is looked through as well.
"""


def settle_in() -> None:
    """Leave what was made up to now, modules above all, out of every look, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
