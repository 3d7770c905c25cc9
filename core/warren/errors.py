"""Everything that can go wrong, by name.

One class per kind of fault. Each carries the HTTP status and the title that the producer answers with (RFC 9457), so
that the same fault reads the same in an API answer, a record, an MLJob's condition and an exit message.

Forbidden here: imports of any other module of Warren and of third parties.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar


class WarrenError(Exception):
    """The base of all faults that Warren names.

    `detail` is a sentence for a person: what is wrong, with which value, and what to do.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        """Seconds after which the same call may succeed; None where waiting does not help."""


class InvalidRequestError(WarrenError):
    """The request itself is wrong: repeating it cannot help."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid-request"
    title = "Invalid request"


class InvalidPayloadError(InvalidRequestError):
    """A consumer found that a task's payload is not what the task, or its model, takes."""

    code = "invalid-payload"
    title = "Invalid payload"


class UnknownProtocolError(InvalidRequestError):
    """A message is of a version of the protocol that this release does not know."""

    code = "unknown-protocol"
    title = "Unknown protocol"


class PayloadForbiddenError(InvalidPayloadError):
    """A message refers to an object that tasks may not read."""

    code = "payload-forbidden"
    title = "Payload forbidden"


class UrlRefusedError(InvalidRequestError):
    """A user's URL leads to where Warren sends no requests: a private address, say."""

    code = "url-refused"
    title = "URL refused"


class WrongPoolError(InvalidRequestError):
    """The task is of a kind that the pool does not serve, or the pool does not exist."""

    code = "wrong-pool"
    title = "Wrong pool"


class IdempotencyConflictError(InvalidRequestError):
    """An idempotency key was used again with another body."""

    code = "idempotency-conflict"
    title = "Idempotency key reused with another body"


class UnauthorizedError(WarrenError):
    """The request came with no API key, or with one that is not (or no longer) valid."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"
    title = "API key needed"


class ForbiddenError(WarrenError):
    """The API key is valid, but its scopes do not cover the request."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"
    title = "Not within the API key's scopes"


class NotFoundError(WarrenError):
    """What was asked for does not exist (or no longer)."""

    status = HTTPStatus.NOT_FOUND
    code = "not-found"
    title = "Not found"


class TaskNotFoundError(NotFoundError):
    """No record has this task id."""

    code = "task-not-found"
    title = "Task not found"


class DeadLetterNotFoundError(NotFoundError):
    """The task is not among the dead letters: it did not fail, or was discarded."""

    code = "dead-letter-not-found"
    title = "Dead letter not found"


class ModelNotFoundError(NotFoundError):
    """No such model, version or alias is in the model repository."""

    code = "model-not-found"
    title = "Model not found"


class ObjectNotFoundError(NotFoundError):
    """Object storage has no object under this URI."""

    code = "object-not-found"
    title = "Object not found"


class ReplayRefusedError(WarrenError):
    """A dead letter cannot be replayed; the detail says what can be done instead."""

    status = HTTPStatus.CONFLICT
    code = "replay-refused"
    title = "Replay refused"


class ReplayLimitError(ReplayRefusedError):
    """A task was replayed again and again, and failed every time."""

    code = "replay-limit"
    title = "Too many replays"


class ObjectExistsError(WarrenError):
    """An object that must be created only once exists already."""

    status = HTTPStatus.CONFLICT
    code = "object-exists"
    title = "Object exists"


class PayloadTooLargeError(WarrenError):
    """A payload is over the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "payload-too-large"
    title = "Payload too large"


class BatchTooLargeError(WarrenError):
    """A batch holds more tasks than its API key may ever submit at once."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "batch-too-large"
    title = "Batch too large"


class PayloadMissingError(WarrenError):
    """A task's payload is no longer in object storage."""

    code = "payload-missing"
    title = "Payload missing"


class PayloadCorruptError(WarrenError):
    """What object storage holds is not the payload that was submitted."""

    code = "payload-corrupt"
    title = "Payload corrupt"


class NotEndedError(WarrenError):
    """The task has not ended, so that there is no result yet."""

    status = HTTPStatus.CONFLICT
    code = "not-ended"
    title = "Task has not ended"


class NoWebhookError(WarrenError):
    """The task asked for no webhook, so that there is nothing to send and no log of it."""

    status = HTTPStatus.CONFLICT
    code = "no-webhook"
    title = "No webhook"


class NoResultError(NotFoundError):
    """The task ended without a result: it did not succeed."""

    code = "no-result"
    title = "No result"


class ResultGoneError(NotFoundError):
    """The task succeeded, but its result is no longer in object storage."""

    status = HTTPStatus.GONE
    code = "result-gone"
    title = "Result gone"


class TaskTimeoutError(WarrenError):
    """A task, or who waits for one, exceeded a time limit. Of who waits it is a `WaitTimeoutError`."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "timeout"
    title = "Time limit exceeded"


class WaitTimeoutError(TaskTimeoutError):
    """Who waited for tasks has no more time; they go on, and can be waited for again."""

    code = "wait-timeout"
    title = "Wait over"


class TaskFailedError(WarrenError):
    """A task ended without success; `detail` is its recorded error."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "task-failed"
    title = "Task failed"


class TaskCrashedError(TaskFailedError):
    """The task's code raised an exception that it does not declare."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "exception"
    title = "Task raised an exception"


class InvalidResultError(TaskFailedError):
    """JSON cannot hold what the task's function returned, or its annotation says something else."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "invalid-result"
    title = "Invalid result"


class TaskPoisonError(TaskFailedError):
    """The task's consumer died again and again while it worked on it."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "poison"
    title = "Task kills its consumer"


class ClientClosedError(WarrenError):
    """A client was closed before it was used, or while it waited for an answer; or it belongs elsewhere.

    That is to a parent process, which used it before the fork, or to another event loop. Only programs meet this.
    """

    code = "client-closed"
    title = "Client closed"


class UnavailableError(WarrenError):
    """A dependency does not answer; the same call may succeed later. Whether this one had any effect is not known."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    title = "Service unavailable"

    def __init__(self, detail: str, *, retry_after: float | None = 1.0) -> None:
        super().__init__(detail, retry_after=retry_after)


class RateLimitedError(UnavailableError):
    """The API key has made as many requests as it may for now. Nothing was done; the same call will do later."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate-limited"
    title = "Too many requests"


class OverloadedError(UnavailableError):
    """What waits for the pool's consumers would keep a new task waiting for longer than it may."""

    code = "overloaded"
    title = "Pool overloaded"


class BrokerUnavailableError(UnavailableError):
    """RabbitMQ is unreachable, refuses (alarm, full queue) or did not confirm in time."""

    code = "broker-unavailable"
    title = "Broker unavailable"


class UnroutableError(UnavailableError):
    """No queue is bound for the message: the topology was not applied, or the pool is gone."""

    code = "unroutable"
    title = "Queue missing"


class RecordsUnavailableError(UnavailableError):
    """The store of the task records is unreachable or refuses writes."""

    code = "records-unavailable"
    title = "Record store unavailable"


class StorageUnavailableError(UnavailableError):
    """Object storage is unreachable or refuses the credentials."""

    code = "storage-unavailable"
    title = "Object storage unavailable"


class UnreachableError(UnavailableError):
    """What a user's URL leads to gave no answer, or not all of it in time."""

    code = "unreachable"
    title = "URL unreachable"


class SettingsError(WarrenError):
    """A setting is unknown, missing or malformed; the process must not start."""

    code = "settings"
    title = "Invalid settings"


class TopologyError(WarrenError):
    """The broker's topology differs from what Warren needs in a way that `topology apply` may not change."""

    status = HTTPStatus.CONFLICT
    code = "topology"
    title = "Topology conflict"
