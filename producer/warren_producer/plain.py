"""The short way of a plain submit: JSON that is well formed, as nearly every one is.

FastAPI walks the descriptions of a route's parameters anew for each request; for a submit that took as long as all the
rest of it in this process. A plain request is read here instead, by the same models and to the same values. One in
which anything is out of the ordinary goes FastAPI's way, which says what is wrong with it. The route is declared like
every other, and the API's description knows no difference.

Forbidden here: refusing a request.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from warren.client.documents import TaskRequest
from warren.client.intake import MAX_KEY
from warren.tasks import JSON
from warren_producer.preferences import preferred
from warren_producer.services import services_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PlainSubmit(APIRoute):
    """The route of `submit(body, services, preferences, idempotency_key)`."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request: FastAPI's own hook for it."""
        usual = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key, body = request.headers.get("idempotency-key"), await _body(request)
            if body is None or (key is not None and not 1 <= len(key) <= MAX_KEY):
                return await usual(request)
            services = services_of(request)
            preferences = preferred(request.headers.getlist("prefer"), services, request)
            response: Response = await self.endpoint(body, services, preferences, key)
            return response

        return handle


async def _body(request: Request) -> TaskRequest | None:
    """Return the body; None if it is no plain one."""
    if request.headers.get("content-type") != JSON:
        return None
    try:
        return TaskRequest.model_validate(from_json(await request.body()))
    except (ValueError, ClientDisconnect):
        return None
