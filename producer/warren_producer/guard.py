"""Who may call: every request, but those of probes and of the API's pages, needs a valid key that is good for it.

It comes before everything else, so that a stranger's body is not even read. A key is never logged, and never told.

Forbidden here: which tasks a caller sees; that is `warren.client.caller`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match

from warren.client.caller import Caller
from warren.errors import BatchTooLargeError, ForbiddenError, RateLimitedError, UnauthorizedError, WarrenError
from warren.keys import KeyEntry, Scope
from warren_producer.allowance import Allowance, quota
from warren_producer.bodies import OWN_LIMIT, SENDER, let_pass
from warren_producer.problems import on_fault

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as Request

    from warren.keyring import Keyring
    from warren_producer.metrics import Metrics

OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/docs/oauth2-redirect", "/openapi.json"})
"""What needs no key: probes, Prometheus, and the description of the API, which is the same everywhere."""

OPEN_FILES: Final = "/static-offline-docs/"
"""What the page /docs is made of."""

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

ADMISSION: Final = "warren.admission"
"""Under which a request's scope holds its admission."""

HOW: Final = "give the API key that you were given, as `Authorization: Bearer <key>` (in a shell: WARREN_API_KEY)"


@dataclass(frozen=True, slots=True)
class Admission:
    """That a request was let in."""

    entry: KeyEntry
    keyring: Keyring
    count: Callable[[int], None]
    """Lets the request count as that many, for the tasks that it brings.

    Raises:
        BatchTooLargeError: its caller may never make so many at once.
        RateLimitedError: its caller may not make so many now.

    """

    @property
    def caller(self) -> Caller:
        """Whose the tasks are that it submits, and which it sees."""
        return Caller(self.entry.name, sees_all=self.entry.may(Scope.ADMIN))

    @property
    def stands(self) -> bool:
        """Whether its key is still valid."""
        return self.keyring.holds(self.entry)


def needed(method: str, *, administrative: bool) -> Scope:
    """Return what a key has to be good for: whatever does not merely read submits, or changes what is everybody's."""
    if administrative:
        return Scope.ADMIN
    return Scope.READ if method in READING else Scope.SUBMIT


class Guard:
    """ASGI middleware: lets in whoever has a key that is good for the request, as often as it may."""

    def __init__(
        self, app: ASGIApp, keyring: Keyring, metrics: Metrics, rate: float, administrative: Sequence[BaseRoute]
    ) -> None:
        """Take the valid keys, and how many requests a second a key may make whose entry does not say it.

        `administrative` are the routes for administrators only. They are asked themselves whether a request is theirs:
        a second way to read a path would differ from theirs somewhere.
        """
        self._app = app
        self._keyring = keyring
        self._metrics = metrics
        self._rate = rate
        self._administrative = administrative
        self._allowances: defaultdict[str, Allowance] = defaultdict(Allowance)

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        """Pass a request on that may be, answer the others."""
        if scope["type"] != "http" or open_to_all(scope["path"]):
            await self._app(scope, receive, send)
            return
        told: dict[str, str] = {}
        try:
            scope[ADMISSION] = admission = self._admit(scope, told)
        except WarrenError as error:
            if not await let_pass(receive, Headers(scope=scope)):
                told["Connection"] = "close"
            await on_fault(scope["path"], error, told)(scope, receive, send)
            return
        scope[OWN_LIMIT], scope[SENDER] = admission.entry.max_body_bytes, admission.entry.name
        await self._app(scope, receive, _telling(send, told))

    def _admit(self, scope: Request, told: dict[str, str]) -> Admission:
        """Return the admission; `told` is what the answer's headers are to say, whatever the answer is."""
        entry = self._entry(Headers(scope=scope).getlist("authorization"), told)
        self._charge(entry, told)
        administrative = any(route.matches(scope)[0] is not Match.NONE for route in self._administrative)
        wanted = needed(scope["method"], administrative=administrative)
        if not entry.may(wanted):
            told["WWW-Authenticate"] = f'Bearer realm="warren", error="insufficient_scope", scope="{wanted}"'
            self._metrics.keys.labels(entry.name, "forbidden").inc()
            scopes = " ".join(entry.scopes)
            raise ForbiddenError(f"the API key {entry.file} may not {wanted}: its scopes are {scopes}")
        self._metrics.keys.labels(entry.name, "admitted").inc()
        return Admission(entry, self._keyring, partial(self._charge_tasks, entry, told))

    def _entry(self, given: Sequence[str], told: dict[str, str]) -> KeyEntry:
        try:
            return _found(self._keyring, given)
        except UnauthorizedError:
            error = ', error="invalid_token"' if given else ""
            told["WWW-Authenticate"] = f'Bearer realm="warren"{error}'
            self._metrics.keys.labels("", "unauthorized").inc()
            raise

    def _charge(self, entry: KeyEntry, told: dict[str, str]) -> None:
        rate, allowance = entry.requests_per_second or self._rate, self._allowances[entry.name]
        granted = allowance.take(rate, time.monotonic())
        told |= allowance.headers(rate)
        if not granted:
            self._metrics.keys.labels(entry.name, "rate-limited").inc()
            detail = f"the API key of {entry.name} may make {rate:g} requests a second: wait"
            raise RateLimitedError(detail, retry_after=allowance.wait(rate))

    def _charge_tasks(self, entry: KeyEntry, told: dict[str, str], tasks: int) -> None:
        """Charge for the tasks of a request that was charged for as one."""
        rate, allowance = entry.requests_per_second or self._rate, self._allowances[entry.name]
        may = f"each of its {tasks} tasks counts as a request, of which the API key of {entry.name} may make"
        if tasks > quota(rate):
            raise BatchTooLargeError(
                f"{may} {quota(rate)} at once: send smaller batches, or replay with a smaller limit"
            )
        granted = allowance.take(rate, time.monotonic(), tasks - 1)
        told |= allowance.headers(rate)
        if not granted:
            self._metrics.keys.labels(entry.name, "rate-limited").inc()
            raise RateLimitedError(f"{may} {rate:g} a second: wait", retry_after=allowance.wait(rate, tasks))


def _found(keyring: Keyring, given: Sequence[str]) -> KeyEntry:
    if not given:
        raise UnauthorizedError(f"this needs an API key: {HOW}")
    kind, _, key = given[0].partition(" ")
    entry = keyring.find(key.strip()) if len(given) == 1 and kind.lower() == "bearer" else None
    if entry is None:
        raise UnauthorizedError(f"this API key is not valid (any more): {HOW}")
    return entry


def open_to_all(path: str) -> bool:
    """Tell whether a path needs no key."""
    return path in OPEN or path.startswith(OPEN_FILES)


def _telling(send: Send, told: dict[str, str]) -> Send:
    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(told)
        await send(message)

    return tell
