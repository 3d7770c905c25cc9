"""The mapping between tasks and messages: what comes back is what was sent, and what a foreign client may write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from warren.errors import InvalidRequestError, UnknownProtocolError
from warren.message import Message, decode_task, encode_task
from warren.tasks import Payload, Priority, Task, TaskOptions, new_task_id

SHA256 = "0123456789abcdef" * 4


def foreign(timestamp: float | None = None, **headers: object) -> Message:
    """Return the message of a client of another language; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Message(b"{}", message_id=new_task_id(), type="echo", headers=named, timestamp=timestamp)


@pytest.mark.parametrize(
    "task",
    [
        Task("echo", "cpu"),
        Task("predict", "cpu", Payload(b"\xff\xd8", "image/jpeg"), model="iris", reply_to="warren.reply.1"),
        Task("echo", "cpu", options=TaskOptions(priority=Priority.HIGH, timeout_seconds=2.5, max_attempts=4)),
        Task("echo", "cpu", options=TaskOptions.model_validate({"callback_url": "https://a.example/hook?x=1"})),
        Task(
            "echo",
            "cpu",
            options=TaskOptions.model_validate(
                {"callback_url": "https://a.example/", "callback_events": ["failed", "expired"]}
            ),
        ),
        Task("echo", "cpu", Payload(b"", "image/png", reference="s3://warren/payloads/1", sha256=SHA256)),
        Task("echo", "cpu", replay_of="1", replays=2, deadline=1_750_000_000.123),
    ],
    ids=["plain", "prediction", "options", "callback", "events", "by reference", "replay"],
)
def test_a_task_comes_back_as_it_was_sent(task: Task) -> None:
    assert decode_task(encode_task(task), "cpu") == task


def test_an_expiry_travels_as_the_time_that_the_record_says() -> None:
    message = encode_task(Task("echo", "cpu", options=TaskOptions(expires_seconds=5)), expires_at=1000.5)
    assert message.headers["warren-deadline"] == 1000.5
    assert "warren-expires-seconds" not in message.headers
    assert decode_task(message, "cpu").deadline == 1000.5


def test_a_foreign_expiry_counts_from_the_messages_timestamp() -> None:
    task = decode_task(foreign(timestamp=1000, warren_expires_seconds=5), "cpu")
    assert task.deadline == 1005


def test_a_foreign_expiry_without_a_timestamp_counts_from_nowhere() -> None:
    task = decode_task(foreign(warren_expires_seconds=5), "cpu")
    assert (task.deadline, task.options.expires_seconds) == (None, 5)


def test_a_deadline_counts_for_more_than_seconds() -> None:
    message = foreign(timestamp=1000, warren_expires_seconds=5, warren_deadline=2000)
    assert decode_task(message, "cpu").deadline == 2000


@pytest.mark.parametrize("value", ["soon", -1, float("nan"), float("inf"), True, b"5"])
@pytest.mark.parametrize("header", ["warren_deadline", "warren_expires_seconds", "warren_replays"])
def test_a_number_that_is_none_is_named(header: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=header.replace("_", "-")):
        decode_task(foreign(**{header: value}), "cpu")


@pytest.mark.parametrize("sha256", [None, "", "abc", SHA256 + "0", "z" * 64, 5])
def test_a_reference_needs_a_checksum(sha256: object) -> None:
    message = foreign(warren_payload_ref="s3://warren/payloads/1", warren_payload_sha256=sha256)
    with pytest.raises(InvalidRequestError, match="warren-payload-sha256"):
        decode_task(message, "cpu")


def test_a_body_beside_a_reference_is_not_the_payload() -> None:
    message = replace(
        foreign(warren_payload_ref="s3://warren/payloads/1", warren_payload_sha256=SHA256.upper()), body=b"other"
    )
    payload = decode_task(message, "cpu").payload
    assert (payload.body, payload.reference, payload.sha256) == (b"", "s3://warren/payloads/1", SHA256)


@pytest.mark.parametrize("deadline", [1_795_000_000_000, 2**62])
def test_a_deadline_in_milliseconds_is_refused(deadline: int) -> None:
    with pytest.raises(InvalidRequestError, match="no time in seconds"):
        decode_task(foreign(warren_deadline=deadline), "cpu")


def test_an_expiry_that_counts_from_a_timestamp_in_microseconds_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"warren-expires-seconds.*no time in seconds"):
        decode_task(foreign(timestamp=1_763_800_000_000, warren_expires_seconds=60), "cpu")


@pytest.mark.parametrize("header", ["warren_protocol", "warren_deadline", "warren_replays"])
def test_of_a_value_that_is_refused_no_more_is_told_than_a_person_reads(header: str) -> None:
    long: dict[str, Any] = {header: "x" * 100_000}
    with pytest.raises(InvalidRequestError) as refused:
        decode_task(foreign(**long), "cpu")
    assert "x" * 900 in refused.value.detail
    assert len(refused.value.detail) < 1300


@pytest.mark.parametrize("events", ["exploded", "failed exploded", "", 5])
def test_events_that_there_are_not_are_named(events: object) -> None:
    message = foreign(warren_callback_url="https://a.example/", warren_callback_events=events)
    with pytest.raises(InvalidRequestError, match="warren-callback-events"):
        decode_task(message, "cpu")


def test_events_without_a_callback_mean_nothing() -> None:
    assert decode_task(foreign(warren_callback_events="exploded"), "cpu").options == TaskOptions()


@pytest.mark.parametrize("version", [2, 0, 1.5, "1", True, b"1", None])
def test_another_version_of_the_protocol_is_refused(version: object) -> None:
    with pytest.raises(UnknownProtocolError, match=r"warren-protocol is .*, and this release of Warren reads 1"):
        decode_task(foreign(warren_protocol=version), "cpu")


def test_a_message_that_says_no_version_is_of_the_first() -> None:
    assert decode_task(foreign(), "cpu").name == decode_task(foreign(warren_protocol=1), "cpu").name
