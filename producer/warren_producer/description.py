"""The OpenAPI description: what FastAPI generates, with problem documents under their own media type.

Forbidden here: descriptions of single routes; they stand at the routes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic_core import to_json

from warren.client.problem import PROBLEM_JSON
from warren.client.task_type import TaskType, TaskTypes
from warren.tasks import JSON
from warren_producer.guard import needed, open_to_all
from warren_producer.problems import problems
from warren_producer.samples import sample

if TYPE_CHECKING:
    from fastapi.routing import APIRoute

SUMMARY = "Machine-learning work from RabbitMQ queues."

DESCRIPTION = """\
Submit a task, get `202 Accepted` and its `Location`; read it there until it has ended, or let the answer wait
(`Prefer: wait=10`). After a 202 nothing is lost. Give an `Idempotency-Key`, and a repeated request is never a second
task.

    curl -s http://127.0.0.1:17800/v1/models/iris/predict \\
      -H 'Content-Type: application/json' -d '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'

Every error is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)): `code` is for programs, `detail`
says what is wrong and what to do, `errors` names the fields.
"""

TAGS = [
    {"name": "tasks", "description": "Units of work: submit, watch, cancel."},
    {
        "name": "webhooks",
        "description": "Receivers of one's own, told when a task ends: how that went, and once more.",
    },
    {
        "name": "dead letters",
        "description": "Tasks that failed: look at them, replay them as new tasks, discard them.",
    },
    {"name": "models", "description": "Trained models: what there is, and predictions from it."},
    {"name": "pools", "description": "The queues that tasks wait in, each with its consumers."},
    {"name": "health", "description": "For probes and Prometheus."},
]


SCHEME: Final = "key"

KEYS: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The key that `warren keys create` printed. Its scopes: `read`, `submit`, or `admin` for both and "
    "everybody's tasks.",
}


def describe(app: FastAPI, types: TaskTypes, *, keyed: bool, administrative: Iterable[APIRoute]) -> dict[str, Any]:
    """Return the application's OpenAPI document; it is made once.

    `keyed` says whether API keys are asked for, `administrative` which routes are for administrators only.
    """
    if app.openapi_schema is None:
        document = get_openapi(
            title="Warren",
            version=version("warren"),
            summary=SUMMARY,
            description=DESCRIPTION,
            routes=app.routes,
            tags=TAGS,
        )
        if keyed:
            _lock(document, {route.path_format for route in administrative})
        for operation in (operation for path in document["paths"].values() for operation in path.values()):
            for status, response in operation["responses"].items():
                if status >= "400" and "content" in response:  # under the media type of what the route returns
                    response["content"] = {PROBLEM_JSON: next(iter(response["content"].values()))}
        body = document["paths"]["/v1/tasks"]["post"]["requestBody"]["content"][JSON]
        body["examples"] = {kind.name: _example(kind) for kind in types}
        app.openapi_schema = document
    return app.openapi_schema


def _lock(document: dict[str, Any], administrative: Collection[str]) -> None:
    """Say which operations need a key, and for which scope."""
    document["components"]["securitySchemes"] = {SCHEME: KEYS}
    for path, operations in document["paths"].items():
        if open_to_all(path):
            continue
        for method, operation in operations.items():
            scope = needed(method.upper(), administrative=path in administrative)
            operation["security"] = [{SCHEME: [scope.value]}]
            for status, response in problems(401, 403, 429).items():
                content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
                operation["responses"][str(status)] = {"description": response["description"], "content": content}


def _example(kind: TaskType) -> dict[str, Any]:
    schemas = (("It takes", kind.arguments), ("It gives", kind.result))
    told = (f"{what}\n\n```json\n{_json(schema)}\n```" for what, schema in schemas if schema)
    text = "\n\n".join((kind.description, *told))
    args = sample(kind.arguments) if kind.arguments else {}
    return {"summary": kind.name, "description": text, "value": {"task": kind.name, "args": args}}


def _json(schema: Mapping[str, Any]) -> str:
    return to_json(schema, indent=2, inf_nan_mode="null").decode()
