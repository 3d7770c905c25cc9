"""`python -m tools.stack run`: Warren and its servers as local processes, until Ctrl-C."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tools.debian import DebianError
from tools.gobuild import GoBuildError
from tools.images.chroot import ChrootError
from tools.stack.embedded import Embedded
from tools.stack.examples import EXAMPLES
from tools.stack.server import ServerError
from tools.stack.steps import StepError

_DEFAULT_PORT = 17800
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line; return 0 when all went well or a run that was up was ended, 1 when a step failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    command = parser.add_subparsers(required=True, metavar="COMMAND").add_parser("run", help="run everything")
    command.add_argument("--once", action="store_true", help="end after the first prediction")
    command.add_argument(
        "--port", type=int, default=_DEFAULT_PORT, help="of the API; the others move along (default: %(default)s)"
    )
    command.add_argument("--examples", action="store_true", help="serve the task packages of examples/ as well")
    options = parser.parse_args(arguments)
    for number in _ENDINGS:
        signal.signal(number, _end)
    embedded = Embedded(state_folder(), options.port, EXAMPLES if options.examples else ())
    try:
        embedded.run(once=options.once)
    except (StepError, ServerError, DebianError, ChrootError, GoBuildError) as error:
        print(f"error: {error}", file=sys.stderr)
        print(f"All of this run's data is in {embedded.state}; without it, a run starts afresh.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0 if embedded.up else _INTERRUPTED
    return 0


def state_folder() -> Path:
    """Return where runs keep their state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "warren" / "run"


def _end(_number: int, _frame: FrameType | None) -> None:
    # The end takes seconds; impatience must not cut it short. Should it be killed, the kernel ends its children.
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
