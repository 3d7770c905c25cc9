"""Which ConsumerPool scales a Deployment that several of them name: two would undo each other's work for ever.

Forbidden here: clocks, I/O.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warren.resources import ConsumerPool

_LAST: Final = datetime.max.replace(tzinfo=UTC)


def owners(pools: Iterable[ConsumerPool]) -> Mapping[str, str]:
    """Return the pool that scales each Deployment, both by name: the eldest, and the first by name of one age.

    Pools that only advise scale nothing.
    """
    found: dict[str, str] = {}
    for pool in sorted(pools, key=_seniority):
        if not pool.spec.advise_only:
            found.setdefault(pool.spec.scale_target_ref.name, pool.metadata.name)
    return found


def _seniority(pool: ConsumerPool) -> tuple[datetime, str]:
    return pool.metadata.creation_timestamp or _LAST, pool.metadata.name
