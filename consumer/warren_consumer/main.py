"""`warren-consumer --pool NAME`: the command.

Exit status: 0 after an orderly stop, 1 when something refuses that waiting cannot mend, 2 for wrong settings.

Forbidden here: anything but reading the command line and ending with a status.
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any, Final

REFUSED: Final = 1
WRONG_SETTINGS: Final = 2


def main() -> None:
    """Run a consumer until it is told to stop, and end the process with its status."""
    # The first process of a container ignores SIGTERM for as long as it has no handler. The imports below take half a
    # second and more: a pod that is deleted meanwhile would work on until the end of its grace, and be killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _run()


def _run() -> None:
    import uvloop  # noqa: PLC0415 - see main

    from warren import logs  # noqa: PLC0415
    from warren.errors import SettingsError, UnavailableError  # noqa: PLC0415
    from warren.settings import load  # noqa: PLC0415
    from warren_consumer.composition import serve  # noqa: PLC0415
    from warren_consumer.settings import ConsumerSettings  # noqa: PLC0415

    try:
        settings = load(ConsumerSettings, **_flags())
        logs.configure(settings)
        uvloop.run(serve(settings))
    except SettingsError as error:
        _exit(WRONG_SETTINGS, error.detail)
    except UnavailableError as error:
        _exit(REFUSED, error.detail)


def _flags() -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="warren-consumer",
        description="Work for a pool of Warren's task queues. "
        "Every setting is an environment variable WARREN_*; these come first:",
    )
    parser.add_argument("--pool", help="the pool to work for, or 'system' (WARREN_POOL)")
    parser.add_argument("--concurrency", help="how many tasks to work on at once (WARREN_CONCURRENCY)")
    parser.add_argument("--metrics-port", help="where to serve health and metrics (WARREN_METRICS_PORT)")
    return {name: value for name, value in vars(parser.parse_args()).items() if value is not None}


def _exit(status: int, message: str) -> None:
    print(f"warren-consumer: {message}", file=sys.stderr)  # noqa: T201 - the exit message
    sys.exit(status)
