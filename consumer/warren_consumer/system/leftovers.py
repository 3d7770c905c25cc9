"""Leftovers: payloads, results and checkpoints in object storage that no record needs any more.

    payloads/<task id>              needed until its task has ended, and by a failed one for a replay
    results/<task id>/<name>        needed by the record that refers to it
    checkpoints/<task id>/...       needed until its task has ended

Forbidden here: objects that are not of this form. The bucket may be others' as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog

from warren.clock import Clock, SystemClock
from warren.objects import ObjectUri
from warren.record import State

if TYPE_CHECKING:
    from warren.objects import ObjectStore, StoredObject
    from warren.record import Record
    from warren.records import Records
    from warren_consumer.system.metrics import SystemMetrics

EVERY_SECONDS: Final = 600.0
YOUNG_SECONDS: Final = 3600.0
"""A younger object may be one whose record is about to be written."""
UNCLAIMED_SECONDS: Final = 24 * 3600.0
"""The same for a payload without any record: its task may wait in a queue nevertheless (a store that was flushed, a
client that publishes by itself), and its message has nothing but the reference."""
AT_ONCE: Final = 50
"""How many records are read together: each may hold a result of a megabyte."""

_UUID: Final = r"[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}"
_FENCE: Final = "[0-9]{16,}"
_DIGEST: Final = "[0-9a-f]{64}"
KEYS: Final = {
    "payloads": re.compile(f"payloads/(?P<id>{_UUID})"),
    "results": re.compile(f"results/(?P<id>{_UUID}|.+(?=/(?:{_FENCE}|{_DIGEST})$))/[^/]+"),
    "checkpoints": re.compile(f"checkpoints/(?P<id>{_UUID}|.+?(?=/{_FENCE}/))/.+"),
}
"""A client may give its task any id. One that is no UUID is known by the name that Warren gives what is the task's: a
fence, or a digest. Of payloads only those with ids of Warren's own making lie here."""

log = structlog.get_logger(__name__)


class Leftovers:
    """Deletes what is left over."""

    def __init__(
        self, objects: ObjectStore, bucket: str, records: Records, metrics: SystemMetrics, clock: Clock | None = None
    ) -> None:
        self._objects = objects
        self._bucket = bucket
        self._records = records
        self._metrics = metrics
        self._clock = clock or SystemClock()

    async def once(self) -> None:
        """Go through all objects once, page by page.

        Raises:
            UnavailableError: the rest is left for the next time.

        """
        for kind in KEYS:
            async for page in self._objects.pages(ObjectUri(self._bucket, f"{kind}/")):
                aged = [found for found in page if self._age(found) >= YOUNG_SECONDS]
                for first in range(0, len(aged), AT_ONCE):
                    await self._clear(kind, aged[first : first + AT_ONCE])

    async def _clear(self, kind: str, objects: Sequence[StoredObject]) -> None:
        owned = {found: task_id for found in objects if (task_id := owner(kind, found.uri.key))}
        records = dict(zip(owned, await self._records.read([*owned.values()]), strict=True))
        over = [found.uri for found, record in records.items() if not needed(kind, found.uri, record, self._age(found))]
        if over:
            await self._objects.delete_all(over)
            self._metrics.objects.labels(kind).inc(len(over))
            log.info("objects that no record needs were deleted", kind=kind, count=len(over))

    def _age(self, found: StoredObject) -> float:
        return self._clock.now() - found.modified


def owner(kind: str, key: str) -> str | None:
    """Return the id of the task that an object is of; None if its key is not one that Warren gives."""
    found = KEYS[kind].fullmatch(key)
    return found["id"] if found else None


def needed(kind: str, uri: ObjectUri, record: Record | None, age: float) -> bool:
    """Tell whether an object of that age is needed by its task, which has this record."""
    if record is None:
        return kind == "payloads" and age < UNCLAIMED_SECONDS
    if not record.state.terminal:
        return True
    match kind:
        case "payloads":
            return record.state is State.FAILED and (record.payload_ref == str(uri) or _may_get_its_payload(record))
        case "results":
            return record.result_ref == str(uri)
    return False


def _may_get_its_payload(record: Record) -> bool:
    """Tell whether where its payload lies may be about to be noted: of poison, that is a step of its own."""
    return record.payload_ref is None and record.now - (record.finished_at or 0.0) < YOUNG_SECONDS
