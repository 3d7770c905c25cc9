"""Payloads of any size: a large one lies in object storage, and its task carries a reference and a checksum.

A stored payload belongs to one task, `payloads/<task id>` in Warren's bucket, and lives as long as that task needs it.

Forbidden here: imports of adapters, and what a payload means.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warren.errors import (
    InvalidRequestError,
    ObjectNotFoundError,
    PayloadCorruptError,
    PayloadForbiddenError,
    PayloadMissingError,
)
from warren.objects import Download, ObjectUri
from warren.tasks import MAX_INLINE_BYTES, Payload

if TYPE_CHECKING:
    from warren.objects import ObjectStore

PREFIX: Final = "payloads/"


class Payloads:
    """Brings large payloads to object storage, and back."""

    def __init__(self, objects: ObjectStore, bucket: str, read_prefixes: Sequence[str] = ()) -> None:
        """Store in this bucket; `read_prefixes` (`s3://bucket/path/`) are what clients' references may lead to besides.

        A message is anybody's who may publish: without this limit it could make a consumer read any bucket that its
        credentials open.
        """
        self._objects = objects
        self._bucket = bucket
        self._readable = (str(ObjectUri(bucket, PREFIX)), *read_prefixes)

    async def digested(self, payload: Payload) -> Payload:
        """Return the payload with its SHA-256 where it is a large one: hashing that takes a while, and a thread."""
        if len(payload.body) <= MAX_INLINE_BYTES or payload.sha256 is not None:
            return payload
        return replace(payload, sha256=await asyncio.to_thread(_sha256, payload.body))

    async def store(self, task_id: str, payload: Payload) -> Payload:
        """Return the payload as the task's message carries it: a large one by reference, and stored by then.

        Raises:
            StorageUnavailableError: it is large, and the storage does not take it.

        """
        if len(payload.body) <= MAX_INLINE_BYTES:
            return payload
        uri = payload_uri(self._bucket, task_id)
        digested = await self.digested(payload)
        await self._objects.put(uri, payload.body, content_type=payload.content_type)
        return replace(digested, body=b"", reference=str(uri))

    async def inherit(self, payload: Payload, task_id: str) -> Payload:
        """Return the payload of a failed task for the task that replays it.

        A stored one is copied, because it goes when its task does. What a client's own reference leads to is shared.

        Raises:
            PayloadMissingError: there is no such object.
            StorageUnavailableError: the storage does not answer.

        """
        if payload.reference is None or not payload.reference.startswith(str(ObjectUri(self._bucket, PREFIX))):
            return payload
        uri = ObjectUri(self._bucket, f"{PREFIX}{task_id}")
        try:
            await self._objects.copy(ObjectUri.parse(payload.reference), uri)
        except ObjectNotFoundError as error:
            raise _missing(error) from error
        return replace(payload, reference=str(uri))

    async def fetch(self, payload: Payload) -> Payload:
        """Return the payload with its body.

        Raises:
            PayloadForbiddenError: its reference leads to where tasks may not read.
            PayloadMissingError: there is no such object.
            PayloadCorruptError: the object is another one than was submitted.
            StorageUnavailableError: the storage does not answer.

        """
        if payload.reference is None:
            return payload
        uri = self._readable_uri(payload.reference)
        try:
            body = await self._objects.get(uri)
        except ObjectNotFoundError as error:
            raise _missing(error) from error
        if await asyncio.to_thread(_sha256, body) != payload.sha256:
            raise _corrupt(uri, len(body))
        return Payload(body, payload.content_type)

    async def stream(self, payload: Payload) -> Download:
        """Return the payload as it comes from where it lies, never the whole of a large one in memory.

        What is not what was submitted breaks off before its last part: iterating raises `PayloadCorruptError`.

        Raises:
            PayloadForbiddenError, PayloadMissingError, StorageUnavailableError: as for `fetch`.

        """
        if payload.reference is None:
            return Download.of(payload.body, payload.content_type)
        uri = self._readable_uri(payload.reference)
        try:
            download = await self._objects.stream(uri)
        except ObjectNotFoundError as error:
            raise _missing(error) from error
        chunks = _verified(download.chunks, uri, payload.sha256)
        return replace(download, chunks=chunks, content_type=payload.content_type)

    def _readable_uri(self, reference: str) -> ObjectUri:
        try:
            uri = ObjectUri.parse(reference)
        except InvalidRequestError as error:
            raise PayloadForbiddenError(error.detail) from error
        if not reference.startswith(self._readable):
            detail = (
                f"a payload may not lie at {reference}; tasks read payloads under {', '.join(self._readable)} "
                "(setting WARREN_STORAGE_READ_PREFIXES)"
            )
            raise PayloadForbiddenError(detail)
        return uri


def payload_uri(bucket: str, task_id: str) -> ObjectUri:
    """Return where a task's payload lies when it is a large one."""
    return ObjectUri(bucket, f"{PREFIX}{task_id}")


async def _verified(
    chunks: AsyncGenerator[bytes, None], uri: ObjectUri, sha256: str | None
) -> AsyncGenerator[bytes, None]:
    """Yield the parts; the last one only when all of them are those that the checksum is of."""
    digest, size, held = hashlib.sha256(), 0, b""
    async for chunk in chunks:
        if held:
            yield held
        digest.update(chunk)
        size, held = size + len(chunk), chunk
    if digest.hexdigest() != sha256:
        raise _corrupt(uri, size)
    yield held


def _missing(error: ObjectNotFoundError) -> PayloadMissingError:
    return PayloadMissingError(f"the task's payload is gone: {error.detail}")


def _corrupt(uri: ObjectUri, size: int) -> PayloadCorruptError:
    detail = f"{uri} holds {size} bytes whose SHA-256 is not that of the task's message; submit it again"
    return PayloadCorruptError(detail)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
