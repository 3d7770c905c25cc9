"""Every fault as a problem document (RFC 9457).

Forbidden here: faults of one resource; they are classes in `warren.errors`.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from warren.client.problem import (
    MOST_FIELDS,
    PROBLEM_JSON,
    FieldProblem,
    InvalidFieldsError,
    Problem,
    field_problem,
    problem_type,
)
from warren.errors import InvalidRequestError, PayloadTooLargeError, RateLimitedError, UnavailableError, WarrenError
from warren.tasks import JSON, is_json

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": Problem, "description": "There is no API key, or it is not valid."},
    403: {"model": Problem, "description": "The API key is not good for this: its scopes do not cover it."},
    404: {"model": Problem, "description": "There is no such thing."},
    408: {"model": Problem, "description": "The body came too slowly."},
    409: {"model": Problem, "description": "It cannot be done as things stand; `detail` says what to do instead."},
    410: {"model": Problem, "description": "It was there, and is no longer."},
    413: {"model": Problem, "description": "The body is over the limit."},
    415: {"model": Problem, "description": "The body is compressed (`Content-Encoding`), or of another type."},
    422: {"model": Problem, "description": "The request is wrong; `errors` names the fields."},
    429: {
        "model": Problem,
        "description": "The API key made too many requests, or has too many under way: the same one may do after the "
        "seconds of `Retry-After`.",
    },
    503: {
        "model": Problem,
        "description": "A dependency is away, and nothing is known to be accepted: the same request, under the same "
        "`Idempotency-Key`, may succeed after the seconds of `Retry-After`.",
    },
    504: {"model": Problem, "description": "The prediction did not end within its time limit."},
}

log = structlog.get_logger(__name__)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of these statuses, for a route's `responses`."""
    return {status: PROBLEMS[status] for status in statuses}


def install(app: FastAPI) -> None:
    """Let the application answer every fault with a problem document."""
    app.add_exception_handler(WarrenError, _on_fault)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_leave)
    app.add_exception_handler(Exception, _on_bug)


def on_fault(path: str, fault: WarrenError, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer to a request that met a fault."""
    after = {} if fault.retry_after is None else {"Retry-After": str(max(1, math.ceil(fault.retry_after)))}
    return _answer(Problem.of(fault, path), {**(headers or {}), **after})


def log_failed_check(task: str, error: Exception) -> None:
    """Tell whoever runs the producer what a task's own check failed with; its submitter gets one line of it."""
    log.warning("a task's own check of its arguments failed", task=task, exc_info=error)


async def _on_fault(request: Request, error: Exception) -> Response:
    return on_fault(request.url.path, cast("WarrenError", error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()[:MOST_FIELDS]
    fields = tuple(_field(item) for item in found)
    kind = request.headers.get("content-type")
    if fields and fields[0].field == "body" and not _is_read_as_json(kind or "") and (kind or found[0]["input"]):
        said = f"missing; {JSON} is read here" if kind is None else f"{kind!r} is not {JSON}, which is read here"
        fields = (FieldProblem(field="header.Content-Type", message=said),)
    return _answer(Problem.of(InvalidFieldsError(fields), request.url.path))


async def _on_http(request: Request, error: Exception) -> Response:
    fault = cast("HTTPException", error)
    status = HTTPStatus(fault.status_code)
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _answer(Problem.of(PayloadTooLargeError(fault.detail), request.url.path), {"Connection": "close"})
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return _answer(Problem.of(UnavailableError(fault.detail), request.url.path), fault.headers)
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        return _answer(Problem.of(RateLimitedError(fault.detail), request.url.path), fault.headers)
    if status is HTTPStatus.BAD_REQUEST:  # FastAPI's word for a body that its JSON parser failed on
        detail = "the body cannot be read as JSON: it is not UTF-8, or it is nested too deeply"
        return _answer(Problem.of(InvalidRequestError(detail), request.url.path))
    code = status.phrase.lower().replace(" ", "-")
    detail = f"{request.method} {request.url.path}: {fault.detail}; the API is described at /docs"
    problem = Problem(
        type=problem_type(code),
        title=status.phrase.capitalize(),
        status=status,
        code=code,
        detail=detail,
        instance=request.url.path,
    )
    not_allowed = status is HTTPStatus.METHOD_NOT_ALLOWED
    return _answer(problem, _allowed(request, fault.headers) if not_allowed else fault.headers)


def _allowed(request: Request, otherwise: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return the header that names a path's methods, by the API's description; Starlette names the first route's."""
    described, path = request.app.openapi()["paths"], request.url.path
    fitting = [path] if path in described else [each for each in described if compile_path(each)[0].match(path)]
    methods = {method.upper() for each in fitting for method in described[each]}
    if "GET" in methods:
        methods.add("HEAD")
    return {"Allow": ", ".join(sorted(methods))} if methods else otherwise


async def _on_leave(_: Request, __: Exception) -> Response:
    """Answer nobody: whose body ends with their connection has left, and that is no error of the producer's."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _on_bug(request: Request, _: Exception) -> Response:
    detail = "the producer met an error of its own; its log has the traceback"
    return _answer(Problem.of(WarrenError(detail), request.url.path))


def _answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    return Response(problem.json_bytes(), problem.status, headers, PROBLEM_JSON)


def _field(item: Mapping[str, Any]) -> FieldProblem:
    place = [str(part) for part in item["loc"]]
    if item["type"] == "json_invalid":
        return FieldProblem(field="body", message=f"not JSON: {item['ctx']['error']} at character {place[-1]}")
    return field_problem({**item, "loc": place[1:] if place[0] == "body" else place})


def _is_read_as_json(media_type: str) -> bool:
    return is_json(media_type) or media_type.partition(";")[0].strip().lower().endswith("+json")
