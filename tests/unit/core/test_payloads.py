"""Payloads of any size: where they lie, what is fetched, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from warren.errors import PayloadCorruptError, PayloadForbiddenError, PayloadMissingError, StorageUnavailableError
from warren.objects import ObjectUri
from warren.objects.memory import CHUNK_BYTES, MemoryObjects
from warren.payloads import Payloads
from warren.tasks import MAX_INLINE_BYTES, Payload

LARGE = Payload(b"x" * (MAX_INLINE_BYTES + 1), "image/png")


@pytest.fixture(name="objects")
def _objects() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture(name="payloads")
def _payloads(objects: MemoryObjects) -> Payloads:
    return Payloads(objects, "warren")


async def test_a_payload_that_a_message_can_carry_stays_as_it_is(payloads: Payloads, objects: MemoryObjects) -> None:
    payload = Payload(b"x" * MAX_INLINE_BYTES)
    assert await payloads.store("1", payload) is payload
    assert await payloads.fetch(payload) is payload
    assert await objects.list(ObjectUri("warren", "")) == []


async def test_a_large_one_goes_by_reference_and_comes_back(payloads: Payloads, objects: MemoryObjects) -> None:
    stored = await payloads.store("1", LARGE)
    sha256 = hashlib.sha256(LARGE.body).hexdigest()
    assert stored == Payload(b"", "image/png", reference="s3://warren/payloads/1", sha256=sha256)
    assert (await objects.stream(ObjectUri("warren", "payloads/1"))).content_type == "image/png"
    assert await payloads.fetch(stored) == LARGE


async def test_a_reference_that_is_passed_on_is_not_stored_again(payloads: Payloads) -> None:
    stored = await payloads.store("1", LARGE)
    assert await payloads.store("2", stored) is stored


async def test_it_comes_in_parts_of_which_the_last_is_kept_back_until_all_are_right(
    payloads: Payloads, objects: MemoryObjects
) -> None:
    large = Payload(b"x" * (MAX_INLINE_BYTES + 2 * CHUNK_BYTES), "image/png")
    stored = await payloads.store("1", large)
    download = await payloads.stream(stored)
    assert (download.size, download.content_type) == (len(large.body), "image/png")
    parts = [part async for part in download.chunks]
    assert (b"".join(parts), len(parts[0])) == (large.body, CHUNK_BYTES)
    await objects.put(ObjectUri("warren", "payloads/1"), b"y" + large.body[1:])
    chunks = (await payloads.stream(stored)).chunks
    for part in parts[:-1]:
        assert len(await anext(chunks)) == len(part)
    with pytest.raises(PayloadCorruptError, match="payloads/1"):
        await anext(chunks)


async def test_an_object_that_is_gone(payloads: Payloads, objects: MemoryObjects) -> None:
    stored = await payloads.store("1", LARGE)
    await objects.delete(ObjectUri("warren", "payloads/1"))
    for take in (payloads.fetch, payloads.stream):
        with pytest.raises(PayloadMissingError, match="payloads/1"):
            await take(stored)


async def test_other_bytes_than_were_submitted(payloads: Payloads, objects: MemoryObjects) -> None:
    stored = await payloads.store("1", LARGE)
    await objects.put(ObjectUri("warren", "payloads/1"), b"y" + LARGE.body[1:])
    with pytest.raises(PayloadCorruptError, match="payloads/1"):
        await payloads.fetch(stored)


@pytest.mark.parametrize(
    "reference",
    [
        "s3://warren/models/iris/1/model.onnx",
        "s3://other/payloads/1",
        "s3://warren/payloads/../models/iris",
        "s3://warren-other/payloads/1",
        "s3://shared/outside/1",
        "file:///etc/passwd",
        "",
    ],
)
async def test_a_reference_leads_to_payloads_only(objects: MemoryObjects, reference: str) -> None:
    payloads = Payloads(objects, "warren", ["s3://shared/inputs/"])
    with pytest.raises(PayloadForbiddenError):
        await payloads.fetch(Payload(b"", reference=reference, sha256="0" * 64))


async def test_or_to_where_the_settings_allow(objects: MemoryObjects) -> None:
    await objects.put(ObjectUri("shared", "inputs/1"), b"1")
    payload = Payload(b"", reference="s3://shared/inputs/1", sha256=hashlib.sha256(b"1").hexdigest())
    fetched = await Payloads(objects, "warren", ["s3://shared/inputs/"]).fetch(payload)
    assert fetched == Payload(b"1")


async def test_a_storage_that_is_away_is_told_apart(payloads: Payloads, objects: MemoryObjects) -> None:
    stored = await payloads.store("1", LARGE)
    objects.available = False
    with pytest.raises(StorageUnavailableError):
        await payloads.fetch(stored)
    with pytest.raises(StorageUnavailableError):
        await payloads.store("2", replace(LARGE))
