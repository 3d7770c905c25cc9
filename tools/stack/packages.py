"""The Debian packages that `make run` needs, asked for at once: `python3 -m tools.stack.packages run|dev`.

Runs before .venv exists, so only the standard library may be imported here.
"""

import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tools.debian import DebianError, ensure_packages

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Release:
    """A Debian release: which lines of the servers its packages are."""

    suite: str
    rabbitmq: str
    store: str


RELEASES = (Release("bookworm", rabbitmq="3.10", store="redis"), Release("trixie", rabbitmq="4.0", store="valkey"))

NEWEST = Release("sid", rabbitmq="4.3", store="valkey")
"""Of the Debian that is still being made: `make test-brokers` runs it, nothing else does."""


def release_of(rabbitmq: str) -> Release:
    """Return the release whose RabbitMQ is of this line; raises `KeyError` for an unknown one."""
    return {release.rabbitmq: release for release in (*RELEASES, NEWEST)}[rabbitmq]


def own_release() -> Release:
    """Return this machine's release; on another system the newest known one, whose servers then run in a chroot."""
    suite = host_suite()
    return next((release for release in RELEASES if release.suite == suite), RELEASES[-1])


def host_suite() -> str:
    """Return the code name of the system that this machine runs, empty where it has none."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def server_packages(release: Release) -> list[str]:
    """Return the packages of the broker and the store of a release."""
    return ["rabbitmq-server", f"{release.store}-server"]


def _needed(mode: str) -> list[str]:
    packages = [] if find_spec("ensurepip") and find_spec("venv") else ["python3-venv"]
    if not _CERTIFICATES.exists():
        packages.append("ca-certificates")
    if mode == "run" and own_release().suite == host_suite():
        packages += server_packages(own_release())
    return packages


def main(arguments: Sequence[str]) -> int:
    """Install what is missing, or say the one command that does."""
    try:
        ensure_packages(_needed(*arguments))
    except DebianError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
