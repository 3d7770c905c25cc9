"""What each kind of pool works on: `train` pools train; `serve` pools predict and call functions.

Forbidden here: importing a kind's libraries for a pool of the other kind; each kind's image has only its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warren.function import find_functions
from warren.model import PREDICT_TASK
from warren.pool import Pool, PoolKind
from warren.training import TRAIN_TASK
from warren_consumer import diagnostics
from warren_consumer.functions import handlers
from warren_consumer.handlers import TRAIN_TIMEOUT_SECONDS, Registration, Registrations, refusal

if TYPE_CHECKING:
    from warren.objects import ObjectStore
    from warren.repository import Repository
    from warren_consumer.functions.executors import Executors
    from warren_consumer.settings import ConsumerSettings

TRAIN_ATTEMPTS: Final = 4
PREDICT_ATTEMPTS: Final = 3
PREDICT_TIMEOUT_SECONDS: Final = 60.0


def registrations(
    pool: Pool, settings: ConsumerSettings, objects: ObjectStore, repository: Repository, executors: Executors
) -> Registrations:
    """Return what the pool's consumers do, by task name; what only pools of the other kind do is refused with a reason.

    Raises:
        SettingsError: a module of tasks cannot be used.

    """
    calls = handlers.registrations(find_functions([diagnostics]), executors)
    if pool.kind is PoolKind.TRAIN:
        refused = {name: _misplaced(pool, PoolKind.SERVE) for name in (*calls, PREDICT_TASK)}
        return refused | {TRAIN_TASK: _training(settings, objects, repository)}
    return calls | {
        TRAIN_TASK: _misplaced(pool, PoolKind.TRAIN),
        PREDICT_TASK: _prediction(settings, repository),
    }


def _misplaced(pool: Pool, wanted: PoolKind) -> Registration:
    return refusal("wrong-pool", f"is work for pools of kind {wanted}, and {pool.name} is of kind {pool.kind}")


def _training(settings: ConsumerSettings, objects: ObjectStore, repository: Repository) -> Registration:
    from warren_consumer.training.folders import clear_leftovers  # noqa: PLC0415 - see above
    from warren_consumer.training.handler import train_handler  # noqa: PLC0415

    clear_leftovers()
    handler = train_handler(objects, repository, settings, threads=settings.cpus)
    return Registration(handler, TRAIN_TIMEOUT_SECONDS, TRAIN_ATTEMPTS)


def _prediction(settings: ConsumerSettings, repository: Repository) -> Registration:
    from warren_consumer.prediction.handler import predict_handler  # noqa: PLC0415 - see above

    return Registration(predict_handler(repository, threads=settings.cpus), PREDICT_TIMEOUT_SECONDS, PREDICT_ATTEMPTS)
