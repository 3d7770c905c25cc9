"""Health as probes and Prometheus see it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from warren_consumer.health import HANGING_SECONDS, Health, served
from warren_consumer.metrics import Metrics


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_readiness_names_what_is_missing() -> None:
    health, metrics = Health(["broker", "consuming"]), Metrics("cpu")
    metrics.slots.set(8)
    with served(health, metrics.registry, 0, "127.0.0.1") as port:
        status, body = fetch(port, "/readyz")
        assert (status, json.loads(body)["dependencies"]["broker"]) == (503, "not reached yet")
        health.note("broker", None)
        health.note("consuming", "nothing is taken from the queue")
        status, body = fetch(port, "/readyz")
        assert status == 503
        assert json.loads(body)["dependencies"] == {"broker": "ok", "consuming": "nothing is taken from the queue"}
        health.note("consuming", None)
        assert fetch(port, "/readyz")[0] == 200
        assert fetch(port, "/healthz")[0] == 200
        assert 'warren_consumer_slots{pool="cpu"} 8.0' in fetch(port, "/metrics")[1]
        assert fetch(port, "/")[0] == 404


def test_an_event_loop_that_hangs_is_not_alive() -> None:
    now = [0.0]
    health = Health([], lambda: now[0])
    assert health.ready
    now[0] = HANGING_SECONDS + 1
    assert not health.alive
    assert not health.ready


def test_a_port_that_is_taken_is_an_error() -> None:
    health, metrics = Health([]), Metrics("cpu")
    with (
        served(health, metrics.registry, 0, "127.0.0.1") as port,
        pytest.raises(OSError, match="in use"),
        served(health, metrics.registry, port, "127.0.0.1"),
    ):
        pass
