"""`warren-operator`: reads the settings and runs the operator.

Exit status: 0 after an orderly stop, 1 when there is no way to a Kubernetes API, 2 for wrong settings.

Forbidden here: anything but beginning and ending with a status.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from warren import logs
from warren.errors import SettingsError, UnavailableError
from warren.settings import load
from warren_operator.composition import serve
from warren_operator.settings import OperatorSettings

REFUSED: Final = 1
WRONG_SETTINGS: Final = 2


def main() -> None:
    """Run the operator until it is told to stop, and end the process with its status."""
    try:
        settings = load(OperatorSettings)
        logs.configure(settings)
        asyncio.run(serve(settings))
    except SettingsError as error:
        _exit(WRONG_SETTINGS, error.detail)
    except UnavailableError as error:
        _exit(REFUSED, error.detail)


def _exit(status: int, message: str) -> None:
    print(f"warren-operator: {message}", file=sys.stderr)  # noqa: T201 - the exit message
    sys.exit(status)


if __name__ == "__main__":
    main()
