"""Health, readiness, figures, the description, the settings."""

import asyncio
import re

import httpx2
import pytest

from tests.unit.producer.conftest import House, answer
from warren.errors import SettingsError
from warren.settings import load
from warren_producer.preferences import Preferences
from warren_producer.settings import ProducerSettings


async def test_alive_whatever_is_away(api: httpx2.AsyncClient, house: House) -> None:
    house.broker.available = house.records.available = False
    assert (await api.get("/healthz")).status_code == 200


async def test_ready(api: httpx2.AsyncClient) -> None:
    response = await api.get("/readyz")
    assert response.json() == {
        "status": "ready",
        "dependencies": {name: {"state": "ok"} for name in ("broker", "records", "objects")},
    }


async def test_a_missing_store_is_named_and_readiness_stays(api: httpx2.AsyncClient, house: House) -> None:
    house.records.available = False
    response = await api.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["dependencies"]["records"]["state"] == "unavailable"
    assert response.json()["dependencies"]["records"]["detail"]


async def test_not_ready_before_the_broker_was_seen(api: httpx2.AsyncClient, house: House) -> None:
    house.broker.available = False
    response = await api.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "starting")
    house.broker.available = True
    assert (await api.get("/readyz")).status_code == 200
    house.broker.available = False
    assert (await api.get("/readyz")).status_code == 200


async def test_figures_count_by_route_and_pool(api: httpx2.AsyncClient) -> None:
    await api.post("/v1/tasks", json={"task": "echo"})
    await api.get("/v1/tasks/a")
    await api.get("/v1/tasks/b")
    await api.get("/nope")
    text = (await api.get("/metrics")).text
    assert 'warren_tasks_accepted_total{pool="cpu"} 1.0' in text
    assert 'warren_http_request_seconds_count{method="GET",route="/v1/tasks/{task_id}",status="404"} 2.0' in text
    assert 'warren_http_request_seconds_count{method="any",route="unmatched",status="404"} 1.0' in text
    assert "warren_requests_waiting 0.0" in text


async def test_the_page_of_the_api_needs_nothing_from_elsewhere(api: httpx2.AsyncClient) -> None:
    page = await api.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r"""(?:src|href)="([^"]+)""", page.text)
    assert len(addresses) >= 3
    for address in addresses:
        file = await api.get(address)
        assert (file.status_code, bool(file.content)) == (200, True), address


async def test_the_description_is_complete(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert (await api.get("/docs")).status_code == 200
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            kinds = {kind for answer in errors.values() for kind in answer["content"]}
            assert path == "/readyz" or kinds <= {"application/problem+json"}, where
    predict = document["paths"]["/v1/models/{model}/predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {"application/json", "image/*"}
    assert document["components"]["schemas"]["TaskRequest"]["examples"]


@pytest.mark.parametrize(
    ("header", "wait", "later"),
    [
        (None, None, False),
        ("wait=5", 5, False),
        ("respond-async, wait=5", 5, True),
        ("WAIT=99", 60, False),
        ("wait=soon", None, False),
        ("wait=-1", None, False),
        ("handling=lenient", None, False),
        ('wait="7"; x=y', 7, False),
        ('foo="a, wait=1"', None, False),
        (r'foo="a\", wait=1", wait=2', 2, False),
        ('wait=3, foo="never ends, wait=1', 3, False),
    ],
)
def test_preferences(header: str | None, wait: float | None, later: bool) -> None:  # noqa: FBT001 - a table's column
    assert Preferences.parse(header, 60) == Preferences(wait, later)


async def test_preferences_may_come_in_several_headers(api: httpx2.AsyncClient, house: House) -> None:
    headers = [("Prefer", "handling=lenient"), ("Prefer", "wait=1")]
    response, _ = await asyncio.gather(
        api.post("/v1/tasks", json={"task": "echo"}, headers=headers), house.consume("cpu", answer(b"1"))
    )
    assert response.headers["Preference-Applied"] == "wait=1"


def test_a_wrong_setting_is_named() -> None:
    environ = {"WARREN_BROKER_URL": "amqp://b", "WARREN_RECORDS_URL": "redis://r", "WARREN_PORT": "x"}
    with pytest.raises(SettingsError, match="WARREN_PORT"):
        load(ProducerSettings, environ)
