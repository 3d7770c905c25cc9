"""Clocks that disagree: deadlines are times of day, and travel from one machine to another.

Forbidden here: reading clocks.
"""

from __future__ import annotations

from typing import Final

from warren.doctor.finding import Finding, Findings

TOLERATED_SECONDS: Final = 2.0


def judge_clock(about: Findings, skew_seconds: float) -> Finding:
    """Say whether a clock agrees with the one of this shell."""
    if abs(skew_seconds) <= TOLERATED_SECONDS:
        return about.ok("clock", f"agrees with this machine's within {TOLERATED_SECONDS:g} s")
    where = "ahead of" if skew_seconds > 0 else "behind"
    return about.warning(
        "clock",
        f"{abs(skew_seconds):.1f} s {where} this machine's",
        "let all machines keep time by NTP: deadlines are met too early or too late by as much",
    )
