"""A sample of what a JSON schema allows, for a person to change: the required members, each with a plain value.

Forbidden here: promises that every schema's sample is valid; patterns and bounds are not solved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_PLAIN: Final[dict[str, Any]] = {"string": "text", "boolean": True, "array": [], "null": None}

_FORMATS: Final = {"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "uri": "https://example.com/"}


def sample(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value of the schema."""
    return _sample(schema, schema.get("$defs", {}), frozenset())


def _sample(schema: Mapping[str, Any], parts: Mapping[str, Any], within: frozenset[str]) -> Any:  # noqa: ANN401
    for choice in (*schema.get("examples", ()), *schema.get("enum", ())):
        return choice
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if (name := schema.get("$ref", "").rpartition("/")[2]) and name not in within:
        return _sample(parts[name], parts, within | {name})
    for either in ("anyOf", "oneOf", "allOf"):
        if either in schema:
            return _sample(schema[either][0], parts, within)
    return _of_type(schema, parts, within)


def _of_type(schema: Mapping[str, Any], parts: Mapping[str, Any], within: frozenset[str]) -> Any:  # noqa: ANN401
    kind = schema.get("type")
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    if kind == "object":
        members = schema.get("properties", {})
        return {name: _sample(members[name], parts, within) for name in schema.get("required", ())}
    return _FORMATS.get(schema.get("format", "")) or _PLAIN.get(str(kind))
