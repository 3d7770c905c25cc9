"""Plain HTTP to a server on this machine: no proxy of the environment, no redirects, short time limits."""

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

OK = 200
UNAVAILABLE = 503


@dataclass(frozen=True)
class Answer:
    """A response that was read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - a document is of any type
        """Return the body as JSON."""
        return json.loads(self.body)


def call(
    method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None, timeout: float = 5
) -> Answer:
    """Send a request, `body` as JSON, credentials from the URL. Raises `OSError` when nobody answers properly."""
    parts = urlsplit(url)
    send = {"Content-Type": "application/json"} if body is not None else {}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        send["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request(method, target, json.dumps(body) if body is not None else None, send | dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    except http.client.HTTPException as error:
        message = f"{method} {parts.path}: {error!r}"
        raise OSError(message) from error
    finally:
        connection.close()
