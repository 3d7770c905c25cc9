"""Addresses of servers, as people may see them."""

from __future__ import annotations


def without_password(url: str) -> str:
    """Return the URL of a server for messages and logs, without its credentials."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
