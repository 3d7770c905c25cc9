"""The producer's settings.

Forbidden here: reading the environment. That is `warren.settings.load`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from warren.keys import Rate
from warren.settings import (
    MOST_SECONDS,
    BrokerSettings,
    PoolsSettings,
    RecordsSettings,
    Settings,
    StorageSettings,
)


class ProducerSettings(Settings, BrokerSettings, RecordsSettings, StorageSettings, PoolsSettings):
    """What the producer is told by `WARREN_*` variables."""

    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` in a pod."""
    port: int = Field(8000, ge=0, le=65535)
    max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """The largest request. Parsed JSON takes 3 (text) to 7 times (numbers) its size in memory while it is accepted."""
    max_bodies_bytes: int = Field(192 * 1024 * 1024, ge=1024)
    """How much the bodies of all requests under way may come to, a byte of JSON counted four times; what exceeds it is
    answered 503."""
    predict_seconds: float = Field(10, gt=0, le=MOST_SECONDS)
    """The time limit of a prediction that asks for none."""
    max_wait_seconds: float = Field(60, gt=0, le=MOST_SECONDS)
    """The longest time that a request may ask to wait (`Prefer: wait=N`)."""
    max_waiting: int = Field(10_000, ge=1)
    """How many requests may wait for their tasks at once; more are answered 503."""
    keys_dir: Path | None = None
    """The folder with the entries of the API keys (`warren keys create`). None: no key is asked for."""
    key_requests_per_second: Rate = 100
    """How fast an API key whose entry does not say it may call this process; ten seconds' worth may come at once."""
    shutdown_seconds: float = Field(20, ge=0, le=MOST_SECONDS)
    """How long requests that are under way may take to end when the process is told to stop."""
