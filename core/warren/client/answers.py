"""What an answer of the API says: a document, or a fault, in words of the API's or for want of them.

Forbidden here: asking.
"""

from __future__ import annotations

import time
from typing import Final, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from warren.client.problem import PROBLEM_JSON, Problem
from warren.errors import NotFoundError, PayloadTooLargeError, RateLimitedError, UnavailableError, WarrenError
from warren.patience import seconds_of

Document = TypeVar("Document", bound=BaseModel)

_LATER: Final = frozenset({429, 502, 503, 504})
"""The statuses of what may succeed later, even where no time is told."""


def read(kind: type[Document], answer: httpx2.Response) -> Document:
    """Return the document that an answer holds.

    Raises:
        WarrenError: it holds none; what answered was not Warren's API.

    """
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise unnamed(answer, None) from error


def fault_of(answer: httpx2.Response) -> WarrenError:
    """Return what an answer that is no success says is wrong, and when to ask again, where that may help."""
    retry_after = seconds_of(answer.headers.get("Retry-After", ""), time.time())
    if retry_after is None and answer.status_code in _LATER:
        retry_after = 0
    if answer.headers.get("Content-Type", "").startswith(PROBLEM_JSON):
        try:
            return Problem.model_validate_json(answer.content).fault(retry_after)
        except ValidationError:
            pass
    return unnamed(answer, retry_after)


def unnamed(answer: httpx2.Response, retry_after: float | None) -> WarrenError:
    """Return the fault for an answer that is not the API's: of a proxy, of another server."""
    detail = f"{answer.request.url} answered {answer.status_code} {answer.reason_phrase}, and not as Warren's API does"
    if answer.status_code == httpx2.codes.TOO_MANY_REQUESTS:  # of something before the producer
        return RateLimitedError(detail, retry_after=retry_after)
    if answer.status_code in _LATER:
        return UnavailableError(detail, retry_after=retry_after)
    kind = {404: NotFoundError, 413: PayloadTooLargeError}.get(answer.status_code, WarrenError)
    return kind(detail)
