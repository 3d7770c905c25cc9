"""The API does what its description says, whatever it is asked: a process of its own, over the adapters in memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.openapi import check

START_SECONDS = 60


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the API; the process says where."""
    log = tmp_path_factory.mktemp("api") / "log"
    command = [sys.executable, "-m", "tests.contract.producer_in_memory"]
    with log.open("wb") as file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        _await(url, log)
        yield url
        process.kill()
    print(log.read_text())  # noqa: T201 - pytest shows it when the test failed


def _await(url: str, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        try:
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    pytest.fail(log.read_text())


@pytest.mark.timeout(400)
def test_nothing_is_found(url: str, tmp_path: Path) -> None:
    check(url, tmp_path)
