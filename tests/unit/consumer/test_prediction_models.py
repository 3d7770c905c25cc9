"""Which model answers: aliases that move while requests go on, storage that is away, a bounded memory."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.consumer.onnx_case import affine, publish
from warren.errors import ModelNotFoundError, StorageUnavailableError
from warren.objects import ObjectUri
from warren.objects.memory import MemoryObjects
from warren.prediction import ModelReference
from warren.repository import Repository
from warren_consumer.handler import TaskFault
from warren_consumer.prediction.loading import Loader, Model
from warren_consumer.prediction.models import Models

REFRESH = 3.0
IRIS = ModelReference("iris")


@dataclass
class Switch(MemoryObjects):
    """Storage that can be away, and slow."""

    away: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    downloads: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self.gate.set()

    async def get(self, uri: ObjectUri) -> bytes:
        if self.away:
            raise StorageUnavailableError("away")
        return await super().get(uri)

    async def list(self, prefix: ObjectUri) -> list[ObjectUri]:
        if self.away:
            raise StorageUnavailableError("away")
        return await super().list(prefix)

    async def download(self, uri: ObjectUri, path: Path) -> None:
        self.downloads += 1
        await self.gate.wait()
        await super().download(uri, path)


class Stand:
    """Models on a switchable storage and a clock that stands."""

    def __init__(self, folder: Path, capacity: int = 16) -> None:
        self.folder = folder
        self.time = 100.0
        self.objects = Switch()
        self.repository = Repository(self.objects, "warren")
        loader = Loader(self.repository, threads=1)
        self.models = Models(
            self.repository, loader, refresh_seconds=REFRESH, capacity=capacity, monotonic=lambda: self.time
        )

    async def promote(self, version: str, name: str = "iris") -> None:
        await publish(self.repository, self.folder, affine(), name=name, version=version)
        await self.repository.promote(name, version, reason="test")

    async def version(self, reference: ModelReference = IRIS) -> str:
        model: Model = await self.models.get(reference)
        return model.manifest.version

    async def settled(self) -> None:
        await asyncio.gather(*self.models._updates.values())  # noqa: SLF001 - they leave no other trace
        await asyncio.sleep(0)


@pytest.fixture
async def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


async def test_a_new_version_takes_over_without_a_pause(stand: Stand) -> None:
    await stand.promote("v1")
    assert await stand.version() == "v1"
    await stand.promote("v2")
    stand.objects.gate.clear()
    stand.time += REFRESH + 1
    assert await stand.version() == "v1"
    stand.time += 100
    async with asyncio.timeout(0.5):
        assert await stand.version() == "v1"
    stand.objects.gate.set()
    await stand.settled()
    assert await stand.version() == "v2"
    assert stand.objects.downloads == 2


async def test_a_model_that_nobody_asked_for_a_while_is_looked_up_first(stand: Stand) -> None:
    await stand.promote("v1")
    assert await stand.version() == "v1"
    await stand.promote("v2")
    stand.time += 2 * REFRESH + 1
    assert await stand.version() == "v2"


async def test_many_first_requests_load_once(stand: Stand) -> None:
    await stand.promote("v1")
    assert set(await asyncio.gather(*(stand.version() for _ in range(20)))) == {"v1"}
    assert await stand.version(ModelReference("iris", "v1")) == "v1"
    assert stand.objects.downloads == 1


async def test_storage_that_is_away_costs_nothing_that_is_loaded(stand: Stand) -> None:
    await stand.promote("v1")
    assert await stand.version() == "v1"
    stand.objects.away = True
    stand.time += 1000
    assert await stand.version() == "v1"
    with pytest.raises(StorageUnavailableError):
        await stand.version(ModelReference("other"))
    stand.objects.away = False
    await stand.promote("v1", "other")
    assert await stand.version(ModelReference("other")) == "v1"


async def test_a_version_that_cannot_be_loaded_leaves_the_old_one(stand: Stand) -> None:
    await stand.promote("v1")
    assert await stand.version() == "v1"
    await publish(stand.repository, stand.folder, b"\x00 no model", name="iris", version="v2")
    await stand.repository.promote("iris", "v2", reason="test")
    stand.time += 2 * REFRESH + 1
    assert await stand.version() == "v1"
    with pytest.raises(TaskFault, match="cannot be loaded"):
        await stand.version(ModelReference("iris", "v2"))


async def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    stand = Stand(tmp_path, capacity=2)
    for name in ("a", "b", "c"):
        await stand.promote("v1", name)
    for name in ("a", "b", "a", "c", "a"):
        await stand.version(ModelReference(name))
    assert stand.objects.downloads == 3
    await stand.version(ModelReference("b"))
    assert stand.objects.downloads == 4


async def test_what_is_not_there_is_named(stand: Stand) -> None:
    await stand.promote("v1")
    for reference, said in ((ModelReference("nope"), "nope"), (ModelReference("iris", "v9"), "v9")):
        with pytest.raises(ModelNotFoundError, match=said):
            await stand.version(reference)
