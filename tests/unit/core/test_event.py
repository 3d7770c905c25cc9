"""Events: what is told of any record goes into a message that AMQP takes."""

from __future__ import annotations

import json

import pytest

from warren.event import encode_event, event_key
from warren.record import Record, State

SHORT = 255


@pytest.mark.parametrize("name", ["a/b.c*#", "t" * 255, ""])
def test_a_name_that_is_none_is_not_part_of_the_key(name: str) -> None:
    record = Record(id="1", name=name, pool="cpu", state=State.FAILED, now=0)
    assert event_key(record) == encode_event(record).type == "task.failed.unknown"


@pytest.mark.parametrize("task_id", ["1", "\N{SNOWMAN}" * 85])
def test_the_longest_id_of_a_task_fits(task_id: str) -> None:
    event = encode_event(Record(id=task_id, name="echo", pool="cpu", state=State.FAILED, now=0))
    assert event.correlation_id == task_id
    assert len((event.message_id or "").encode()) <= SHORT


def test_an_event_tells_what_is_known_and_neither_the_result_nor_what_is_none() -> None:
    known = {"id": "1", "name": "echo", "pool": "cpu", "state": "failed", "callback_events": ["failed", "expired"]}
    said = {"progress": {"fraction": 0.5}, "error": {"code": "timeout", "message": "too late"}, "due_at": 1763841234.5}
    record = Record.model_validate({**known, **said, "result": b"1", "fence": 3})
    told = json.loads(encode_event(record).body)
    assert told == {**known, **said, **dict.fromkeys(("attempt", "failures", "lapses"), 0)} | {
        "priority": "normal",
        "running_seconds": 0.0,
    }
