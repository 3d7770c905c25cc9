"""Where a server's programs come from: this machine's own packages, or those of another Debian in a chroot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools.debian import ensure_packages
from tools.images.chroot import ensure_chroot
from tools.stack.packages import host_suite

_ENTER = """\
set -e
root=$1 state=$2
shift 2
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$state" "$root/mnt"
exec chroot "$root" "$@"
"""


class Origin(Protocol):
    """A place that programs come from."""

    def command(self, arguments: Sequence[str], state: Path) -> list[str]:
        """Return the arguments that run a program of this origin, with `state` within its reach."""

    def inside(self, state: Path) -> Path:
        """Return the path under which the program sees `state`."""


@dataclass(frozen=True)
class Host:
    """The machine's own programs."""

    def command(self, arguments: Sequence[str], state: Path) -> list[str]:
        """Return the arguments as they are."""
        del state
        return list(arguments)

    def inside(self, state: Path) -> Path:
        """Return the path as it is."""
        return state


@dataclass(frozen=True)
class Chroot:
    """The programs of another root file system; root is needed.

    Its mounts are in a mount namespace that ends with the program, so nothing has to be unmounted, however it ends.
    Network and process numbers are the machine's own.
    """

    root: Path

    def command(self, arguments: Sequence[str], state: Path) -> list[str]:
        """Return the arguments that run a program inside, with `state` at /mnt."""
        namespace = ["unshare", "--mount", "--propagation", "private"]
        return [*namespace, "sh", "-c", _ENTER, "enter", str(self.root), str(state), *arguments]

    def inside(self, state: Path) -> Path:
        """Return where the program finds the one folder that is mounted."""
        del state
        return Path("/mnt")


def origin_of(suite: str, packages: Sequence[str]) -> Origin:
    """Return an origin that has the `packages` of the Debian `suite`, installing them where they are missing.

    Raises `DebianError` or `ChrootError` where this user may not.
    """
    if suite == host_suite():
        ensure_packages(packages)
        return Host()
    return Chroot(ensure_chroot(suite, packages))
