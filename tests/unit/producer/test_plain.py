"""A plain submit is read the short way: to the same end as any other."""

import pytest

from tests.unit.producer.conftest import House, answer, serving
from warren.records.memory import MemoryRecords


@pytest.mark.parametrize(
    "content",
    [
        b'{"task":"echo","args":{"text":"hello"}}',
        b'{"task":"echo","task":"other","args":{"n":12345678901234567890.5,"text":"\\u00e9\\u0000"}}',
        b'{"task":"echo","args":{"n":123456789012345678901234567890}}',
        b'\xef\xbb\xbf{"task":"echo","args":{"text":"a mark of the order of bytes comes first"}}',
        '{"task":"echo","args":{"text":"two bytes for a character"}}'.encode("utf-16"),
        b'{"task":"echo","args":{"text":"\\ud800"}}',
        b'{"task":"echo","args":{"n":NaN}}',
        b'{"task":"echo","args":[]}',
        b'{"task":"echo","options":{"priority":"high","max_attempts":"3","delay_seconds":0}}',
        b'{"task":"echo","options":{"priority":"higher"}}',
        b'{"task":"echo","more":1}',
        b"[]",
        b"{",
        b"",
        b'{"task":"echo","args":{"list":' + b"[" * 300 + b"]" * 300 + b"}}",
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k" * 255}, {"Idempotency-Key": "k" * 256}])
async def test_a_submit_is_understood_alike_whichever_way_it_is_read(
    house: House, content: bytes, headers: dict[str, str]
) -> None:
    """A type of content with a parameter keeps a request off the short way."""
    told = []
    for kind in ("application/json", "application/json; charset=utf-8"):
        async with serving(house) as api:
            response = await api.post(
                "/v1/tasks", content=content, headers={"Content-Type": kind, "Prefer": "respond-async", **headers}
            )
        document = response.json()
        ids = {name: document.pop(name, None) for name in ("id", "submitted_at", "due_at")}
        if response.status_code == 202:
            task = await house.consume(document["pool"], answer(b"null"))
            assert task.id == ids["id"]
            document |= {"body": task.payload.body, "options": task.options}
            house.records = MemoryRecords()
        told.append((response.status_code, response.headers.get("Preference-Applied"), document))
    assert told[0] == told[1]
