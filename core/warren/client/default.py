"""The client that a process uses where none is named: made when it is first needed, closed when the process ends.

Forbidden here: reading the environment at import.
"""

from __future__ import annotations

import atexit
import os
import threading

from warren.client.asynchronous import BUCKET, PATIENCE_SECONDS
from warren.client.synchronous import Client
from warren.errors import SettingsError


class _Default:
    """This process' client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Client | None = None

    def get(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = _from_environment()
            return self._client

    def set(self, client: Client | None) -> None:
        with self._lock:
            former, self._client = self._client, client
        if former is not None and former is not client:
            former.close()


def configure(  # noqa: PLR0913 - what a client is made from
    url: str | None = None,
    *,
    api_key: str | None = None,
    records: str | None = None,
    bucket: str = BUCKET,
    pools: str | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Client:
    """Connect the client that delayed calls of functions use in this process, and return it; see `Client`.

    Without a URL it is that of the environment: `WARREN_URL`, the API's address, or `WARREN_BROKER_URL` and
    `WARREN_RECORDS_URL`, straight to the broker (with `WARREN_POOLS` and `WARREN_STORAGE_BUCKET`). A client that was
    configured before is closed.

    Raises:
        SettingsError: no URL is given, and the environment has none.
        InvalidRequestError: a URL is wrong.
        UnavailableError: the broker did not answer for `patience` seconds, or refuses the credentials.

    """
    if url is None:
        client = _from_environment()
    else:
        client = Client(url, api_key=api_key, records=records, bucket=bucket, pools=pools, patience=patience)
    _default.set(client)
    return client


def default_client() -> Client:
    """Return this process' client; if none was configured, that of the environment, as `configure()` makes it."""
    return _default.get()


def _from_environment() -> Client:
    environ = os.environ
    if url := environ.get("WARREN_URL"):
        return Client(url)
    broker, records = environ.get("WARREN_BROKER_URL"), environ.get("WARREN_RECORDS_URL")
    if broker and records:
        bucket, pools = environ.get("WARREN_STORAGE_BUCKET", BUCKET), environ.get("WARREN_POOLS")
        return Client(broker, records=records, bucket=bucket, pools=pools)
    raise SettingsError(
        "where is Warren? Set WARREN_URL (the API's address; `make run` serves http://127.0.0.1:17800), or "
        "WARREN_BROKER_URL and WARREN_RECORDS_URL, or call warren.configure(url)"
    )


_default = _Default()
atexit.register(lambda: _default.set(None))


def _forget() -> None:
    """Begin anew in a forked child: threads and connections stay with the parent."""
    global _default  # noqa: PLW0603 - it is this process' own
    _default = _Default()


os.register_at_fork(after_in_child=_forget)
