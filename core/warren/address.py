"""Addresses of servers, as people may see them."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit


def without_password(url: str) -> str:
    """Return the URL of a server for messages and logs, without its credentials."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def apart(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return the URL of a server as people may see it, and the user and password that it held; None: it held none."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
