"""What a producer says about itself and what it depends on.

Forbidden here: judging it.
"""

from __future__ import annotations

from typing import Any, Final

import httpx2

from warren.errors import UnavailableError

ANSWER_SECONDS: Final = 5.0


async def readiness(url: str) -> dict[str, Any]:
    """Return the document of `/readyz`, whatever its status.

    Raises:
        UnavailableError: nobody answers there, or not as a producer does.

    """
    address = f"{url.rstrip('/')}/readyz"
    try:
        async with httpx2.AsyncClient(timeout=ANSWER_SECONDS) as client:
            answer = await client.get(address)
    except httpx2.HTTPError as error:
        raise UnavailableError(f"no answer from {address}: {str(error) or type(error).__name__}") from error
    try:
        document: dict[str, Any] = answer.json()
    except ValueError as error:
        raise UnavailableError(f"{address} answers {answer.status_code}, and not as a producer does") from error
    return document
