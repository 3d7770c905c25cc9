"""`warren-operator`: reads the settings and runs the operator.

Exit status: 0 after an orderly stop, 1 when there is no way to a Kubernetes API, 2 for wrong settings.

Forbidden here: anything but beginning and ending with a status.
"""

from __future__ import annotations

import signal
import sys
from typing import Final

REFUSED: Final = 1
WRONG_SETTINGS: Final = 2


def main() -> None:
    """Run the operator until it is told to stop, and end the process with its status."""
    # The first process of a container ignores SIGTERM for as long as it has no handler, and the imports below take a
    # second and more. Nothing was begun by then that would have to be ended; kopf puts its own handler in place later.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _run()


def _run() -> None:
    import asyncio  # noqa: PLC0415 - see main

    from warren import logs  # noqa: PLC0415
    from warren.errors import SettingsError, UnavailableError  # noqa: PLC0415
    from warren.settings import load  # noqa: PLC0415
    from warren_operator.composition import serve  # noqa: PLC0415
    from warren_operator.settings import OperatorSettings  # noqa: PLC0415

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
