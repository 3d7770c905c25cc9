"""The results of tasks, wherever they lie: small ones in the record, large ones in object storage.

Forbidden here: HTTP, imports of adapters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warren.client.documents import inline_result
from warren.errors import NoResultError, NotEndedError, ObjectNotFoundError, ResultGoneError
from warren.objects import Download, ObjectUri
from warren.record import Record, State
from warren.tasks import JSON, Payload

if TYPE_CHECKING:
    from warren.objects import ObjectStore


class Results:
    """Gives results."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def stream(self, record: Record) -> Download:
        """Return a task's result as it comes from where it lies, never the whole of a large one in memory.

        Raises:
            NotEndedError: the task has not ended.
            NoResultError: it ended without one.
            ResultGoneError: it had one, which is no longer in object storage.
            StorageUnavailableError: it is a large one, and the storage does not answer.

        """
        _check_ended(record)
        if record.result_ref is None:
            result = inline_result(record)
            return Download.of(result.body, result.content_type)
        try:
            download = await self._objects.stream(ObjectUri.parse(record.result_ref))
        except ObjectNotFoundError as error:
            raise ResultGoneError(f"the result of the task {record.id} is gone: {error.detail}") from error
        return replace(download, content_type=record.result_type or JSON)

    async def read(self, record: Record) -> Payload:
        """Return a task's whole result; see `stream` for what is raised."""
        download = await self.stream(record)
        body = b"".join([chunk async for chunk in download.chunks])
        return Payload(body, download.content_type)


def _check_ended(record: Record) -> None:
    if not record.state.terminal:
        detail = (
            f"the task {record.id} is {record.state}; its result can be had once it has ended (Prefer: wait=N waits)"
        )
        raise NotEndedError(detail)
    if record.state is not State.SUCCEEDED:
        why = f" ({record.error.code}: {record.error.message})" if record.error else ""
        raise NoResultError(f"the task {record.id} ended without a result: it {_ENDED[record.state]}{why}")


_ENDED = {State.FAILED: "failed", State.CANCELED: "was canceled", State.EXPIRED: "expired"}
