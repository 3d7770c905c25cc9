"""Debian root file systems of another suite, made with debootstrap and kept in the cache.

They serve as base images, and give integration tests the servers of a newer Debian as plain processes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.cache import cache_root, locked
from tools.debian import ensure_packages, mirror

_REFUSE_STARTS = "#!/bin/sh\nexit 101\n"
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
# The index of Debian's rolling suite is valid for a week only, and mirrors may lag behind; it is signed all the same.
_ROLLING = {"sid": ("-o", "Acquire::Check-Valid-Until=false")}
# As in the official slim images: no documentation, no caches of apt.
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt")
_NO_CACHES = (
    'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\nBinary::apt::APT::Keep-Downloaded-Packages "false";\n'
)


class ChrootError(Exception):
    """A root file system could not be made; the message ends with what failed."""


def ensure_chroot(suite: str, packages: Sequence[str] = ()) -> Path:
    """Return a root file system of the Debian `suite` with `packages`, making it where the cache has none.

    Nothing runs in it and nothing is mounted. Needs root; raises `ChrootError`.
    """
    root = _folder(suite, packages)
    if not root.exists():
        with locked(root):
            if not root.exists():
                _make(suite, sorted(set(packages)), root)
    return root


def _folder(suite: str, packages: Sequence[str]) -> Path:
    key = hashlib.sha256(" ".join(sorted(set(packages))).encode()).hexdigest()[:12]
    return cache_root() / "chroots" / f"{suite}-{key if packages else 'base'}"


def _make(suite: str, packages: Sequence[str], root: Path) -> None:
    if os.geteuid() != 0:
        message = f"making a Debian {suite} root file system needs root"
        raise ChrootError(message)
    started = time.monotonic()
    print(f"making a Debian {suite} chroot: {' '.join(packages) or 'base'} ...", file=sys.stderr, flush=True)
    unfinished = root.with_name(f"{root.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    if packages:
        _extend(suite, packages, unfinished)
    else:
        _bootstrap(suite, unfinished)
    unfinished.replace(root)
    print(f"made it in {time.monotonic() - started:.0f} s: {root}", file=sys.stderr, flush=True)


def _bootstrap(suite: str, root: Path) -> None:
    ensure_packages(["debootstrap"])
    _run(["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, str(root), mirror()])
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text(_REFUSE_STARTS)
    policy.chmod(0o755)
    (root / "etc/apt/apt.conf.d/50no-caches").write_text(_NO_CACHES)
    exclusions = "".join(f"path-exclude=/{folder}/*\n" for folder in _UNUSED if folder.startswith("usr"))
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(exclusions)
    for folder in _UNUSED:
        shutil.rmtree(root / folder)
        (root / folder).mkdir()


def _extend(suite: str, packages: Sequence[str], root: Path) -> None:
    _run(["cp", "--archive", "--reflink=auto", str(ensure_chroot(suite)), str(root)])
    shutil.copy2("/etc/resolv.conf", root / "etc/resolv.conf")
    # A mount namespace of its own: /proc is there for the packages' scripts and gone with the last of them.
    inside = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root}/proc", "chroot", str(root)]
    _run([*inside, "apt-get", "-q", *_ROLLING.get(suite, ()), "update"])
    _run([*inside, "apt-get", "-q", "install", "--yes", "--no-install-recommends", *packages])
    _run([*inside, "apt-get", "clean"])


def _run(command: Sequence[str]) -> None:
    result = subprocess.run(command, env=os.environ | _ENVIRONMENT, capture_output=True, text=True, check=False)
    if result.returncode:
        message = f"{' '.join(command)} failed:\n{(result.stdout + result.stderr)[-3000:]}"
        raise ChrootError(message)
