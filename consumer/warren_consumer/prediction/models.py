"""The models that are in memory: which version a reference means at this moment, swapped while requests go on.

An alias is looked up again every few seconds. A new version is loaded beside the old one, which answers meanwhile; the
swap is one assignment. Object storage that is away costs nothing that is loaded.

Forbidden here: how a model is loaded or run.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import WarrenError
from warren_consumer.handler import TaskFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from warren.prediction import ModelReference
    from warren.repository import Repository
    from warren_consumer.prediction.loading import Loader, Model

REFRESH_SECONDS: Final = 3.0
"""How old the answer to "which version is it" may become before it is asked again."""
CAPACITY: Final = 16
"""How many references keep their model in memory; the one that was not used for longest goes first."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Slot:
    """What a reference means now."""

    model: Model
    checked: float


class Models:
    """A bounded cache of loaded models by reference."""

    def __init__(
        self,
        repository: Repository,
        loader: Loader,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        capacity: int = CAPACITY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._loader = loader
        self._refresh_seconds = refresh_seconds
        self._capacity = capacity
        self._monotonic = monotonic
        self._slots: OrderedDict[ModelReference, _Slot] = OrderedDict()
        self._updates: dict[ModelReference, asyncio.Task[Model]] = {}

    async def get(self, reference: ModelReference) -> Model:
        """Return the model that the reference means.

        Raises:
            ModelNotFoundError: there is none.
            StorageUnavailableError: it is not in memory, and cannot be read.
            TaskFault: it cannot be loaded.

        """
        slot = self._slots.get(reference)
        if slot is None:
            return await asyncio.shield(self._update(reference))
        self._slots.move_to_end(reference)
        age = self._monotonic() - slot.checked
        if age > 2 * self._refresh_seconds and reference not in self._updates:
            # Nobody asked for a while: what is in memory may be long out of date.
            return await asyncio.shield(self._update(reference))
        if age > self._refresh_seconds:
            self._update(reference)
        return slot.model

    def _update(self, reference: ModelReference) -> asyncio.Task[Model]:
        """Look the reference up, one look-up at a time."""
        task = self._updates.get(reference)
        if task is None:
            task = self._updates[reference] = asyncio.create_task(self._refresh(reference))
            task.add_done_callback(lambda done: self._updated(reference, done))
        return task

    def _updated(self, reference: ModelReference, task: asyncio.Task[Model]) -> None:
        del self._updates[reference]
        if not task.cancelled():
            task.exception()  # whoever waits for it has it; nobody does while an older model answers

    async def _refresh(self, reference: ModelReference) -> Model:
        slot = self._slots.get(reference)
        try:
            model = await self._current(reference, slot.model if slot else None)
        except (WarrenError, TaskFault) as error:
            if slot is None:
                raise
            _log.warning("model not refreshed; the loaded one answers", model=str(reference), error=str(error))
            model = slot.model
        if slot is not None and model is not slot.model:
            _log.info("model swapped", model=str(reference), version=model.manifest.version)
        self._slots[reference] = _Slot(model, self._monotonic())
        self._evict()
        return model

    async def _current(self, reference: ModelReference, loaded: Model | None) -> Model:
        version = await self._repository.resolve(reference.name, reference.version)
        if loaded is not None and loaded.manifest.version == version:
            return loaded
        for slot in self._slots.values():
            if (slot.model.manifest.name, slot.model.manifest.version) == (reference.name, version):
                return slot.model
        return await self._loader.load(reference.name, version)

    def _evict(self) -> None:
        while len(self._slots) > self._capacity:
            self._slots.popitem(last=False)
