"""The environment: variables that no component of Warren knows.

A misspelt variable stops the process that reads it; here it is found before.

Forbidden here: the settings' meaning.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Final

from warren.doctor.finding import Finding, Findings
from warren.settings import PREFIX, Settings

ABOUT: Final = Findings("settings")
GROUP: Final = "warren.settings"
"""The entry points under which a component tells its class of settings."""


OF_CLIENTS: Final = frozenset({"WARREN_API_KEY"})
"""What clients of the API read, and no component."""


def known_variables() -> set[str]:
    """Return the variables of clients, and of all components that are installed whole."""
    names: set[str] = set(OF_CLIENTS)
    for entry_point in entry_points(group=GROUP):
        try:
            kind: type[Settings] = entry_point.load()
        except ImportError:
            continue
        names |= {f"{PREFIX}{name.upper()}" for name in kind.model_fields}
    return names


def judge_environment(environ: Mapping[str, str], known: Iterable[str]) -> Iterator[Finding]:
    """Name the variables that nobody knows."""
    known = sorted(known)
    unknown = [name for name in sorted(environ) if name.startswith(PREFIX) and name not in known]
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"is {near[0]} meant?" if near else "take it away"
        yield ABOUT.problem(
            "variables", f"{name} is known to no component: a process that reads it does not start", advice
        )
    if not unknown:
        yield ABOUT.ok("variables", f"all {PREFIX}* are known")
