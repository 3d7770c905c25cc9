"""Over HTTP, to the producer's API: the way for everyone.

A call that met no answer, a 503 or a 429, is made again with growing pauses until the client's patience is over. That
is safe: a submission carries its idempotency key, and nothing else changes anything twice.

Forbidden here: the broker, the records.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import httpx2
from pydantic import BaseModel

from warren.client.answers import fault_of, read, unnamed
from warren.client.batch import CALL_ITEMS, AcceptedItem, BatchAnswer, BatchItem, Fate, packed
from warren.client.dead_letter import (
    DeadLetter,
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterQuery,
    DiscardMany,
    Replay,
    ReplayMany,
    Treatment,
)
from warren.client.deliveries import WebhookDocument
from warren.client.documents import TaskDocument, TaskRequest, json_bytes
from warren.client.turns import Turns
from warren.errors import (
    BatchTooLargeError,
    InvalidRequestError,
    PayloadTooLargeError,
    RateLimitedError,
    UnavailableError,
    WarrenError,
)
from warren.keys import KEY_EXAMPLE, key_id
from warren.patience import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, patiently
from warren.prediction import PredictResponse
from warren.tasks import JSON, Payload, new_task_id

ANSWER_SECONDS: Final = 10.0
"""How long an answer may take beyond the time that it was asked to wait."""

BATCH_SECONDS: Final = 60.0
"""How long the answer to a part of a batch may take."""

CALLS_AT_ONCE: Final = 100
"""How many calls that are answered at once are under way side by side, and how many predictions; others queue.

Both, and the waits for tasks, have connections of their own: what takes long keeps nothing else from being answered.
"""

KEPT_CONNECTIONS: Final = 20
"""How many connections are kept for later calls."""

DEAD_LETTERS: Final = "/v1/dead-letters"

KEY_VARIABLE: Final = "WARREN_API_KEY"

_POLICY: Final = re.compile(r'"key";q=(\d+)')
"""How many requests an API key may make at once, as the producer tells with each answer."""

WINDOW_SECONDS: Final = 10
"""After how many seconds it may make as many again."""

Lane = AbstractAsyncContextManager[None]
"""What calls of one kind go through, so that only so many are under way."""

_PLACED: Final = nullcontext()
"""That of those which have a place already."""


class WebGateway:
    """A way to Warren through its HTTP API."""

    def __init__(
        self,
        url: str,
        *,
        patience: float,
        api_key: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the API's address, and a key; None is for that of the environment, `WARREN_API_KEY`, if there is one."""
        self._url = url.rstrip("/")
        self._patience = patience
        headers = authorization(os.environ.get(KEY_VARIABLE) if api_key is None else api_key)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS)
        self._http = httpx2.AsyncClient(base_url=self._url, transport=transport, headers=headers, limits=limits)
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._predictions = asyncio.Semaphore(CALLS_AT_ONCE)
        self._turns = Turns(lambda: self._most / WINDOW_SECONDS)
        self._most = CALL_ITEMS
        """How many tasks go in one call: of what an API key may submit at once a quarter, for which the wait is short:
        shorter than anybody's patience."""

    async def open(self) -> None:
        """Get ready: connections are made when they are needed."""

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    async def submit(self, request: TaskRequest, key: str | None) -> str:
        """Accept a task, once per idempotency key, and return its id; a call may be repeated, so it always has one."""
        key = key or new_task_id()
        if not (key.isascii() and key.isprintable() and key == key.strip()):
            detail = f"an idempotency key is printable ASCII over HTTP, without spaces around it; {key!r} is not"
            raise InvalidRequestError(detail)
        options = request.options.model_dump(mode="json", exclude_unset=True)
        body = json_bytes({"task": request.task, "args": request.args, "options": options})
        headers = {"Content-Type": JSON, "Idempotency-Key": key}
        return read(TaskDocument, await self._call("POST", "/v1/tasks", content=body, headers=headers)).id

    async def submit_many(self, items: Sequence[BatchItem]) -> list[Fate[str]]:
        """Accept tasks, each for itself and once per its idempotency key; return their ids, or why not, in order."""
        fates: dict[int, Fate[str]] = {}
        pause, give_up, left = FIRST_PAUSE_SECONDS, time.monotonic() + self._patience, dict(enumerate(items))
        while left:
            fates |= await self._submit_all(left)
            again = {place: item for place, item in left.items() if isinstance(fates[place], UnavailableError)}
            if len(again) < len(left):  # it goes on, if only at the speed that an API key allows
                pause, give_up = FIRST_PAUSE_SECONDS, time.monotonic() + self._patience
            left, wait = again, max(pause, _asked(fates[place] for place in again))
            if not left or time.monotonic() + wait > give_up:
                break
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return [fates[place] for place in range(len(items))]

    async def read(self, task_id: str, wait_seconds: float) -> TaskDocument:
        """Return how a task stands, when it has ended or when the seconds are over."""
        if wait_seconds <= 0:
            return await self._look(task_id, 0, self._calls)
        return await self._turns.until_ended(lambda seconds: self._look(task_id, seconds, _PLACED), wait_seconds)

    async def result(self, task_id: str) -> Payload:
        """Return the bytes that a task returned, of whatever size."""
        answer = await self._call("GET", f"{_task(task_id)}/result")
        return Payload(answer.content, answer.headers.get("Content-Type", JSON))

    async def cancel(self, task_id: str) -> TaskDocument:
        """Cancel a task unless it has ended; return how it stands."""
        return read(TaskDocument, await self._call("DELETE", _task(task_id)))

    async def deliveries(self, task_id: str) -> WebhookDocument:
        """Return what became of a task's webhook."""
        return read(WebhookDocument, await self._call("GET", f"{_task(task_id)}/deliveries"))

    async def redeliver(self, task_id: str) -> WebhookDocument:
        """Send the webhook of a task that has ended once more."""
        return read(WebhookDocument, await self._call("POST", f"{_task(task_id)}/deliveries"))

    async def predict(self, model: str, payload: Payload, seconds: float) -> PredictResponse:
        """Run a model on inputs, within the seconds; once, however often it is asked for before the answer comes."""
        headers = {"Content-Type": payload.content_type, "Idempotency-Key": new_task_id(), **_wait(seconds)}
        answer = await self._call(
            "POST",
            f"/v1/models/{model}/predict",
            content=payload.body,
            headers=headers,
            seconds=seconds,
            lane=self._predictions,
        )
        return read(PredictResponse, answer)

    async def dead_letters(self, query: DeadLetterQuery) -> DeadLetterPage:
        """Return a page of the dead letters."""
        answer = await self._call("GET", DEAD_LETTERS, params=query.model_dump(exclude_none=True))
        return read(DeadLetterPage, answer)

    async def dead_letter(self, task_id: str) -> DeadLetterDetail:
        """Return all that is known of a dead letter."""
        return read(DeadLetterDetail, await self._call("GET", _dead_letter(task_id)))

    async def replay(self, task_id: str, how: Replay) -> TaskDocument:
        """Submit a failed task anew; return how the new one stands."""
        return read(TaskDocument, await self._call("POST", f"{_dead_letter(task_id)}/replay", **_json(how)))

    async def replay_many(self, which: ReplayMany) -> Treatment:
        """Submit failed tasks anew: of ids as many as go in one call, and then there are `more`."""
        some = which.model_copy(update={"ids": which.ids[: self._most]})
        try:
            treatment = read(Treatment, await self._call("POST", f"{DEAD_LETTERS}/replay", **_json(some)))
        except BatchTooLargeError:
            if len(some.ids) <= self._most:
                raise
            return await self.replay_many(which)  # it is known now
        return treatment.model_copy(update={"more": treatment.more or some.ids != which.ids})

    async def discard(self, task_id: str) -> DeadLetter:
        """Strike a dead letter off and drop its payload."""
        return read(DeadLetter, await self._call("DELETE", _dead_letter(task_id)))

    async def discard_many(self, which: DiscardMany) -> Treatment:
        """Strike dead letters off and drop their payloads."""
        query = {"id": list(which.ids), **which.filter.model_dump(exclude_none=True)}
        query |= which.model_dump(include={"all", "limit"}, exclude_defaults=True)
        return read(Treatment, await self._call("DELETE", DEAD_LETTERS, params=query))

    async def _look(self, task_id: str, seconds: float, lane: Lane) -> TaskDocument:
        answer = await self._call("GET", _task(task_id), headers=_wait(seconds), seconds=seconds, lane=lane)
        return read(TaskDocument, answer)

    async def _submit_all(self, items: Mapping[int, BatchItem]) -> dict[int, Fate[str]]:
        """Send the items in as many calls as it takes; once nothing answers, the rest waits for another time."""
        fates: dict[int, Fate[str]] = {}
        left = [(items, CALL_ITEMS)]
        while left:
            some, fit = left.pop()
            for places, body in packed(some, partial(self._fitting, fit)):
                try:
                    fates |= zip(places, await self._submit_part(len(places), body), strict=True)
                except UnavailableError as error:
                    return fates | dict.fromkeys(items.keys() - fates.keys(), error)
                except WarrenError as error:
                    most = self._smaller(error, len(places))
                    if most < len(places):
                        left.append(({place: items[place] for place in places}, most))
                    else:
                        fates |= dict.fromkeys(places, error)
        return fates

    def _fitting(self, most: int) -> int:
        return min(self._most, most)

    def _smaller(self, error: WarrenError, count: int) -> int:
        """Return how many items a part may have in whose place so many were refused."""
        if isinstance(error, BatchTooLargeError):
            return self._most  # it is known now
        return max(1, count // 2) if isinstance(error, PayloadTooLargeError) else count

    async def _submit_part(self, count: int, body: bytes) -> list[Fate[str]]:
        parts = {"content": body, "headers": {"Content-Type": JSON}, "timeout": BATCH_SECONDS}
        answer = await self._call_once("POST", "/v1/tasks/batch", parts)
        told = read(BatchAnswer, answer).tasks
        if len(told) != count:
            raise unnamed(answer, None)
        return [item.id if isinstance(item, AcceptedItem) else item.error.fault() for item in told]

    async def _call(
        self,
        method: str,
        path: str,
        *,
        seconds: float = 0,
        lane: Lane | None = None,
        **parts: Any,  # noqa: ANN401
    ) -> httpx2.Response:
        parts["timeout"] = httpx2.Timeout(seconds + ANSWER_SECONDS, connect=ANSWER_SECONDS)
        return await patiently(lambda: self._call_once(method, path, parts, lane), self._patience)

    async def _call_once(
        self, method: str, path: str, parts: dict[str, Any], lane: Lane | None = None
    ) -> httpx2.Response:
        try:
            async with lane or self._calls:
                answer = await self._http.request(method, path, **parts)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            what = str(error) or type(error).__name__
            detail = f"no answer from {self._url}: {what}; is this the API's address, and is the producer running?"
            raise UnavailableError(detail, retry_after=0) from error
        if policy := _POLICY.match(answer.headers.get("RateLimit-Policy", "")):
            self._most = min(CALL_ITEMS, max(1, int(policy[1]) // 4))
        if not answer.is_success:
            raise fault_of(answer)
        return answer


def authorization(api_key: str | None) -> dict[str, str]:
    """Return the header that carries a key.

    Raises:
        InvalidRequestError: it cannot be one; the message does not tell it.

    """
    if not api_key:
        return {}
    if key_id(api_key) is None:
        detail = f"this is no API key (argument api_key, variable {KEY_VARIABLE}): those look like {KEY_EXAMPLE}"
        raise InvalidRequestError(detail)
    return {"Authorization": f"Bearer {api_key}"}


def _task(task_id: str) -> str:
    """Return the path of a task; whatever the id holds, it leads nowhere else."""
    return f"/v1/tasks/{_quoted(task_id)}"


def _dead_letter(task_id: str) -> str:
    return f"{DEAD_LETTERS}/{_quoted(task_id)}"


def _quoted(task_id: str) -> str:
    return quote(task_id, safe="").replace(".", "%2E")


def _json(document: BaseModel) -> dict[str, Any]:
    body = document.model_dump_json(exclude_defaults=True).encode()
    return {"content": body, "headers": {"Content-Type": JSON}}


def _asked(fates: Iterable[Fate[str]]) -> float:
    """Return for how many seconds those that were refused for their API key's limit are to wait."""
    return max((fate.retry_after or 0 for fate in fates if isinstance(fate, RateLimitedError)), default=0)


def _wait(seconds: float) -> dict[str, str]:
    return {"Prefer": f"wait={max(1, round(seconds))}"} if seconds > 0 else {}
