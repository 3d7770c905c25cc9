"""Object storage: one interface, two adapters.

`s3` speaks to any S3 through boto3 in threads; `memory` holds the same semantics in this process.

Forbidden here: what the objects mean. That is `warren.repository` and the callers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from warren.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ObjectUri:
    """Where an object lies: `s3://bucket/key`."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an `s3://bucket/key` URI.

        Raises:
            InvalidRequestError: it is not of that form.

        """
        scheme, _, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket or not key:
            raise InvalidRequestError(f"{text!r} is not an object's URI; the form is s3://bucket/key")
        if {".", ".."} & set(key.split("/")):
            raise InvalidRequestError(f"{text!r} is not an object's URI: a key has no parts . and .. as a path has")
        return cls(bucket, key)

    def __str__(self) -> str:
        """Return the URI's text."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Download:
    """An object on its way, part by part."""

    size: int
    content_type: str
    chunks: AsyncGenerator[bytes, None]
    """Its bytes; iterating raises `StorageUnavailableError` when the storage falls silent on the way."""

    @classmethod
    def of(cls, body: bytes, content_type: str) -> Self:
        """Return what is at hand already, in one part."""
        return cls(len(body), content_type, _one(body))


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing says about an object."""

    uri: ObjectUri
    modified: float
    """When it was written last, in seconds since the epoch by the storage's clock."""


class ObjectStore(Protocol):
    """Objects by URI.

    Every method raises `StorageUnavailableError` when the storage does not answer or refuses the credentials, and
    those that read raise `ObjectNotFoundError`, with the URI in its detail.
    """

    async def get(self, uri: ObjectUri) -> bytes:
        """Return an object's bytes."""

    async def stream(self, uri: ObjectUri) -> Download:
        """Return an object's bytes as they come, never the whole in memory."""

    async def put(
        self,
        uri: ObjectUri,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        only_if_absent: bool = False,
    ) -> None:
        """Write an object, checked by SHA-256 on the way.

        Raises:
            ObjectExistsError: `only_if_absent` and there is one already.

        """

    async def download(self, uri: ObjectUri, path: Path) -> None:
        """Write an object's bytes to a file, in parts where it is large."""

    async def upload(self, path: Path, uri: ObjectUri) -> None:
        """Write a file's bytes to an object, in parts where it is large, checked by SHA-256."""

    async def list(self, prefix: ObjectUri) -> list[ObjectUri]:
        """Return the objects whose key starts with the prefix's, sorted."""

    async def copy(self, source: ObjectUri, target: ObjectUri) -> None:
        """Write an object's bytes under another URI, without taking them through this process.

        Raises:
            ObjectNotFoundError: there is no such source.

        """

    def pages(self, prefix: ObjectUri) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield the same objects with their ages, in the same order, a thousand at most at a time.

        However many there are, one page is in memory; deleting what a page named does not disturb the next.
        """

    async def delete(self, uri: ObjectUri) -> None:
        """Delete an object; one that is absent is no error."""

    async def delete_all(self, uris: Sequence[ObjectUri]) -> None:
        """Delete these objects of one bucket in few calls; those that are absent are no error."""

    async def ping(self, bucket: str) -> None:
        """Return if the bucket can be used."""


async def _one(part: bytes) -> AsyncGenerator[bytes, None]:
    yield part
