"""What Schemathesis asks besides what it makes up by chance, so that each operation is asked what it can do."""

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Change a body that was made up for some operations."""
    if context.operation is None or not isinstance(body, dict):
        return body
    match context.operation.label:
        case "POST /v1/tasks" if "options" not in body:
            # A webhook, whose deliveries can be read and asked for again.
            return body | {"options": {"callback_url": "https://receiver.example/"}}
        case "POST /v1/models/{model}/rollback" if isinstance(body.get("version"), str):
            # A version that there is.
            return body | {"version": "2"}
        case _:
            return body
