"""Debian packages on the machine that runs the tools: installed by name, never starting a service.

The mirror is the machine's own: nothing here knows an address. `python3 -m tools.debian PACKAGE...` installs by hand;
only the standard library may be imported here.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tools.cache import cache_root, locked

_CHECKOUT = Path(__file__).resolve().parent.parent
_LISTINGS = Path("/var/lib/dpkg/info")
_POLICY = Path("/usr/sbin/policy-rc.d")
_REFUSE_STARTS = "#!/bin/sh\nexit 101\n"
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=600")


class DebianError(Exception):
    """Packages could not be installed; the message says what to run by hand."""


def missing(packages: Sequence[str]) -> list[str]:
    """Return those of `packages` that are not installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *packages]
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}
    return [name for name in packages if name not in installed]


def ensure_packages(packages: Sequence[str]) -> None:
    """Install the `packages` that are missing, without starting any service of theirs.

    Raises `DebianError` when this user may not install, or apt fails.
    """
    wanted = missing(packages)
    if not wanted:
        return
    if os.geteuid() != 0:
        command = f"cd {_CHECKOUT} && sudo {sys.executable} -m tools.debian {' '.join(wanted)}"
        message = f"Debian packages are missing. Run this once (it starts no service), then try again:\n    {command}"
        raise DebianError(message)
    started = time.monotonic()
    print(f"installing Debian packages: {' '.join(wanted)} ...", file=sys.stderr, flush=True)
    with locked(cache_root() / "apt"), _no_service_starts():
        before = _installed_files()
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *wanted)
        _disable(units_among(_installed_files() - before))
    print(f"installed them in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def mirror() -> str:
    """Return the address of the Debian archive that this machine's apt sources name first."""
    folder = Path("/etc/apt")
    sources = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    text = "\n".join(path.read_text() for path in sources if path.is_file())
    for address in re.findall(r"^(?:URIs:|deb)\s+(?:\[.*?\]\s+)?(\S+)", text, re.MULTILINE):
        if address.rstrip("/").endswith("/debian"):
            return str(address)
    message = "no source of /etc/apt names a Debian archive (an address that ends in /debian)"
    raise DebianError(message)


def units_among(files: Iterable[str]) -> list[str]:
    """Return the systemd units among the files of packages; templates (`name@.service`) are never started as such."""
    paths = [PurePosixPath(file) for file in files]
    kinds = {".service", ".socket", ".timer", ".path"}
    return sorted({
        path.name for path in paths
        if path.parent.match("systemd/system") and path.suffix in kinds and not path.stem.endswith("@")
    })  # fmt: skip


def _installed_files() -> set[str]:
    return {line for listing in _LISTINGS.glob("*.list") for line in listing.read_text().splitlines()}


def _disable(units: Sequence[str]) -> None:
    """Keep a running systemd from starting them at the next boot; the policy holds for this installation only."""
    if units and Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "disable", "--quiet", *units], check=False)


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = [*_APT, "-q", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        message = f"{' '.join(command)} failed:\n{(result.stdout + result.stderr)[-3000:]}"
        raise DebianError(message)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Put a policy that refuses every start in place of the machine's own, and that one back afterwards."""
    kept = _POLICY.with_suffix(".d.warren-kept")
    if _POLICY.exists() and not kept.exists():
        shutil.copy2(_POLICY, kept)
    _POLICY.write_text(_REFUSE_STARTS)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if kept.exists():
            kept.replace(_POLICY)
        else:
            _POLICY.unlink()


def main(arguments: Sequence[str]) -> int:
    """Install the named packages."""
    try:
        ensure_packages(arguments)
    except DebianError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
