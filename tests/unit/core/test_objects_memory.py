"""The in-memory object store."""

import pytest

from tests.unit.core.objects_contract import ObjectStoreContract
from warren.objects.memory import MemoryObjects


class TestMemoryObjects(ObjectStoreContract):
    """It keeps the contract."""

    @pytest.fixture
    def bucket(self) -> str:
        return "warren"

    @pytest.fixture
    def objects(self, bucket: str) -> MemoryObjects:
        return MemoryObjects(bucket)
