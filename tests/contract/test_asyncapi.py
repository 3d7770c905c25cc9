"""`docs/asyncapi.yaml` against AsyncAPI's own schema, and it and the bytes of `docs/protocol.md` against the code."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import warren
import warren_consumer
from tools.node import install
from warren import message as protocol
from warren.broker.contents import read_message
from warren.broker.frames import publish_frames
from warren.event import encode_event, encode_wake
from warren.message import Message, decode_task, encode_reply, encode_task
from warren.pool import DEFAULT_POOLS
from warren.record import Record, State, TaskError
from warren.tasks import JSON
from warren.topology import topology
from warren_consumer.system.report import read

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "protocol.md").read_text()
DOCUMENT: dict[str, Any] = yaml.safe_load((CHECKOUT / "docs" / "asyncapi.yaml").read_text())
MESSAGES: dict[str, dict[str, Any]] = DOCUMENT["components"]["messages"]
EXAMPLES = [(kind, example["name"]) for kind, found in MESSAGES.items() for example in found.get("examples", ())]


def example(kind: str, name: str) -> Message:
    """Return an example as the message that a program would get."""
    (said,) = [each for each in MESSAGES[kind]["examples"] if each["name"] == name]
    properties = MESSAGES[kind]["x-example-properties"][name]
    known = {key: value for key, value in properties.items() if key != "delivery_mode"}
    body = said["payload"]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Message(raw, headers=said["headers"], **known)


def schema(place: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of the document with the components that it refers to."""
    return {**place, "components": DOCUMENT["components"]}


def headers_of(place: Any) -> Iterator[str]:
    """Go through the names of headers of Warren's own in a part of the document."""
    if isinstance(place, dict):
        yield from (name for name in place if name.startswith("warren-"))
        for value in place.values():
            yield from headers_of(value)
    elif isinstance(place, list):
        for value in place:
            yield from headers_of(value)


def headers_in_code() -> set[str]:
    found = {*protocol._OPTION_HEADERS.values(), *protocol._FIELD_HEADERS.values()}  # noqa: SLF001 - which headers there are
    for package in (warren, warren_consumer):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            names = vars(importlib.import_module(module.name)).items()
            found |= {value for name, value in names if name.endswith("_HEADER") and isinstance(value, str)}
    return found


def test_it_is_an_asyncapi_document() -> None:
    installed = install(Path(__file__).with_name("asyncapi"))
    official = installed / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"
    jsonschema.Draft7Validator(json.loads(official.read_text())).validate(DOCUMENT)


def test_its_references_lead_somewhere() -> None:
    for place in re.findall(r'\$ref: "#/([^"]+)"', (CHECKOUT / "docs" / "asyncapi.yaml").read_text()):
        found: Any = DOCUMENT
        for part in place.split("/"):
            found = found[part]
        assert found


def test_every_header_of_the_code_is_in_both_and_no_other() -> None:
    described = set(headers_of(DOCUMENT["components"]))
    assert described | {"traceparent"} == headers_in_code()
    assert {name for name in headers_in_code() if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
def test_an_example_is_as_its_message_is_described(kind: str, name: str) -> None:
    described = MESSAGES[kind]
    (said,) = [each for each in described["examples"] if each["name"] == name]
    jsonschema.validate(said["headers"], schema(described["headers"]))
    jsonschema.validate(said["payload"], schema(described["payload"]))
    jsonschema.validate(described["x-example-properties"][name], schema(described["x-properties"]))


@pytest.mark.parametrize("name", ["resize", "prediction", "replay"])
def test_a_task_is_read_and_written_so(name: str) -> None:
    message = example("task", name)
    written = encode_task(decode_task(message, "stone"))
    assert (written.headers, written.body) == (message.headers, message.body)
    assert (written.message_id, written.type, written.content_type, written.reply_to, written.priority) == (
        message.message_id,
        message.type,
        message.content_type,
        message.reply_to,
        message.priority,
    )


def test_the_least_task_is_read() -> None:
    task = decode_task(example("task", "foreign"), "stone")
    assert (task.name, task.deadline, task.payload.content_type) == ("resize", 1763736960, JSON)


@pytest.mark.parametrize("name", [name for kind, name in EXAMPLES if kind == "report"])
def test_a_report_is_read(name: str) -> None:
    message = example("report", name)
    report = read(message)
    assert report.state == message.headers.get("warren-state", "succeeded")
    assert (report.task_id, report.result.body) == (message.message_id, message.body)
    assert (report.error and report.error.code) == ("no-face" if name == "failure" else None)
    assert (report.progress and report.progress.fraction) == (0.5 if name == "progress" else None)


@pytest.mark.parametrize("name", [name for kind, name in EXAMPLES if kind == "reply"])
def test_a_reply_is_written_so(name: str) -> None:
    message = example("reply", name)
    state = State(message.headers["warren-state"])
    succeeded = state is State.SUCCEEDED
    record = Record(
        id=message.message_id or "",
        name=message.type or "",
        pool="stone",
        state=state,
        result=(message.body or None) if succeeded else None,
        result_type=message.content_type if succeeded else None,
        result_ref=message.headers.get("warren-result-ref"),
        error=TaskError.model_validate_json(message.body) if state is State.FAILED else None,
    )
    written = encode_reply(record)
    assert (written.headers, written.content_type) == (message.headers, message.content_type)
    assert (written.message_id, written.correlation_id) == (message.message_id, message.correlation_id)
    assert _value(written) == _value(message)


def test_an_event_is_written_so() -> None:
    message = example("event", "failed")
    written = encode_event(Record.model_validate_json(message.body))
    assert (written.message_id, written.correlation_id, written.type) == (
        message.message_id,
        message.correlation_id,
        message.type,
    )
    assert (written.headers, _value(written)) == (message.headers, _value(message))


def test_an_event_has_the_fields_that_are_described() -> None:
    whole = Record(
        id="1",
        name="echo",
        pool="cpu",
        state=State.FAILED,
        **dict.fromkeys(("model", "consumer", "callback_url", "replay_of", "replayed_as"), "x"),
        **{f"{name}_at": 1.0 for name in ("submitted", "started", "finished", "due", "expires", "changed")},
        callback_events=("failed",),
        max_attempts=1,
        timeout_seconds=1,
        error=TaskError(code="x", message="x"),
        progress={"fraction": 0.5},
    )
    assert set(json.loads(whole.document_json())) == set(MESSAGES["event"]["payload"]["properties"])


def test_a_wake_hint_is_written_so() -> None:
    message, written = example("wake", "stone"), encode_wake("stone")
    assert (written.type, written.headers, _value(written)) == (message.type, message.headers, _value(message))


def test_the_exchanges_are_those_of_the_topology() -> None:
    described = {
        (exchange["name"], exchange["type"])
        for channel in DOCUMENT["channels"].values()
        if (exchange := channel["bindings"]["amqp"].get("exchange"))
    }
    known = {(exchange.name, exchange.type) for exchange in topology(DEFAULT_POOLS).exchanges}
    assert described <= known
    passed_by = {f"warren.delay.{level}" for level in range(22)} | {"warren.delay.due", "warren.dead.delay.due"}
    assert {name for name, _ in known - described} == passed_by


def test_the_bytes_on_the_page_are_those_of_the_example() -> None:
    (block,) = re.findall(r"```hex\n(.*?)```", PAGE, re.DOTALL)
    head, body = (bytes.fromhex(part.replace("\n", " ")) for part in block.split("\n\n"))
    message = example("task", "resize")
    found = read_message(head[12:], body)
    assert decode_task(found, "stone") == decode_task(message, "stone")
    assert found.timestamp == message.timestamp
    frames = publish_frames(
        encode_task(decode_task(message, "stone")),
        message.message_id or "",
        exchange="warren.tasks",
        routing_key="stone",
        mandatory=True,
        timestamp=int(message.timestamp or 0),
        channel=1,
        frame_max=131_072,
    )
    assert head in frames
    assert frames.endswith(body + b"\xce")


def _value(message: Message) -> Any:
    return json.loads(message.body) if message.body and message.content_type == JSON else message.body
