"""The peers' environment: what Warren is measured beside, installed outside of the checkout and away from Warren's.

It is made from the hashes of `requirements/peers.txt` and kept in the cache under their digest.

Forbidden here: running a peer.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.cache import cache_root, locked

LOCK: Final = Path(__file__).parent.parent / "requirements" / "peers.txt"


def programs() -> Path:
    """Return the folder of the peers' programs, made now where it is missing.

    Raises:
        subprocess.CalledProcessError: what the lock names could not be installed.

    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(LOCK.read_bytes() + sys.executable.encode()).hexdigest()[:12]
    home = cache_root() / "peers" / f"{version}-{key}"
    with locked(home):
        if not (home / "complete").exists():
            _install(home)
    return home / "bin"


def _install(home: Path) -> None:
    print(f"installing the peers of {LOCK.name} ...", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    (home / "complete").touch()
