"""Whether consumers that are there are not heard of: what those do is unknown then, which is not nothing.

Forbidden here: clocks, I/O, decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warren_operator.figures import Figure


@dataclass(slots=True)
class Silence:
    """What is known of it. Consumers that have never told of themselves are others' and are not expected to."""

    told: bool = False
    """Whether they have, since somebody was wanted: the first of those that wake is heard of a scrape later."""
    since: float | None = None
    """Since when some are there that are not heard of; of a part it is only said once it has had its scrapes."""

    def suspected(self, figure: Figure | None, wanted: int) -> bool:
        """Take in what is heard, and return whether those that are not heard of may be there."""
        if figure is not None and not figure.instead:
            self.told = bool(wanted) and (self.told or figure.consumers is not None)
        if figure is None or figure.instead or not self.told or _heard(figure) >= wanted:
            self.since = None
            return False
        return True

    def note(self, figure: Figure, there: int, now: float, fresh_seconds: float) -> None:
        """Note how many pods are there and ready; `fresh_seconds` is for how long a new one may be unheard of."""
        if there > _heard(figure) or (figure.consumers is None and figure.unacked):
            begun = now if figure.consumers is None else now + fresh_seconds
            self.since = begun if self.since is None else min(begun, self.since)
        else:
            self.since = None

    def lasts(self, seconds: float, now: float) -> bool:
        """Return whether it has lasted for so long."""
        return self.since is not None and now - self.since >= seconds


def _heard(figure: Figure) -> int:
    return (figure.consumers or 0) + len(figure.leaving)
