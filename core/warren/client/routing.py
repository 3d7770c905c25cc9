"""Which pool a task goes to: a pure decision.

Forbidden here: I/O, clocks, imports of adapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from warren.errors import WrongPoolError
from warren.pool import DEFAULT_POOLS, Pool, PoolKind
from warren.training import TRAIN_TASK

_USUAL: Final = frozenset(pool.name for pool in DEFAULT_POOLS)


def choose_pool(task: str, pools: Sequence[Pool], *, wanted: str | None = None, usual: str | None = None) -> Pool:
    """Return the pool for a task: the one that the submitter wants, else the task's usual one, else its kind's default.

    The default of a kind is the pool of that kind among Warren's default pools, or the first one that there is.

    Raises:
        WrongPoolError: the pool does not exist, is of the wrong kind, or there is none of the kind.

    """
    kind = PoolKind.TRAIN if task == TRAIN_TASK else PoolKind.SERVE
    pool = _named(wanted or usual, pools) if wanted or usual else _default(kind, pools)
    if pool.kind is not kind:
        detail = (
            f"the task {task!r} is {kind} work, but the pool {pool.name!r} is of kind {pool.kind}; "
            f"pools of kind {kind}: {_list(pool for pool in pools if pool.kind is kind)}"
        )
        raise WrongPoolError(detail)
    return pool


def _named(name: str | None, pools: Sequence[Pool]) -> Pool:
    for pool in pools:
        if pool.name == name:
            return pool
    raise WrongPoolError(f"the pool {name!r} does not exist; pools: {_list(pools)}")


def _default(kind: PoolKind, pools: Sequence[Pool]) -> Pool:
    fitting = [pool for pool in pools if pool.kind is kind]
    if not fitting:
        raise WrongPoolError(f"there is no pool of kind {kind}; pools: {_list(pools)}")
    return next((pool for pool in fitting if pool.name in _USUAL), fitting[0])


def _list(pools: Iterable[Pool]) -> str:
    return ", ".join(f"{pool.name} ({pool.kind})" for pool in pools) or "none"
