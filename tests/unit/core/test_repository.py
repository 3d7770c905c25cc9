"""The model repository, on objects in memory."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from warren.errors import InvalidRequestError, ModelNotFoundError, StorageUnavailableError
from warren.model import Manifest
from warren.objects import ObjectUri
from warren.objects.memory import MemoryObjects
from warren.repository import Repository

START = datetime(2026, 1, 1, tzinfo=UTC)
BUCKET = "warren"


def manifest(version: str, content: bytes = b"model", name: str = "iris", hours: float = 0) -> Manifest:
    digest = hashlib.sha256(content).hexdigest()
    return Manifest(
        name=name,
        version=version,
        file=f"{digest}.onnx",
        sha256=digest,
        size=len(content),
        framework="test",
        inputs=(),
        outputs=(),
        created_at=START + timedelta(hours=hours),
    )


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects(BUCKET)


@pytest.fixture
def repository(objects: MemoryObjects) -> Repository:
    return Repository(objects, BUCKET)


async def publish(
    repository: Repository, tmp_path: Path, version: str, content: bytes = b"model", hours: float = 0
) -> Manifest:
    file = tmp_path / hashlib.sha256(content).hexdigest()
    file.write_bytes(content)
    return await repository.publish(manifest(version, content, hours=hours), file)


async def test_a_published_version_can_be_read_and_downloaded(repository: Repository, tmp_path: Path) -> None:
    published = await publish(repository, tmp_path, "v1")
    assert await repository.manifest("iris", "v1") == published
    await repository.download(published, tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == b"model"
    assert await repository.models() == ["iris"]


async def test_of_racing_attempts_one_wins_and_all_learn_which(repository: Repository, tmp_path: Path) -> None:
    attempts = (publish(repository, tmp_path, "v1", f"attempt {n}".encode(), hours=n) for n in range(6))
    answers = await asyncio.gather(*attempts)
    assert len({answer.sha256 for answer in answers}) == 1
    assert await repository.manifest("iris", "v1") == answers[0]


async def test_a_version_without_its_manifest_is_not_there(repository: Repository, objects: MemoryObjects) -> None:
    await objects.put(repository.uri("iris", "v1", "abc.onnx"), b"model")
    assert await repository.models() == []
    with pytest.raises(ModelNotFoundError, match="v1"):
        await repository.manifest("iris", "v1")
    with pytest.raises(ModelNotFoundError, match="no model 'iris'"):
        await repository.resolve("iris")


async def test_changed_bytes_are_noticed(repository: Repository, objects: MemoryObjects, tmp_path: Path) -> None:
    published = await publish(repository, tmp_path, "v1")
    await objects.put(repository.uri("iris", "v1", published.file), b"other")
    with pytest.raises(StorageUnavailableError, match="sha256"):
        await repository.download(published, tmp_path / "down")


@pytest.mark.parametrize("version", ["aliases", "../x", "V1", "", "a/b", "-a"])
async def test_a_version_has_a_name_that_can_be_kept(repository: Repository, tmp_path: Path, version: str) -> None:
    with pytest.raises(InvalidRequestError):
        await publish(repository, tmp_path, version)


async def test_what_a_newer_release_says_of_a_model_is_let_be(
    repository: Repository, objects: MemoryObjects, tmp_path: Path
) -> None:
    published = await publish(repository, tmp_path, "v1")
    uri = ObjectUri(BUCKET, "models/iris/v1/model.json")
    newer = {"carbon": 3, "preprocessing": {"width": 4, "height": 4, "crop": "centre"}}
    document = json.loads(await objects.get(uri)) | newer
    await objects.put(uri, json.dumps(document).encode(), content_type="application/json")
    found = await repository.manifest("iris", "v1")
    assert found.sha256 == published.sha256
    assert found.preprocessing is not None
    assert found.preprocessing.model_extra == {"crop": "centre"}
    await repository.promote("iris", "v1", reason="test")
    entry = ObjectUri(BUCKET, "models/iris/aliases/production/1.json")
    document = json.loads(await objects.get(entry)) | {"traffic": 0.1}
    await objects.put(entry, json.dumps(document).encode(), content_type="application/json")
    assert await repository.resolve("iris") == "v1"


def test_nobody_writes_what_this_release_does_not_know() -> None:
    with pytest.raises(ValidationError, match="carbon"):
        Manifest.model_validate(manifest("v1").model_dump() | {"carbon": 3})


async def test_resolves_versions_before_aliases(repository: Repository, tmp_path: Path) -> None:
    await publish(repository, tmp_path, "v1")
    await publish(repository, tmp_path, "v2", hours=1)
    with pytest.raises(ModelNotFoundError, match="iris@v2"):
        await repository.resolve("iris")
    await repository.promote("iris", "v1", reason="first")
    await repository.promote("iris", "v1", alias="v2", reason="a confusing name")
    assert await repository.resolve("iris") == "v1"
    assert await repository.resolve("iris", "production") == "v1"
    assert await repository.resolve("iris", "v2") == "v2"
    with pytest.raises(ModelNotFoundError, match="'v3'"):
        await repository.resolve("iris", "v3")
    assert [found.version for found in await repository.versions("iris")] == ["v2", "v1"]


async def test_an_alias_keeps_its_history(repository: Repository, tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        await publish(repository, tmp_path, version)
        await repository.promote("iris", version, reason=f"to {version}", pool="cpu")
        await repository.promote("iris", version, reason="again", pool="cpu")
    await repository.rollback("iris", "v2", reason="back")
    history = await repository.history("iris")
    assert [(entry.version, entry.reason) for entry in history] == [("v1", "to v1"), ("v2", "to v2"), ("v1", "back")]
    await repository.promote("iris", "v1", reason="moved", pool="gpu")
    present = await repository.alias("iris")
    assert present is not None
    assert present.pool == "gpu"


async def test_a_repeated_promotion_does_not_undo_a_rollback(repository: Repository, tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        await publish(repository, tmp_path, version)
        await repository.promote("iris", version, reason="trained", once=True)
    await repository.rollback("iris", "v2", reason="v2 is bad")
    await repository.promote("iris", "v2", reason="trained", once=True)
    assert await repository.resolve("iris") == "v1"


async def test_a_repeated_rollback_goes_back_once(repository: Repository, tmp_path: Path) -> None:
    for version in ("v1", "v2", "v3"):
        await publish(repository, tmp_path, version)
        await repository.promote("iris", version, reason="trained")
    found = await asyncio.gather(*(repository.rollback("iris", "v3", reason="v3 is bad") for _ in range(4)))
    assert {entry.version for entry in found} == {"v2"}
    assert [entry.version for entry in await repository.history("iris")] == ["v1", "v2", "v3", "v2"]


async def test_racing_promotions_all_enter_the_history(repository: Repository, tmp_path: Path) -> None:
    versions = [f"v{n}" for n in range(6)]
    for version in versions:
        await publish(repository, tmp_path, version)
    await asyncio.gather(*(repository.promote("iris", version, reason="race") for version in versions))
    assert sorted(entry.version for entry in await repository.history("iris")) == versions


async def test_promotion_and_rollback_say_what_is_missing(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="v9"):
        await repository.promote("iris", "v9", reason="test")
    await publish(repository, tmp_path, "v1")
    await repository.promote("iris", "v1", reason="test")
    with pytest.raises(ModelNotFoundError, match="no earlier version"):
        await repository.rollback("iris", "v1", reason="test")
    with pytest.raises(ModelNotFoundError, match="never pointed at a version 'v9'"):
        await repository.rollback("iris", "v9", reason="test")
    with pytest.raises(InvalidRequestError):
        await repository.rollback("iris", "v1", alias="no/slash", reason="test")
    with pytest.raises(InvalidRequestError):
        await repository.promote("iris", "v1", alias="no/slash", reason="test")


async def test_more_than_nine_entries_stay_in_order(
    repository: Repository, objects: MemoryObjects, tmp_path: Path
) -> None:
    for n in range(12):
        await publish(repository, tmp_path, f"v{n}")
        await repository.promote("iris", f"v{n}", reason="next")
    assert await repository.resolve("iris") == "v11"
    assert ObjectUri(BUCKET, "models/iris/aliases/production/12.json") in await objects.list(ObjectUri(BUCKET, ""))
