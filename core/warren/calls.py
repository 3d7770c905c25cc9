"""Delayed calls of functions, and where they go: to a client, or, in people's unit tests, nowhere at all.

Forbidden here: what a function's arguments are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from warren.client import AsyncClient, Client
from warren.client.default import default_client
from warren.client.problem import InvalidFieldsError
from warren.tasks import TaskOptions

if TYPE_CHECKING:
    from warren.client import AsyncJob, Job
    from warren.function import TaskFunction


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a function's calls are delayed."""

    options: TaskOptions
    key: str | None = None
    """The idempotency key."""
    client: Client | AsyncClient | None = None
    """Where they go to; None: the default client."""

    def changed(
        self, options: Mapping[str, Any], key: str | None = None, client: Client | AsyncClient | None = None
    ) -> Terms:
        """Return these terms with what is given changed.

        Raises:
            InvalidFieldsError: an option is unknown or wrong.

        """
        given = self.options.model_dump(exclude_unset=True) | dict(options)
        try:
            checked = TaskOptions.model_validate(given)
        except ValidationError as error:
            raise InvalidFieldsError.of(error, "options") from error
        return replace(self, options=checked, key=self.key if key is None else key, client=client or self.client)


@dataclass(frozen=True, slots=True)
class Call:
    """A delayed call."""

    function: TaskFunction[..., Any]
    args: dict[str, Any]
    """Its arguments, as JSON."""

    def request(self, terms: Terms) -> dict[str, Any]:
        """Return the call as an item of a batch."""
        options = terms.options.model_dump(exclude_unset=True)
        return {"task": self.function.name, "args": self.args, "options": options}


class Calls(Protocol):
    """Where delayed calls go."""

    def one(self, call: Call, terms: Terms) -> Job[Any]:
        """Send a call."""

    def many(self, calls: Sequence[Call], terms: Terms) -> list[Job[Any]]:
        """Send calls, all at once."""

    async def aone(self, call: Call, terms: Terms) -> AsyncJob[Any]:
        """Send a call."""

    async def amany(self, calls: Sequence[Call], terms: Terms) -> list[AsyncJob[Any]]:
        """Send calls, all at once."""


class Submitted:
    """Calls that are submitted to a client."""

    def one(self, call: Call, terms: Terms) -> Job[Any]:
        """Submit a call."""
        return _client(terms).submit(call.function.name, call.args, options=terms.options, idempotency_key=terms.key)

    def many(self, calls: Sequence[Call], terms: Terms) -> list[Job[Any]]:
        """Submit calls, all at once."""
        return _client(terms).submit_many([call.request(terms) for call in calls], idempotency_key=terms.key)

    async def aone(self, call: Call, terms: Terms) -> AsyncJob[Any]:
        """Submit a call."""
        client = _async_client(terms)
        return await client.submit(call.function.name, call.args, options=terms.options, idempotency_key=terms.key)

    async def amany(self, calls: Sequence[Call], terms: Terms) -> list[AsyncJob[Any]]:
        """Submit calls, all at once."""
        requests = [call.request(terms) for call in calls]
        return await _async_client(terms).submit_many(requests, idempotency_key=terms.key)


def calls() -> Calls:
    """Return where delayed calls go now."""
    return _stack[-1]


@contextmanager
def led_to(place: Calls) -> Iterator[None]:
    """Have all delayed calls of this process go elsewhere for a while."""
    _stack.append(place)
    try:
        yield
    finally:
        _stack.remove(place)


_stack: list[Calls] = [Submitted()]


def _client(terms: Terms) -> Client:
    if isinstance(terms.client, AsyncClient):
        msg = "this function's client is an AsyncClient: await adelay() or amap(), or give with_options a Client"
        raise TypeError(msg)
    return terms.client or default_client()


def _async_client(terms: Terms) -> AsyncClient:
    if isinstance(terms.client, AsyncClient):
        return terms.client
    return (terms.client or default_client()).asynchronous()
