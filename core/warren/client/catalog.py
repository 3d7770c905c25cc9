"""Which pool serves a model: the alias' word, remembered for a moment.

Forbidden here: object storage but through the repository.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from warren.errors import StorageUnavailableError
from warren.model import PRODUCTION

if TYPE_CHECKING:
    from warren.prediction import ModelReference
    from warren.repository import Repository

REMEMBER_SECONDS: Final = 2.0
"""How stale an answer may be while object storage answers; while it does not, the last answer goes on."""

REMEMBER_MODELS: Final = 1000


class Catalog:
    """Answers for the models of one repository; many questions about one model at once ask it once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._known: dict[ModelReference, tuple[float, str | None]] = {}
        self._asking: dict[ModelReference, asyncio.Task[str | None]] = {}

    async def pool(self, reference: ModelReference) -> str | None:
        """Return the name of the pool that the model's alias names; None for a version, which names none.

        Raises:
            ModelNotFoundError: there is no such model, version or alias.
            StorageUnavailableError: object storage is away, and the model was not asked for before.

        """
        asked_at, pool = self._known.get(reference, (float("-inf"), None))
        if time.monotonic() - asked_at < REMEMBER_SECONDS:
            return pool
        try:
            return await self._ask_once(reference)
        except StorageUnavailableError:
            if reference not in self._known:
                raise
            return pool

    async def _ask_once(self, reference: ModelReference) -> str | None:
        task = self._asking.get(reference)
        if task is None:
            task = self._asking[reference] = asyncio.create_task(self._ask(reference))
            task.add_done_callback(lambda _: self._asking.pop(reference))
        return await asyncio.shield(task)

    async def _ask(self, reference: ModelReference) -> str | None:
        entry = await self._repository.alias(reference.name, reference.version or PRODUCTION)
        if entry is None:
            await self._repository.resolve(reference.name, reference.version)
        if len(self._known) >= REMEMBER_MODELS:
            self._known.clear()
        pool = entry.pool if entry else None
        self._known[reference] = (time.monotonic(), pool)
        return pool
