"""The API does what its description says, whatever it is asked: a process of its own, over the adapters in memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.openapi import check, unanswered
from warren.keys import Scope, new_key

START_SECONDS = 60
FEW = ["--max-examples=2"]
"""Every route is asked at length without a key."""

PARTLY = ["--phases=examples,fuzzing", "--exclude-checks=positive_data_acceptance"]
"""Whoever may not do something is refused whatever it sends."""

OF_A_KEY = {Scope.SUBMIT: PARTLY, Scope.READ: PARTLY, Scope.ADMIN: ["--phases=examples,coverage,fuzzing"]}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the API to anybody."""
    with serving(tmp_path_factory.mktemp("api") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for API keys."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def guarded_url(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[str]:
    """Serve the API to whoever has one of the keys, of which there is one for each scope."""
    for scope in Scope:
        key, entry = new_key(scope.value, (scope,), requests_per_second=1e6)
        (keys / entry.file).write_text(entry.text())
        (keys / f".{scope}").write_text(key)  # which is none of the folder's entries
    with serving(tmp_path_factory.mktemp("api") / "log", str(keys)) as url:
        yield url


@contextmanager
def serving(log: Path, *arguments: str) -> Iterator[str]:
    """Serve the API; the process says where."""
    command = [sys.executable, "-m", "tests.contract.producer_in_memory", *arguments]
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
def test_nothing_is_found_and_each_operation_has_done_what_it_is_for(url: str, tmp_path: Path) -> None:
    check(url, tmp_path)
    assert unanswered(url) == set()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("scope", "options"), OF_A_KEY.items(), ids=["submit", "read", "admin"])
def test_nothing_is_found_with_a_key(
    guarded_url: str, keys: Path, tmp_path: Path, scope: Scope, options: list[str]
) -> None:
    key = (keys / f".{scope}").read_text()
    check(guarded_url, tmp_path, f"--header=Authorization: Bearer {key}", *FEW, *options)
