"""Over HTTP, to the producer's API: the way for everyone.

A call that met no answer, or a 503, is made again with growing pauses until the client's patience is over. That is
safe: a submission carries its idempotency key, and nothing else changes anything twice.

Forbidden here: the broker, the records.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from warren.client.documents import TaskDocument, TaskRequest, json_bytes
from warren.client.problem import PROBLEM_JSON, Problem
from warren.errors import InvalidRequestError, NotFoundError, UnavailableError, WarrenError
from warren.prediction import PredictResponse
from warren.tasks import JSON, Payload

ANSWER_SECONDS: Final = 10.0
"""How long an answer may take beyond the time that it was asked to wait."""

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0


Document = TypeVar("Document", bound=BaseModel)


class WebGateway:
    """A way to Warren through its HTTP API."""

    def __init__(self, url: str, *, patience: float, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._patience = patience
        self._http = httpx2.AsyncClient(base_url=self._url, transport=transport)

    async def open(self) -> None:
        """Get ready: connections are made when they are needed."""

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    async def submit(self, request: TaskRequest, key: str) -> TaskDocument:
        """Accept a task, once per idempotency key."""
        if not (key.isascii() and key.isprintable()):
            raise InvalidRequestError(f"an idempotency key is printable ASCII over HTTP, {key!r} is not")
        options = request.options.model_dump(mode="json", exclude_unset=True)
        body = json_bytes({"task": request.task, "args": request.args, "options": options})
        headers = {"Content-Type": JSON, "Idempotency-Key": key}
        return _read(TaskDocument, await self._call("POST", "/v1/tasks", content=body, headers=headers))

    async def read(self, task_id: str, wait_seconds: float) -> TaskDocument:
        """Return how a task stands, when it has ended or when the seconds are over."""
        answer = await self._call("GET", _task(task_id), headers=_wait(wait_seconds), seconds=wait_seconds)
        return _read(TaskDocument, answer)

    async def cancel(self, task_id: str) -> TaskDocument:
        """Cancel a task unless it has ended; return how it stands."""
        return _read(TaskDocument, await self._call("DELETE", _task(task_id)))

    async def predict(self, model: str, payload: Payload, seconds: float) -> PredictResponse:
        """Run a model on inputs, within the seconds."""
        headers = {"Content-Type": payload.content_type, **_wait(seconds)}
        answer = await self._call(
            "POST", f"/v1/models/{model}/predict", content=payload.body, headers=headers, seconds=seconds
        )
        return _read(PredictResponse, answer)

    async def _call(self, method: str, path: str, *, seconds: float = 0, **parts: Any) -> httpx2.Response:  # noqa: ANN401
        parts["timeout"] = httpx2.Timeout(seconds + ANSWER_SECONDS, connect=ANSWER_SECONDS)
        pause, give_up = FIRST_PAUSE_SECONDS, time.monotonic() + self._patience
        while True:
            try:
                return await self._call_once(method, path, parts)
            except UnavailableError as error:
                wait = max(pause, min(error.retry_after or 0, LONGEST_PAUSE_SECONDS))
                if time.monotonic() + wait > give_up:
                    raise
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _call_once(self, method: str, path: str, parts: dict[str, Any]) -> httpx2.Response:
        try:
            answer = await self._http.request(method, path, **parts)
        except httpx2.TransportError as error:
            what = str(error) or type(error).__name__
            detail = f"no answer from {self._url}: {what}; is this the API's address, and is the producer running?"
            raise UnavailableError(detail, retry_after=None) from error
        if not answer.is_success:
            raise _fault(answer)
        return answer


def _task(task_id: str) -> str:
    """Return the path of a task; whatever the id holds, it leads nowhere else."""
    return f"/v1/tasks/{quote(task_id, safe='').replace('.', '%2E')}"


def _read(kind: type[Document], answer: httpx2.Response) -> Document:
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise _unnamed(answer, None) from error


def _wait(seconds: float) -> dict[str, str]:
    return {"Prefer": f"wait={max(1, round(seconds))}"} if seconds > 0 else {}


def _fault(answer: httpx2.Response) -> WarrenError:
    after = answer.headers.get("Retry-After", "")
    retry_after = float(after) if after.isdecimal() else None
    if answer.headers.get("Content-Type", "").startswith(PROBLEM_JSON):
        try:
            return Problem.model_validate_json(answer.content).fault(retry_after)
        except ValidationError:
            pass
    return _unnamed(answer, retry_after)


def _unnamed(answer: httpx2.Response, retry_after: float | None) -> WarrenError:
    detail = f"{answer.request.url} answered {answer.status_code} {answer.reason_phrase}, and not as Warren's API does"
    if answer.status_code in {502, 503, 504}:
        return UnavailableError(detail, retry_after=retry_after)
    return NotFoundError(detail) if answer.status_code == httpx2.codes.NOT_FOUND else WarrenError(detail)
