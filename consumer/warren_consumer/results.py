"""Where results go: small ones into the record, large ones into object storage with a reference in the record.

Forbidden here: deciding what follows when the storage is away; that is a fault of the attempt like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warren.objects import ObjectUri
from warren.tasks import MAX_INLINE_BYTES
from warren_consumer.settlement import succeeded

if TYPE_CHECKING:
    from warren.objects import ObjectStore
    from warren.record import Lease, Outcome
    from warren.tasks import Payload


class Results:
    """Brings results to where they belong."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    async def outcome(self, lease: Lease, result: Payload) -> Outcome:
        """Return how the task ends with this result, which is stored by then.

        Raises:
            StorageUnavailableError: it is large, and the storage does not take it.

        """
        return await self.named(lease.task_id, str(lease.fence), result)

    async def named(self, task_id: str, name: str, result: Payload) -> Outcome:
        """Return the same, for a result that no lease tells from the task's other ones, but this name.

        Raises:
            StorageUnavailableError: see `outcome`.

        """
        if len(result.body) <= MAX_INLINE_BYTES:
            return succeeded(result)
        uri = ObjectUri(self._bucket, f"results/{task_id}/{name}")
        await self._objects.put(uri, result.body, content_type=result.content_type)
        return succeeded(result, str(uri))
