"""What every object store does: one suite for the in-memory one and for S3."""

import asyncio
import time
from pathlib import Path

import pytest

from warren.errors import ObjectExistsError, ObjectNotFoundError, StorageUnavailableError
from warren.objects import ObjectStore, ObjectUri

WRITERS = 8


class ObjectStoreContract:
    """Subclasses give the fixtures `objects` and `bucket`."""

    async def test_what_was_put_is_got(self, objects: ObjectStore, bucket: str) -> None:
        uri = ObjectUri(bucket, "a/b c/ü.bin")
        await objects.put(uri, b"\x00\xff")
        await objects.put(uri, b"second", content_type="text/plain")
        assert await objects.get(uri) == b"second"

    @pytest.mark.parametrize("size", [0, 1000, 5_000_000])
    async def test_an_object_is_streamed_in_parts(self, objects: ObjectStore, bucket: str, size: int) -> None:
        data = bytes(range(250)) * (size // 250)
        await objects.put(ObjectUri(bucket, "large"), data, content_type="image/png")
        download = await objects.stream(ObjectUri(bucket, "large"))
        chunks = [chunk async for chunk in download.chunks]
        assert (download.size, download.content_type, b"".join(chunks)) == (size, "image/png", data)
        assert all(len(chunk) <= 1024 * 1024 for chunk in chunks)

    async def test_a_stream_may_be_left_early(self, objects: ObjectStore, bucket: str) -> None:
        await objects.put(ObjectUri(bucket, "large"), b"x" * 5 * 1024 * 1024)
        for _ in range(60):
            download = await objects.stream(ObjectUri(bucket, "large"))
            await anext(download.chunks)
            await download.chunks.aclose()

    async def test_an_absent_object_is_named(self, objects: ObjectStore, bucket: str, tmp_path: Path) -> None:
        uri = ObjectUri(bucket, "absent")
        with pytest.raises(ObjectNotFoundError, match=str(uri)):
            await objects.get(uri)
        with pytest.raises(ObjectNotFoundError, match=str(uri)):
            await objects.stream(uri)
        with pytest.raises(ObjectNotFoundError, match=str(uri)):
            await objects.download(uri, tmp_path / "file")

    async def test_one_of_many_writers_creates_an_object(self, objects: ObjectStore, bucket: str) -> None:
        uri = ObjectUri(bucket, "once")
        writes = (objects.put(uri, bytes([n]), only_if_absent=True) for n in range(WRITERS))
        answers = await asyncio.gather(*writes, return_exceptions=True)
        won = [n for n, answer in enumerate(answers) if answer is None]
        assert len(won) == 1
        assert all(isinstance(answer, ObjectExistsError) for n, answer in enumerate(answers) if n not in won)
        assert await objects.get(uri) == bytes(won)

    async def test_only_if_absent_leaves_what_is_there(self, objects: ObjectStore, bucket: str) -> None:
        uri = ObjectUri(bucket, "there")
        await objects.put(uri, b"first")
        with pytest.raises(ObjectExistsError, match=str(uri)):
            await objects.put(uri, b"second", only_if_absent=True)
        assert await objects.get(uri) == b"first"

    @pytest.mark.parametrize("size", [0, 1000, 40 * 1024 * 1024], ids=["empty", "small", "in parts"])
    async def test_files_go_and_come_back(self, objects: ObjectStore, bucket: str, tmp_path: Path, size: int) -> None:
        data = bytes(range(250)) * (size // 250) + b"x" * (size % 250)
        (tmp_path / "up").write_bytes(data)
        uri = ObjectUri(bucket, "file")
        await objects.upload(tmp_path / "up", uri)
        await objects.download(uri, tmp_path / "down")
        assert (tmp_path / "down").read_bytes() == data

    @pytest.mark.parametrize("size", [0, 1000, 40 * 1024 * 1024], ids=["empty", "small", "in parts"])
    async def test_a_copy_stays_when_its_source_is_deleted(self, objects: ObjectStore, bucket: str, size: int) -> None:
        source, target, data = ObjectUri(bucket, "a/ü b"), ObjectUri(bucket, "copy"), b"x" * size
        await objects.put(source, data)
        await objects.copy(source, target)
        await objects.delete(source)
        assert await objects.get(target) == data
        with pytest.raises(ObjectNotFoundError, match=str(source)):
            await objects.copy(source, target)

    async def test_lists_what_is_under_a_prefix(self, objects: ObjectStore, bucket: str) -> None:
        for key in ("p/2", "p/10", "q/1", "p/deep/er"):
            await objects.put(ObjectUri(bucket, key), b"")
        assert [uri.key for uri in await objects.list(ObjectUri(bucket, "p/"))] == ["p/10", "p/2", "p/deep/er"]
        assert await objects.list(ObjectUri(bucket, "nothing/")) == []

    async def test_pages_of_a_listing_tell_ages_and_survive_deleting(self, objects: ObjectStore, bucket: str) -> None:
        count = 1005
        uris = [ObjectUri(bucket, f"many/{number:04}") for number in range(count)]
        for first in range(0, count, 100):
            await asyncio.gather(*(objects.put(uri, b"x") for uri in uris[first : first + 100]))
        await objects.put(ObjectUri(bucket, "other"), b"")
        seen = []
        async for page in objects.pages(ObjectUri(bucket, "many/")):
            assert 0 < len(page) <= 1000
            assert all(abs(time.time() - found.modified) < 60 for found in page)
            seen += [found.uri for found in page]
            await objects.delete_all([found.uri for found in page])
        assert seen == uris
        assert await objects.list(ObjectUri(bucket, "")) == [ObjectUri(bucket, "other")]
        await objects.delete_all([*uris, ObjectUri(bucket, "other")])
        assert [page async for page in objects.pages(ObjectUri(bucket, ""))] == []

    async def test_deletes(self, objects: ObjectStore, bucket: str) -> None:
        uri = ObjectUri(bucket, "gone")
        await objects.put(uri, b"")
        await objects.delete(uri)
        await objects.delete(uri)
        with pytest.raises(ObjectNotFoundError):
            await objects.get(uri)

    async def test_a_missing_bucket_is_named(self, objects: ObjectStore, bucket: str, tmp_path: Path) -> None:
        await objects.ping(bucket)
        uri = ObjectUri("no-such-bucket", "key")
        (tmp_path / "file").write_bytes(b"")
        for call in (
            objects.ping(uri.bucket),
            objects.put(uri, b""),
            objects.list(uri),
            anext(aiter(objects.pages(uri))),
            objects.delete_all([uri]),
            objects.upload(tmp_path / "file", uri),
        ):
            with pytest.raises(StorageUnavailableError, match="no-such-bucket"):
                await call
        for read in (objects.get(uri), objects.download(uri, tmp_path / "file")):
            with pytest.raises(ObjectNotFoundError, match="no-such-bucket"):
                await read
