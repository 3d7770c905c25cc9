"""Object storage on a real S3 server (versitygw)."""

import asyncio
import time

import pytest

from tests.integration.servers import Workspace
from tests.unit.core.objects_contract import ObjectStoreContract
from warren.errors import StorageUnavailableError
from warren.objects import ObjectUri
from warren.objects.s3 import S3Objects

ANSWERS_WITHIN_SECONDS = 6


@pytest.fixture
def environment(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS SDK's variables, and nothing else that it could find."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    for name, value in workspace.objects_environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def objects(environment: None) -> S3Objects:
    return S3Objects()


@pytest.fixture
def bucket(workspace: Workspace) -> str:
    return workspace.bucket


class TestS3Objects(ObjectStoreContract):
    """They keep the contract."""


async def test_a_key_that_is_refused_is_told(environment: None, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for call in (S3Objects().ping(bucket), S3Objects().put(ObjectUri(bucket, "key"), b"")):
        with pytest.raises(StorageUnavailableError, match=r"refuses access.*AWS_SECRET_ACCESS_KEY"):
            await call


async def test_a_key_that_is_missing_is_told(environment: None, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StorageUnavailableError, match="set AWS_ACCESS_KEY_ID"):
        await S3Objects().ping(bucket)


async def test_a_closed_port_is_told_soon(environment: None, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    started = time.monotonic()
    with pytest.raises(StorageUnavailableError, match=r"127\.0\.0\.1:1"):
        await S3Objects().get(ObjectUri(bucket, "key"))
    assert time.monotonic() - started < ANSWERS_WITHIN_SECONDS


async def test_a_malformed_endpoint_is_told(environment: None, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not a url")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    with pytest.raises(StorageUnavailableError, match="not a url"):
        await S3Objects().ping(bucket)


async def test_a_server_that_accepts_and_hangs_up_is_told(
    environment: None, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    async with server:
        with pytest.raises(StorageUnavailableError, match=endpoint):
            await S3Objects().get(ObjectUri(bucket, "key"))
