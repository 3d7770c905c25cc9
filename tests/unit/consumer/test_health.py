"""Health as probes and Prometheus see it."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from functools import partial

import pytest
from prometheus_client import CollectorRegistry, Gauge

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


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nope"])
def test_head_is_answered_as_get_without_the_content(path: str) -> None:
    registry = CollectorRegistry()
    Gauge("something", "Of one length at every look.", registry=registry)
    with served(Health(["broker"]), registry, 0, "127.0.0.1") as port:
        answers = {method: raw(port, method, path) for method in ("GET", "HEAD")}
    assert answers["HEAD"] == (*answers["GET"][:3], b"")
    assert int(answers["GET"][2] or 0) == len(answers["GET"][3])


def raw(port: int, method: str, path: str) -> tuple[int, str | None, str | None, bytes]:
    """Return status, type and length of an answer, and whatever else comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
        wire.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
        head, _, content = b"".join(iter(partial(wire.recv, 65536), b"")).partition(b"\r\n\r\n")
    lines = head.decode().splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers.get("content-type"), headers.get("content-length"), content


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
