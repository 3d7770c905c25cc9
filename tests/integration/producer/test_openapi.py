"""The API does what its description says, on real servers: fewer questions than over the adapters in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.producer.conftest import Consumer, Producer
from tests.openapi import check

IMPATIENT = {"WARREN_MAX_WAIT_SECONDS": "0.2", "WARREN_PREDICT_SECONDS": "1"}
"""Nobody trains here, and waits would last."""


@pytest.mark.timeout(400)
async def test_nothing_is_found(producer: Producer, consumer: Consumer, tmp_path: Path) -> None:
    producer.stop()
    producer.settings = IMPATIENT
    producer.start()
    async with consumer.working():
        await asyncio.to_thread(check, producer.url, tmp_path, "--phases=examples,coverage,fuzzing", "--max-examples=5")
