"""Arguments of tasks as they are typed: `key=value` pairs, JSON text, JSON files.

Forbidden here: what the arguments mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from warren.client.documents import json_value
from warren.errors import InvalidRequestError


def pairs(texts: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` pairs; a value that is JSON (`3`, `true`, `[1, 2]`, `"3"`) is taken as that, else as text.

    Raises:
        InvalidRequestError: a text is no such pair.

    """
    return dict(map(_pair, texts))


def json_object(text: str | bytes, where: str) -> dict[str, Any]:
    """Read a JSON object; `where` says for the message where it came from.

    Raises:
        InvalidRequestError: it is none.

    """
    value = json_text(text, where)
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{where}: a JSON object is needed ({{...}}), not {type(value).__name__}")
    return value


def json_text(text: str | bytes, where: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a JSON value.

    Raises:
        InvalidRequestError: it is none.

    """
    try:
        return json_value(text)
    except ValueError as error:
        raise InvalidRequestError(f"{where}: not JSON: {error}") from error


def file_bytes(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        InvalidRequestError: it cannot be read.

    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{path}: {error.strerror}") from error


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise InvalidRequestError(f"{text!r} is not of the form key=value")
    try:
        return key, json_value(value)
    except ValueError:
        return key, value
