"""What the record store tells about itself, for `warren doctor`: facts.

Forbidden here: judging the facts, and records.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from warren.address import without_password
from warren.errors import RecordsUnavailableError

ANSWER_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """How the store is set up and how it is; None is what it does not tell, as managed ones may."""

    server: str
    """Its name and version."""
    role: str | None
    appendonly: bool | None
    appendfsync: str | None
    maxmemory_policy: str | None
    used_bytes: int | None
    limit_bytes: int | None
    """None or 0: as much as there is."""
    failed_writes: tuple[str, ...]
    """Which of its ways to the disk failed last."""
    skew_seconds: float
    """How far its clock is ahead of this one."""


async def ask_store(url: str) -> StoreFacts:
    """Look at the store.

    Raises:
        RecordsUnavailableError: it does not answer or refuses the credentials.

    """
    where = without_password(url)
    store = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        async with store:
            skew = await _skew(store)
            return _facts(await store.info(), await _setting(store, "appendfsync"), skew)
    except (AuthenticationError, NoPermissionError) as error:
        raise RecordsUnavailableError(f"the record store at {where} refuses: {error}", retry_after=None) from error
    except (RedisError, OSError) as error:
        raise RecordsUnavailableError(f"the record store at {where} does not answer: {error}") from error


async def _skew(store: Redis) -> float:
    await store.ping()  # a connection is made first, so that its time does not count
    before = time.time()
    seconds, microseconds = await store.time()
    return float(seconds) + float(microseconds) / 1e6 - (before + time.time()) / 2


async def _setting(store: Redis, name: str) -> str | None:
    try:
        return (await store.config_get(name)).get(name)
    except ResponseError:  # an unknown command, or one that this account may not use
        return None


def _facts(info: dict[str, Any], appendfsync: str | None, skew: float) -> StoreFacts:
    valkey = info.get("valkey_version")
    ways = ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
    return StoreFacts(
        server=f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version', 'of an unknown version')}",
        role=info.get("role"),
        appendonly=bool(info["aof_enabled"]) if "aof_enabled" in info else None,
        appendfsync=appendfsync,
        maxmemory_policy=info.get("maxmemory_policy"),
        used_bytes=info.get("used_memory"),
        limit_bytes=info.get("maxmemory"),
        failed_writes=tuple(way for way in ways if info.get(way, "ok") != "ok"),
        skew_seconds=skew,
    )
