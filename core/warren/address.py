"""Addresses of servers, as people may see them.

One rule holds for all of them: what is before the last `@` are the credentials. Of a URL that passed `checked` every
library reads the same.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

_MALFORMED: Final = (
    "this is no URL of a server; a user, a password or a path is percent-encoded in it: "
    "%2F for /, %23 for #, %3F for ?, %5B for [, %5D for ], %40 for @"
)


def checked(url: str) -> str:
    """Return the URL of a server, in which every library finds the credentials where this module does.

    Raises:
        ValueError: it cannot be read, or goes on with an `@` after its host; the message does not hold the URL.

    """
    if not _well_formed(url):
        raise ValueError(_MALFORMED)
    return url


def without_password(url: str) -> str:
    """Return the URL of a server for messages and logs, without its credentials."""
    return apart(url)[0]


def apart(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return the URL of a server as people may see it, and the user and password that it held; None: it held none."""
    scheme, _, rest = url.partition("://")
    credentials, held, host = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    return f"{scheme}://{host}", (unquote(user), unquote(password)) if held else None


def _well_formed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        reachable = parts.port is None or parts.port > 0
    except ValueError:  # of brackets, or a port that is none; it tells what it found there
        return False
    return reachable and "@" not in parts.path + parts.query + parts.fragment
