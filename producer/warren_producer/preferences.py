"""The `Prefer` header (RFC 7240): `wait=N` and `respond-async`.

As the standard says, what is not understood is not an error: it is as if it had not been sent.

Forbidden here: waiting for tasks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Header, Request
from pydantic import WithJsonSchema

from warren_producer.services import Given, Services

if TYPE_CHECKING:
    from starlette.types import Receive

    from warren.client.watch import Gone

_PART: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
"""One preference of the header: a comma within quotes does not end it."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """How the caller would like to be answered."""

    wait: float | None = None
    """Seconds to wait for the end of the task, within the limit of the settings."""
    respond_async: bool = False
    gone: Gone | None = None
    """When the caller has closed the connection: nobody is there to be answered."""

    @classmethod
    def parse(cls, header: str | None, longest: float, gone: Gone | None = None) -> Preferences:
        """Read the header; a longer wait than `longest` becomes that."""
        # Of a preference that is there twice the first counts.
        words = dict(_word(part) for part in reversed(_PART.findall(header or "")))
        wait = words.get("wait", "")
        return cls(min(float(wait), longest) if wait.isdecimal() else None, "respond-async" in words, gone)

    def applied(self) -> dict[str, str]:
        """Return the header that tells which preferences were met."""
        met = [f"wait={self.wait:g}"] if self.wait is not None else []
        met += ["respond-async"] if self.respond_async else []
        return {"Preference-Applied": ", ".join(met)} if met else {}


def _word(part: str) -> tuple[str, str]:
    name, _, value = part.partition(";")[0].partition("=")
    return name.strip().lower(), value.strip().strip('"')


def preferred(headers: Sequence[str], services: Services, request: Request) -> Preferences:
    """Return what the request's headers `Prefer` say together."""
    return Preferences.parse(",".join(headers), services.max_wait_seconds, partial(_gone, request.receive))


async def _gone(receive: Receive) -> None:
    """Return when the client has closed the connection; what it may still send meanwhile is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _preferences(
    request: Request,
    services: Given,
    prefer: Annotated[
        list[str] | None,
        WithJsonSchema({"type": "string"}),  # a header that may come more than once is one text all the same
        Header(
            description="`wait=N`: answer when the task has ended, or after N seconds. "
            "`respond-async`: answer at once.",
            examples=["wait=10"],
        ),
    ] = None,
) -> Preferences:
    return preferred(prefer or (), services, request)


Preferred = Annotated[Preferences, Depends(_preferences)]
"""How a route asks for the caller's preferences."""
