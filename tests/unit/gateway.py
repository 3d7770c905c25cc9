"""Clients over HTTP whose every address is answered by one function of a test's."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from warren.client.web import WebGateway


def answered_by(
    api: Callable[[httpx2.Request], httpx2.Response], monkeypatch: pytest.MonkeyPatch, *, haste: float = 1.0
) -> None:
    """Let the API answer all clients that are made from now on, which are impatient by the factor of haste."""
    transport = httpx2.MockTransport(api)
    monkeypatch.setattr(
        "warren.client.asynchronous.WebGateway",
        lambda url, *, patience, **more: WebGateway(url, patience=patience / haste, transport=transport, **more),
    )
    monkeypatch.delenv("WARREN_URL", raising=False)
