"""The client for asyncio programs.

Forbidden here: how Warren is reached. That is a gateway's.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, overload
from urllib.parse import urlsplit

from pydantic import ValidationError

from warren.address import without_password
from warren.client import gathering
from warren.client.batch import MAX_BATCH_KEY, READ_AT_ONCE, BatchItem, accepted
from warren.client.closable import Closable
from warren.client.documents import TaskDocument, TaskRequest, result_value
from warren.client.inputs import Row, prediction_inputs
from warren.client.intake import checked_key
from warren.client.letters import AsyncDeadLetters
from warren.client.outcome import failure
from warren.client.problem import InvalidFieldsError
from warren.client.web import WebGateway
from warren.errors import InvalidRequestError, WaitTimeoutError
from warren.pool import DEFAULT_POOLS, Pool, parse_pools
from warren.prediction import ModelReference
from warren.record import State
from warren.tasks import Payload, TaskOptions, new_task_id

if TYPE_CHECKING:
    from warren.client.deliveries import WebhookDocument
    from warren.client.gateway import Gateway, TaskGateway
    from warren.prediction import PredictResponse

BUCKET = "warren"
PATIENCE_SECONDS = 10.0
PREDICT_SECONDS = 10.0

R = TypeVar("R")
T = TypeVar("T")

Options = TaskOptions | Mapping[str, Any]


class AsyncClient:
    """Submits tasks and predictions. Use it as an asynchronous context manager, on one event loop.

    `url` is the API's (`http://...`, for anyone), or the broker's (`amqp://...`, inside the trust domain), which needs
    `records` (`redis://...`) besides, the installation's `pools` as `WARREN_POOLS` names them and, for predictions, the
    AWS SDK's variables and the models' `bucket`.
    `api_key` is the key for the API, where it asks for one; unless given, that of the environment, `WARREN_API_KEY`.
    `patience` is how many seconds a call is repeated while nothing answers; a repeat never submits twice. Straight to
    the broker, connecting is such a call; credentials that are refused are told at once.
    """

    def __init__(  # noqa: PLR0913 - what a client is made from
        self,
        url: str,
        *,
        api_key: str | None = None,
        records: str | None = None,
        bucket: str = BUCKET,
        pools: str | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._gateway = _closable(_gateway(url, api_key, records, bucket, pools, patience))

    @classmethod
    def over(cls, gateway: Gateway, *, any_loop: bool = False) -> Self:
        """Return a client that uses this gateway, `any_loop` where that may be used on several event loops."""
        client = cls.__new__(cls)
        client._gateway = _closable(gateway, any_loop=any_loop)  # noqa: SLF001 - its own
        return client

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._gateway.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self.close()

    async def close(self) -> None:
        """Disconnect, for good. Calls that wait for an answer raise `ClientClosedError`, and so do all later ones."""
        await self._gateway.close()

    @property
    def gateway(self) -> Gateway:
        """How Warren is reached."""
        return self._gateway

    async def submit(
        self,
        task: str,
        /,
        args: Mapping[str, Any] | None = None,
        *,
        options: Options | None = None,
        idempotency_key: str | None = None,
        **named: Any,  # noqa: ANN401 - any JSON value
    ) -> AsyncJob[Any]:
        """Submit a task with arguments by name and return its job.

        `args` gives arguments whose names this method uses itself. The same `idempotency_key` again is the same job.

        Raises:
            InvalidRequestError: the task, its arguments or its options are wrong.
            UnavailableError: Warren could not be reached or could not accept it; nothing was lost.

        """
        request = _request(task, {**(args or {}), **named}, options)
        return AsyncJob(self._gateway, await self._gateway.submit(request, checked_key(idempotency_key)))

    async def submit_many(
        self, requests: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[AsyncJob[Any]]:
        """Submit many tasks and return their jobs, in order; each is accepted or refused for itself.

        A request has `task`, and `args`, `options` and `idempotency_key` where wanted. One without a key gets
        `<idempotency_key>/<its index>`.

        Raises:
            InvalidRequestError: a request or the key is malformed; nothing was submitted.
            BatchRefusedError: some were refused; it tells which, why, and the ids of the others.

        """
        base, items = checked_key(idempotency_key, MAX_BATCH_KEY) or new_task_id(), []
        for index, request in enumerate(requests):
            items.append(_item(index, request, f"{base}/{index}"))
            if index % READ_AT_ONCE == 0:
                await asyncio.sleep(0)
        return list(map(self.job, accepted(await self._gateway.submit_many(items))))

    def job(self, task_id: str) -> AsyncJob[Any]:
        """Return the job of a task that was submitted before."""
        return AsyncJob(self._gateway, task_id)

    async def gather(
        self,
        jobs: Iterable[AsyncJob[Any]],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it is passed on
        progress: bool = False,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Wait for many jobs, with a bar if wanted, and return their results: see `gathering.gather`."""
        return await gathering.gather(
            list(jobs), timeout=timeout, progress=progress, return_exceptions=return_exceptions
        )

    def as_completed(
        self, jobs: Iterable[AsyncJob[R]], *, timeout: float | None = None
    ) -> AsyncGenerator[AsyncJob[R], None]:
        """Yield each of many jobs when it has ended, however it ended: see `gathering.as_completed`."""
        return gathering.as_completed(list(jobs), timeout)

    def dead_letters(
        self, *, pool: str | None = None, task: str | None = None, code: str | None = None
    ) -> AsyncDeadLetters:
        """Return the failed tasks (of a pool, of a name, with an error's code): to go through, replay, discard."""
        return AsyncDeadLetters(self._gateway, self.job, pool=pool, task=task, code=code)

    async def predict(
        self,
        model: str,
        rows: Sequence[Row] | None = None,
        *,
        image: bytes | None = None,
        timeout: float = PREDICT_SECONDS,  # noqa: ASYNC109 - Warren's time limit
    ) -> PredictResponse:
        """Run a model (`name`, or `name@version`) on rows or on one image file's bytes.

        Raises:
            ModelNotFoundError: there is no such model.
            InvalidRequestError: the inputs do not fit the model.
            TaskTimeoutError: no consumer answered within `timeout` seconds.

        """
        if timeout <= 0:
            raise InvalidRequestError(f"a prediction's time limit is more than 0 seconds, not {timeout:g}")
        return await self._gateway.predict(str(ModelReference.parse(model)), prediction_inputs(rows, image), timeout)


class AsyncJob(Generic[R]):
    """A task that was submitted."""

    def __init__(self, gateway: TaskGateway, task_id: str, read: Callable[[Any], Any] | None = None) -> None:
        self._gateway = gateway
        self._read = read
        self._end: TaskDocument | None = None
        self._large: Payload | None = None
        self.id = task_id

    def reading(self, read: Callable[[Any], Any]) -> AsyncJob[R]:
        """Return this job with another way to read its result."""
        return AsyncJob(self._gateway, self.id, read)

    async def record(self) -> TaskDocument:
        """Return how the task stands; of a large result, where it is read."""
        return await self._gateway.read(self.id, 0)

    async def status(self) -> State:
        """Return the task's state."""
        return (await self._gateway.read(self.id, 0)).status

    async def wait(self, timeout: float | None = None) -> TaskDocument:  # noqa: ASYNC109 - it is passed on
        """Return how the task stands, as `record`, when it has ended or when `timeout` seconds are over."""
        if self._end is not None:
            return self._end
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = math.inf if end is None else max(0.0, end - time.monotonic())
            document = await self._gateway.read(self.id, left)
            if document.status.terminal:
                self._end = document
                return document
            if end is not None and not time.monotonic() < end:  # to a timeout of NaN, no time is before its end
                return document

    @overload
    async def get(
        self: AsyncJob[Payload | T] | AsyncJob[Coroutine[Any, Any, Payload | T]],
        timeout: float | None = None,  # noqa: ASYNC109 - it is passed on
    ) -> Any: ...  # noqa: ANN401 - a payload's JSON value, or its bytes

    @overload
    async def get(self: AsyncJob[Coroutine[Any, Any, T]], timeout: float | None = None) -> T: ...  # noqa: ASYNC109

    @overload
    async def get(self, timeout: float | None = None) -> R: ...  # noqa: ASYNC109

    async def get(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - it is passed on
        """Return the task's result: a JSON value, or bytes where it is of another type.

        Of a function's own `adelay` it is what the function's annotation says.

        Raises:
            TaskFailedError: it failed or was canceled (a named fault raises its own class).
            TaskTimeoutError: it exceeded its own time limit, or expired.
            WaitTimeoutError: it has not ended after `timeout` seconds; it goes on. It is a `TaskTimeoutError`, too.

        """
        document = await self.wait(timeout)
        if document.status is State.SUCCEEDED:
            value = await self._value(document)
            return value if self._read is None else self._read(value)
        if not document.status.terminal:
            raise WaitTimeoutError(
                f"the task {document.task} ({self.id}) has not ended in time; it is {document.status}"
            )
        raise failure(document.id, document.task, document.status, document.error)

    async def cancel(self) -> TaskDocument:
        """Cancel the task unless it has ended; return how it stands."""
        return await self._gateway.cancel(self.id)

    async def deliveries(self) -> WebhookDocument:
        """Return what became of the task's webhook.

        Raises:
            NoWebhookError: it was submitted without `callback_url`.

        """
        return await self._gateway.deliveries(self.id)

    async def redeliver(self) -> WebhookDocument:
        """Send the webhook of the task, which has ended, once more, whatever became of it before.

        Raises:
            NotEndedError: there is nothing to tell yet.
            NoWebhookError: it was submitted without `callback_url`.

        """
        return await self._gateway.redeliver(self.id)

    async def _value(self, document: TaskDocument) -> Any:  # noqa: ANN401 - whatever the task returned
        """Return the result that the document tells of; a large one is read by itself, once."""
        if document.result_url is None:
            return document.value()
        if self._large is None:
            self._large = await self._gateway.result(document.id)
        return result_value(self._large)


def _closable(gateway: Gateway, *, any_loop: bool = False) -> Gateway:
    return cast("Gateway", Closable(gateway, any_loop=any_loop))


def _gateway(  # noqa: PLR0913, PLR0917 - what a client is made from
    url: str, api_key: str | None, records: str | None, bucket: str, pools: str | None, patience: float
) -> Gateway:
    if url.lower().startswith(("http://", "https://")):
        _check_address(url, "the API's")
        if "?" in url or "#" in url:
            raise InvalidRequestError(f"{without_password(url)!r} is not the API's URL: that ends before any ? and #")
        return WebGateway(url, patience=patience, api_key=api_key)
    if not url.startswith(("amqp://", "amqps://")):
        raise InvalidRequestError(f"{url!r} is neither the API's URL (http://...) nor the broker's (amqp://...)")
    if api_key is not None:
        raise InvalidRequestError("an API key is for the API (http://...); the broker asks for its account's password")
    if records is None or not records.startswith(("redis://", "rediss://")):
        raise InvalidRequestError("straight to the broker, the records' URL is needed too: records='redis://...'")
    _check_address(url, "the broker's")
    _check_address(records, "the records'")
    from warren.client.direct import DirectGateway  # noqa: PLC0415 - aio-pika, redis and boto3 only where they are used

    return DirectGateway(url, records, bucket=bucket, patience=patience, pools=_pools(pools))


def _pools(text: str | None) -> tuple[Pool, ...]:
    try:
        return DEFAULT_POOLS if text is None else parse_pools(text)
    except ValueError as error:
        raise InvalidRequestError(f"pools: {text!r} are none; they look like this: cpu train-cpu:train") from error


def _check_address(url: str, whose: str) -> None:
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # of a port that is none
        known = False
    if not known:
        raise InvalidRequestError(f"{without_password(url)!r} is not {whose} URL; its form is scheme://host:port")


def _request(task: str, args: Mapping[str, Any], options: Options | None) -> TaskRequest:
    given: dict[str, Any] = {"task": task, "args": args}
    if options is not None:
        given["options"] = options if isinstance(options, TaskOptions) else dict(options)
    try:
        return TaskRequest.model_validate(given)
    except ValidationError as error:
        raise InvalidFieldsError.of(error) from error


def _item(index: int, request: Mapping[str, Any], key: str) -> BatchItem:
    try:
        item = BatchItem.model_validate(dict(request))
    except ValidationError as error:
        raise InvalidFieldsError.of(error, str(index)) from error
    return item if item.idempotency_key else item.model_copy(update={"idempotency_key": key})
