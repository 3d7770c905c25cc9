"""`python3 -m tools.bare`: clone the checkout into a fresh chroot, run `make run ARGS=--once` there twice, remove it.

Everything inside runs in a process and a mount namespace of its own: when its first process ends, the kernel ends the
rest and drops the mounts, so that nothing can be left behind.
"""

import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.debian import DebianError
from tools.images.chroot import ChrootError, ensure_chroot

_CHECKOUT = Path(__file__).resolve().parents[2]
_SUITE = "bookworm"
_PACKAGES = ("python3", "make")
_CLONE = "root/warren"

# What tells this machine's package clients where to go and whom to trust. It is read here and written nowhere.
_PASSED = ("*_proxy", "*_PROXY", "PIP_*", "UV_*", "SSL_CERT_*", "*_CA_BUNDLE")
_GO_SETTINGS = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOFLAGS")
_SHARED = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs", "/etc/apt/apt.conf.d", "/etc/pip.conf", "/etc/uv")

_INSIDE = """\
set -u
cd /root/warren
make run ARGS=--once || exit
left=0
for process in /proc/[0-9]*; do
    [ "$process" = /proc/$$ ] && continue
    command=$(tr '\\0' ' ' 2>/dev/null <"$process/cmdline") || continue
    [ -z "$command" ] && continue
    echo "left behind: $command" >&2
    left=1
done
exit $left
"""


class BareError(Exception):
    """The check failed; the message says where."""


def main() -> int:
    """Carry out the check; return 0 when both runs passed."""
    try:
        with _fresh_system() as root:
            cold = _run(root)
            warm = _run(root)
    except (BareError, ChrootError, DebianError) as error:
        print(f"check-bare: {error}", file=sys.stderr)
        return 1
    print(f"check-bare: passed; make run ARGS=--once took {cold:.0f} s at first, {warm:.0f} s again")
    return 0


@contextmanager
def _fresh_system() -> Iterator[Path]:
    """Make a chroot with a clone of the checkout, and remove it afterwards."""
    pristine = ensure_chroot(_SUITE, _PACKAGES)
    folder = Path(tempfile.mkdtemp(prefix="warren-bare-", dir="/var/tmp"))
    root = folder / "root"
    try:
        _call("cp", "--archive", "--reflink=auto", str(pristine), str(root))
        # Services must stay down because Warren sees to it, not because the chroot was made so.
        (root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        _call("git", "clone", "--quiet", "--no-hardlinks", str(_CHECKOUT), str(root / _CLONE))
        yield root
    finally:
        shutil.rmtree(folder)


def _run(root: Path) -> float:
    """Run the main job inside and return how many seconds it took."""
    started = time.monotonic()
    result = subprocess.run(_command(root), env=_environment(), stdin=subprocess.DEVNULL, check=False)
    if result.returncode:
        message = f"make run ARGS=--once failed in a fresh Debian {_SUITE} ({result.returncode}), see above"
        raise BareError(message)
    return time.monotonic() - started


def _command(root: Path) -> list[str]:
    mounts = "\n".join(_mounts(root))
    script = f'set -e\n{mounts}\nexec chroot {root} sh -c "$1"'
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    return [*namespaces, "sh", "-c", script, "bare", _INSIDE]


def _mounts(root: Path) -> Iterator[str]:
    yield f"mount -t proc proc {root}/proc"
    yield f"mount --rbind /dev {root}/dev"
    for name in (*_SHARED, *_wheel_folders()):
        source = Path(name)
        if not source.exists():
            continue
        target = root / name.lstrip("/")
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        yield f"mount --bind -o ro {source.resolve()} {target}"


def _wheel_folders() -> list[str]:
    return [word for word in os.environ.get("PIP_FIND_LINKS", "").split() if word.startswith("/")]


def _environment() -> Mapping[str, str]:
    own = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    passed = {
        name: value for name, value in os.environ.items() if any(fnmatch.fnmatchcase(name, word) for word in _PASSED)
    }
    return _go_settings() | passed | own


def _go_settings() -> dict[str, str]:
    if shutil.which("go") is None:
        return {}
    said = subprocess.run(["go", "env", *_GO_SETTINGS], capture_output=True, text=True, check=True).stdout
    values = dict(zip(_GO_SETTINGS, said.splitlines(), strict=True))
    return {name: value for name, value in values.items() if value}


def _call(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        message = f"{' '.join(command)} failed:\n{result.stderr}"
        raise BareError(message)


if __name__ == "__main__":
    sys.exit(main())
