"""The edge to kopf: watches that feed the indexes and hasten the loops. The one module that imports `kopf`.

kopf is told nothing to handle by itself, so it writes nothing: no finalizers, no annotations, no events.

Forbidden here: decisions, calls of the Kubernetes API.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final

import kopf

from warren.resources import GROUP, VERSION
from warren_operator.cluster import Kind

if TYPE_CHECKING:
    from warren_operator.loop import Loop
    from warren_operator.watched import Watched

_LOGIN_SECONDS: Final = 600
"""How long kopf keeps what it logged in with: a service account's token is exchanged well within its hour."""
_FIRST_PAUSES: Final = (1.0, 1.0, 2.0, 3.0)
_PAUSE_SECONDS: Final = 5.0


class Pauses:
    """For how many seconds kopf waits after each failed request, without an end.

    By its own default it gives up after a minute of refusals and ends the process. A Kubernetes API that answers 503
    for longer, as without its etcd, would have the operator restarted over and over, after ever longer pauses.
    """

    def __iter__(self) -> Iterator[float]:
        """Begin anew: each request has its own."""
        return chain(_FIRST_PAUSES, repeat(_PAUSE_SECONDS))


@dataclasses.dataclass(frozen=True, slots=True)
class Interest:
    """A kind of resource, where its documents go, and whom a change of them concerns."""

    kind: Kind
    watched: Watched
    loop: Loop


async def watch(
    namespace: str,
    interests: tuple[Interest, ...],
    begin: Callable[[], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
) -> None:
    """Watch the namespace until the process is told to end; `begin` and `end` surround that."""
    registry = kopf.OperatorRegistry()
    _register_life(registry, begin, end)
    for interest in interests:
        _register_watch(registry, interest)
    await kopf.operator(registry=registry, namespaces=[namespace], standalone=True)


def configure(settings: kopf.OperatorSettings) -> None:
    """Set what keeps kopf within a Role, out of the way, and alive while the Kubernetes API is not well."""
    settings.scanning.disabled = True
    settings.networking.error_backoffs = Pauses()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"operator.{GROUP}")
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=f"operator.{GROUP}")


def _register_life(
    registry: kopf.OperatorRegistry,
    begin: Callable[[], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
) -> None:
    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: object) -> None:
        configure(settings)
        await begin()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: object) -> None:
        await end()

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's signature
        found = kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)
        expiration = datetime.now(UTC) + timedelta(seconds=_LOGIN_SECONDS)
        return dataclasses.replace(found, expiration=expiration) if found else None


def _register_watch(registry: kopf.OperatorRegistry, interest: Interest) -> None:
    @kopf.on.event(GROUP, VERSION, interest.kind.value, registry=registry)
    async def changed(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002 - kopf's signature
        document = dict(body)
        if type == "DELETED":
            interest.watched.drop(document)
        else:
            interest.watched.put(document)
        interest.loop.hasten()
