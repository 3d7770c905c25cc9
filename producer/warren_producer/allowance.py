"""How many requests somebody may make: a token bucket, and how it is told of.

Pure. The headers are those of the IETF's draft "RateLimit header fields for HTTP", revision 8 and later
(draft-ietf-httpapi-ratelimit-headers).

Forbidden here: clocks, I/O.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

WINDOW_SECONDS: Final = 10
"""So many seconds' worth of requests may come at once."""

ROUNDING: Final = 1e-9
"""Who waited for as long as was said is not sent away by a sum that came out a little short."""

POLICY: Final = "key"


@dataclass(slots=True)
class Allowance:
    """What is left to one caller. Full in the beginning, it fills up at the rate that it is asked with."""

    left: float = math.inf
    at: float = 0.0
    """When `left` was so much, in seconds of a clock that does not jump."""

    def take(self, rate: float, now: float, count: int = 1) -> bool:
        """Take so many requests out, if they are there, or else none; `rate` is in requests a second."""
        self.left = min(quota(rate), self.left + (now - self.at) * rate)
        self.at = now
        if self.left < count - ROUNDING:
            return False
        self.left = max(0.0, self.left - count)
        return True

    def wait(self, rate: float, count: int = 1) -> float:
        """Return how many seconds it takes until there are so many again: `quota(rate)` at most."""
        return max(0.0, count - self.left) / rate

    def headers(self, rate: float) -> dict[str, str]:
        """Return what tells the caller: how much there is in what time, what is left, and when all of it is back."""
        whole = quota(rate)
        back = math.ceil((whole - self.left) / rate)
        return {
            "RateLimit-Policy": f'"{POLICY}";q={whole};w={math.ceil(whole / rate)}',
            "RateLimit": f'"{POLICY}";r={math.floor(self.left)};t={back}',
        }


def quota(rate: float) -> int:
    """Return how many requests may come at once: those of the window, one at least."""
    return max(1, math.floor(rate * WINDOW_SECONDS))
