"""Object storage on any S3, through boto3 in threads. Endpoint and credentials are the AWS SDK's own variables.

Forbidden here: asyncio-native S3 clients (they conflict with boto3), retry or multipart code of our own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, ParamSpec, TypeVar

import boto3
from boto3.exceptions import Boto3Error, S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from warren.errors import ObjectExistsError, ObjectNotFoundError, StorageUnavailableError, WarrenError
from warren.objects import Download, ObjectUri, StoredObject

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")
Listing = list[ObjectUri]
"""`list`, inside the class, is a method."""

THREADS: Final = 8
PART_BYTES: Final = 16 * 1024 * 1024
"""Files from this size on travel in parts of it."""

CHUNK_BYTES: Final = 1024 * 1024
"""How much of a streamed object is in memory at once."""

DELETED_AT_ONCE: Final = 1000
"""S3's own limit of a call that deletes many; a page of a listing has as many objects at most."""

_CONNECT_SECONDS: Final = 2
READ_SECONDS: Final = 20
_ATTEMPTS: Final = 2
_CHECKSUM: Final = {"ChecksumAlgorithm": "SHA256"}
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_DENIED: Final = frozenset({"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_EXISTS: Final = frozenset({"409", "412", "PreconditionFailed", "ConditionalRequestConflict"})


class S3Objects:
    """Objects in S3. Nothing is connected before the first call."""

    def __init__(self, *, read_seconds: float = READ_SECONDS) -> None:
        """Wait so long for each answer of the storage, and twice at most."""
        self._read_seconds = read_seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._lock = threading.Lock()
        self._created: Any = None

    async def get(self, uri: ObjectUri) -> bytes:
        """Return an object's bytes; see `ObjectStore`."""
        return await self._call(uri, self._get, uri)

    async def stream(self, uri: ObjectUri) -> Download:
        """Return an object's bytes as they come; see `ObjectStore`."""
        answer = await self._call(uri, self._open, uri)
        return Download(answer["ContentLength"], answer["ContentType"], self._chunks(uri, answer["Body"]))

    async def put(
        self,
        uri: ObjectUri,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        only_if_absent: bool = False,
    ) -> None:
        """Write an object; see `ObjectStore`."""
        condition = {"IfNoneMatch": "*"} if only_if_absent else {}
        await self._call(uri, self._put, uri, Body=data, ContentType=content_type, **condition)

    async def download(self, uri: ObjectUri, path: Path) -> None:
        """Write an object's bytes to a file; see `ObjectStore`."""
        await self._call(uri, self._download, uri, path)

    async def upload(self, path: Path, uri: ObjectUri) -> None:
        """Write a file's bytes to an object; see `ObjectStore`."""
        await self._call(uri, self._upload, path, uri)

    async def list(self, prefix: ObjectUri) -> list[ObjectUri]:
        """Return the objects under the prefix; see `ObjectStore`."""
        return await self._call(prefix, self._list, prefix)

    async def copy(self, source: ObjectUri, target: ObjectUri) -> None:
        """Write an object's bytes under another URI; see `ObjectStore`."""
        await self._call(source, self._copy, source, target)

    async def pages(self, prefix: ObjectUri) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield the objects under the prefix with their ages; see `ObjectStore`."""
        position: dict[str, str] = {}
        while True:
            found, position = await self._call(prefix, self._page, prefix, position)
            if found:
                yield found
            if not position:
                return

    async def delete(self, uri: ObjectUri) -> None:
        """Delete an object; see `ObjectStore`."""
        await self._call(uri, self._delete, uri)

    async def delete_all(self, uris: Sequence[ObjectUri]) -> None:
        """Delete objects; see `ObjectStore`."""
        for first in range(0, len(uris), DELETED_AT_ONCE):
            await self._call(uris[first], self._delete_all, uris[first : first + DELETED_AT_ONCE])

    async def ping(self, bucket: str) -> None:
        """Return if the bucket can be used; see `ObjectStore`."""
        await self._call(ObjectUri(bucket, ""), self._head_bucket, bucket)

    async def _chunks(self, uri: ObjectUri, body: Any) -> AsyncGenerator[bytes, None]:  # noqa: ANN401 - see _client
        try:
            while chunk := await self._call(uri, body.read, CHUNK_BYTES):
                yield chunk
        finally:
            body.close()

    async def _call(self, uri: ObjectUri, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))
        except ClientError as error:
            self._refused(error, uri)
        except (BotoCoreError, Boto3Error, OSError, ValueError) as error:  # ValueError: a malformed endpoint
            raise self._unavailable(error) from error

    def _client(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        with self._lock:
            if self._created is None:
                self._created = _connect(self._read_seconds)
            return self._created

    def _get(self, uri: ObjectUri) -> bytes:
        body: bytes = self._open(uri)["Body"].read()
        return body

    def _open(self, uri: ObjectUri) -> dict[str, Any]:
        answer: dict[str, Any] = self._client().get_object(Bucket=uri.bucket, Key=uri.key, ChecksumMode="ENABLED")
        return answer

    def _put(self, uri: ObjectUri, **request: bytes | str) -> None:
        self._client().put_object(Bucket=uri.bucket, Key=uri.key, **_CHECKSUM, **request)

    def _download(self, uri: ObjectUri, path: Path) -> None:
        self._client().download_file(uri.bucket, uri.key, str(path), Config=_transfer())

    def _upload(self, path: Path, uri: ObjectUri) -> None:
        """Upload, then compare what the storage holds: a finished multipart upload can fail inside an answer of 200."""
        client = self._client()
        try:
            client.upload_file(str(path), uri.bucket, uri.key, ExtraArgs=_CHECKSUM, Config=_transfer())
        except S3UploadFailedError as error:
            if isinstance(error.__context__, ClientError):
                raise error.__context__ from error
            raise
        head = client.head_object(Bucket=uri.bucket, Key=uri.key, ChecksumMode="ENABLED")
        size, stored = path.stat().st_size, head.get("ChecksumSHA256")
        if head["ContentLength"] != size or (stored is not None and stored != checksum(path, PART_BYTES)):
            detail = f"{uri}: the storage at {self._endpoint()} holds other bytes than were sent; try again"
            raise StorageUnavailableError(detail)

    def _list(self, prefix: ObjectUri) -> Listing:
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", ()))
        return [ObjectUri(prefix.bucket, key) for key in keys]

    def _copy(self, source: ObjectUri, target: ObjectUri) -> None:
        origin = {"Bucket": source.bucket, "Key": source.key}
        self._client().copy(origin, target.bucket, target.key, ExtraArgs=_CHECKSUM, Config=_transfer())

    def _page(self, prefix: ObjectUri, position: dict[str, str]) -> tuple[Sequence[StoredObject], dict[str, str]]:
        """Return a page, and the arguments that bring the next one: none after the last."""
        answer = self._client().list_objects_v2(Bucket=prefix.bucket, Prefix=prefix.key, **position)
        found = [
            StoredObject(ObjectUri(prefix.bucket, item["Key"]), item["LastModified"].timestamp())
            for item in answer.get("Contents", ())
        ]
        return found, {"ContinuationToken": answer["NextContinuationToken"]} if answer.get("IsTruncated") else {}

    def _delete_all(self, uris: Sequence[ObjectUri]) -> None:
        named = {"Objects": [{"Key": uri.key} for uri in uris], "Quiet": True}
        answer = self._client().delete_objects(Bucket=uris[0].bucket, Delete=named)
        if refused := answer.get("Errors"):
            first = refused[0]
            raise StorageUnavailableError(
                f"the object storage at {self._endpoint()} did not delete {len(refused)} of {len(uris)} objects, "
                f"s3://{uris[0].bucket}/{first.get('Key')} for one: {first.get('Code')} {first.get('Message', '')}"
            )

    def _delete(self, uri: ObjectUri) -> None:
        self._client().delete_object(Bucket=uri.bucket, Key=uri.key)

    def _head_bucket(self, bucket: str) -> None:
        self._client().head_bucket(Bucket=bucket)

    def _endpoint(self) -> str:
        return str(self._client().meta.endpoint_url)

    def _refused(self, error: ClientError, uri: ObjectUri) -> NoReturn:
        """Raise what the storage's answer means."""
        raise self._meaning(error, uri) from error

    def _meaning(self, error: ClientError, uri: ObjectUri) -> WarrenError:
        code, operation = str(error.response.get("Error", {}).get("Code", "")), error.operation_name
        if code in _EXISTS:
            return ObjectExistsError(f"{uri}: exists already")
        if code in _DENIED:
            detail = (
                f"the object storage at {self._endpoint()} refuses access to {uri} ({code}); check the bucket's "
                "name, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
            return StorageUnavailableError(detail)
        no_bucket = f"the object storage at {self._endpoint()} has no bucket {uri.bucket!r}"
        if operation in {"GetObject", "HeadObject"} and code in _MISSING | {"NoSuchBucket"}:
            return ObjectNotFoundError(f"{uri}: {no_bucket if code == 'NoSuchBucket' else 'there is no such object'}")
        if code in _MISSING | {"NoSuchBucket"}:
            return StorageUnavailableError(f"{no_bucket}; create it, or correct WARREN_STORAGE_BUCKET")
        return self._unavailable(error)

    def _unavailable(self, error: Exception) -> StorageUnavailableError:
        if isinstance(error, NoCredentialsError):
            detail = "there are no credentials for object storage; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            return StorageUnavailableError(detail)
        where = "" if self._created is None else f" at {self._endpoint()}"
        detail = f"the object storage{where} does not answer: {error}; is AWS_ENDPOINT_URL right?"
        return StorageUnavailableError(detail)


def checksum(path: Path, part: int) -> str:
    """Return the SHA-256 that S3 holds of a file: of its bytes, or of its parts' checksums where it came in parts."""
    if path.stat().st_size < part:
        return base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
    with path.open("rb") as file:
        digests = [hashlib.sha256(data).digest() for data in iter(lambda: file.read(part), b"")]
    return f"{base64.b64encode(hashlib.sha256(b''.join(digests)).digest()).decode()}-{len(digests)}"


def _transfer() -> TransferConfig:
    return TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)


def _connect(read_seconds: float) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """Return a client; a storage that is not Amazon's is addressed by path, since its buckets have no host names."""
    session = boto3.session.Session()
    client = session.client("s3", config=_config("auto", read_seconds))
    if ".amazonaws." in client.meta.endpoint_url:
        return client
    return session.client("s3", config=_config("path", read_seconds))


def _config(addressing: str, read_seconds: float) -> Config:
    return Config(
        signature_version="s3v4",
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=THREADS * 5,
        s3={"addressing_style": addressing},
    )
