"""The producer: what does its `/readyz` say?

Forbidden here: HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from warren.doctor.finding import Finding, Findings

ABOUT: Final = Findings("producer")


def judge_readiness(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Return what there is to say about a producer's answer."""
    status = document.get("status")
    if status == "ready":
        yield ABOUT.ok("readiness", "ready")
        return
    advice = "find the same dependency below; what needs it is answered with 503 meanwhile"
    for name, dependency in document.get("dependencies", {}).items():
        if dependency.get("state") != "ok":
            yield ABOUT.problem("readiness", f"{status}: {name} {dependency.get('detail', 'unavailable')}", advice)
