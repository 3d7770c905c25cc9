"""Object storage in this process, for tests and rehearsals: the semantics of `s3`, nothing kept.

Forbidden here: what S3 does not do.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final

from warren.clock import Clock, SystemClock
from warren.errors import ObjectExistsError, ObjectNotFoundError, StorageUnavailableError
from warren.objects import Download, ObjectUri, StoredObject

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path


CHUNK_BYTES: Final = 64 * 1024
PAGE: Final = 1000


class MemoryObjects:
    """Objects in a dictionary. `available = False` makes every call fail as if the storage were away."""

    def __init__(self, *buckets: str, clock: Clock | None = None) -> None:
        """Hold these buckets alone; none given: every bucket exists."""
        self._buckets = frozenset(buckets)
        self._clock = clock or SystemClock()
        self._objects: dict[ObjectUri, bytes] = {}
        self._modified: dict[ObjectUri, float] = {}
        self._types: dict[ObjectUri, str] = {}
        self.available = True

    async def get(self, uri: ObjectUri) -> bytes:
        """Return an object's bytes; see `ObjectStore`."""
        self._check()
        if not self._has(uri.bucket):
            raise ObjectNotFoundError(f"{uri}: there is no bucket {uri.bucket!r}")
        if uri not in self._objects:
            raise ObjectNotFoundError(f"{uri}: there is no such object")
        return self._objects[uri]

    async def stream(self, uri: ObjectUri) -> Download:
        """Return an object's bytes as they come; see `ObjectStore`."""
        data = await self.get(uri)
        return Download(len(data), self._types[uri], self._chunks(data))

    async def put(
        self,
        uri: ObjectUri,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        only_if_absent: bool = False,
    ) -> None:
        """Write an object; see `ObjectStore`."""
        self._require(uri.bucket)
        if only_if_absent and uri in self._objects:
            raise ObjectExistsError(f"{uri}: exists already")
        self._objects[uri], self._types[uri] = bytes(data), content_type
        self._modified[uri] = self._clock.now()

    async def download(self, uri: ObjectUri, path: Path) -> None:
        """Write an object's bytes to a file; see `ObjectStore`."""
        data = await self.get(uri)
        await asyncio.to_thread(path.write_bytes, data)

    async def upload(self, path: Path, uri: ObjectUri) -> None:
        """Write a file's bytes to an object; see `ObjectStore`."""
        await self.put(uri, await asyncio.to_thread(path.read_bytes))

    async def list(self, prefix: ObjectUri) -> list[ObjectUri]:
        """Return the objects under the prefix; see `ObjectStore`."""
        self._require(prefix.bucket)
        found = (uri for uri in self._objects if uri.bucket == prefix.bucket and uri.key.startswith(prefix.key))
        return sorted(found, key=lambda uri: uri.key)

    async def copy(self, source: ObjectUri, target: ObjectUri) -> None:
        """Write an object's bytes under another URI; see `ObjectStore`."""
        await self.put(target, await self.get(source))

    async def pages(self, prefix: ObjectUri) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield the objects under the prefix with their ages; see `ObjectStore`."""
        found = iter(await self.list(prefix))
        while uris := tuple(islice(found, PAGE)):
            yield [StoredObject(uri, self._modified[uri]) for uri in uris if uri in self._objects]

    async def delete(self, uri: ObjectUri) -> None:
        """Delete an object; see `ObjectStore`."""
        self._require(uri.bucket)
        self._objects.pop(uri, None)

    async def delete_all(self, uris: Sequence[ObjectUri]) -> None:
        """Delete objects; see `ObjectStore`."""
        for uri in uris:
            await self.delete(uri)

    async def ping(self, bucket: str) -> None:
        """Return if there is such a bucket; see `ObjectStore`."""
        self._require(bucket)

    async def _chunks(self, data: bytes) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(data), CHUNK_BYTES):
            self._check()
            yield data[start : start + CHUNK_BYTES]

    def _check(self) -> None:
        if not self.available:
            raise StorageUnavailableError("the object storage is away")

    def _has(self, bucket: str) -> bool:
        return not self._buckets or bucket in self._buckets

    def _require(self, bucket: str) -> None:
        self._check()
        if not self._has(bucket):
            raise StorageUnavailableError(f"there is no bucket {bucket!r}; create it first")
