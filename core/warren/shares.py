"""Places that several holders share: each may have as many as are left free to others.

So one holder comes to have half of them, two a third each, and there is always room for one more, whoever it is; how
many holders there are need not be known (the dynamic thresholds of Choudhury and Hahn, by which packets of many ports
share a switch's memory).

Forbidden here: I/O, what the places are.
"""

from __future__ import annotations

from collections import Counter


class Shares:
    """So many places, and who has them. Whoever bears no name has no share: for it there is only the whole."""

    def __init__(self, whole: int) -> None:
        self.whole = whole
        self.taken = 0
        self._held: Counter[str] = Counter()

    @property
    def left(self) -> int:
        """How many are free."""
        return self.whole - self.taken

    def held(self, holder: str | None) -> int:
        """Return how many a holder has; those of nobody are not counted."""
        return 0 if holder is None else self._held[holder]

    def fair(self, holder: str | None, size: int = 1) -> bool:
        """Tell whether a holder may have so many more: who has none yet may have whatever is free."""
        held = self.held(holder)
        return not held or held + size <= self.left - size

    def take(self, holder: str | None, size: int = 1) -> None:
        """Take places."""
        self.taken += size
        if holder is not None:
            self._held[holder] += size

    def give(self, holder: str | None, size: int = 1) -> None:
        """Give places back."""
        self.taken -= size
        if holder is not None:
            self._held[holder] -= size
            if not self._held[holder]:
                del self._held[holder]
