"""Where results go: small ones into the record, large ones into object storage with a reference in the record.

Forbidden here: deciding what follows when the storage is away; that is a fault of the attempt like any other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pydantic_core import from_json

from warren.objects import ObjectUri
from warren.settlement import succeeded
from warren.tasks import MAX_INLINE_BYTES, is_json, is_media_type
from warren_consumer.handler import TaskFault

if TYPE_CHECKING:
    from warren.objects import ObjectStore
    from warren.record import Lease, Outcome
    from warren.tasks import Payload

NO_JSON: Final = (b"NaN", b"Infinity")
"""What Python's writers of JSON put in place of a number that JSON does not have."""


class Results:
    """Brings results to where they belong."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket
        self._checking = asyncio.Lock()
        """Held while a large result is read: that takes several times its size in memory."""

    async def outcome(self, lease: Lease, result: Payload) -> Outcome:
        """Return how the task ends with this result, which is stored by then.

        Raises:
            StorageUnavailableError: it is large, and the storage does not take it.
            TaskFault: its type is none, or it is said to be JSON and nobody could read it.

        """
        _check_type(result)
        if len(result.body) <= MAX_INLINE_BYTES or any(word in result.body for word in NO_JSON):
            _check_json(result)  # a large one that a function returned was written, or read, where that ran
        return await self._kept(lease.task_id, str(lease.fence), result)

    async def named(self, task_id: str, name: str, result: Payload) -> Outcome:
        """Return the same for a foreign worker's, which no lease tells from the task's other results, but this name.

        Raises:
            StorageUnavailableError: see `outcome`.
            TaskFault: see `outcome`.

        """
        _check_type(result)
        if len(result.body) <= MAX_INLINE_BYTES:
            _check_json(result)
        else:
            async with self._checking:
                await asyncio.to_thread(_check_json, result)
        return await self._kept(task_id, name, result)

    async def _kept(self, task_id: str, name: str, result: Payload) -> Outcome:
        if len(result.body) <= MAX_INLINE_BYTES:
            return succeeded(result)
        uri = ObjectUri(self._bucket, f"results/{task_id}/{name}")
        await self._objects.put(uri, result.body, content_type=result.content_type)
        return succeeded(result, str(uri))


def _check_type(result: Payload) -> None:
    if not is_media_type(result.content_type):
        raise TaskFault("invalid-result", f"the result's content type is no media type: {result.content_type[:50]!r}")


def _check_json(result: Payload) -> None:
    """Refuse what is said to be JSON and nobody could read; nothing at all is null."""
    body = result.body
    if not (body and is_json(result.content_type)):
        return
    try:
        from_json(b"[%b]" % body, allow_inf_nan=False)
    except ValueError as error:
        raise TaskFault("invalid-result", f"the result is not JSON that can be read: {error}") from error
