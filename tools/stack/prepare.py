"""`python -m tools.stack.prepare`: gets every server that the integration tests run, before any test is timed.

Lines of RabbitMQ may be named (`4.3`); those of `make test` unless given.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tools.debian import DebianError
from tools.gobuild import GoBuildError
from tools.images.chroot import ChrootError
from tools.stack.packages import RELEASES, release_of
from tools.stack.serverset import ServerSet

_ANY_BASE = 18000


def main(lines: Sequence[str]) -> int:
    """Install, build or unpack what is missing; return 1 with the reason where that cannot be."""
    for release in map(release_of, lines) if lines else RELEASES:
        started = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as folder:
                ServerSet.create(Path(folder), _ANY_BASE, release, prometheus=True)
        except (DebianError, ChrootError, GoBuildError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        print(f"  servers of Debian {release.suite}: {time.monotonic() - started:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
