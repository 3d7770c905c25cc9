"""Projects of Node.js, with the packages of their lock files, in the cache outside the checkout.

Node.js and npm are the machine's own where it has them, else Debian's. No lock names a registry: npm asks the one that
the machine is set up for, and compares what comes with the hashes.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.cache import cache_root, locked
from tools.debian import DebianError, ensure_packages

PACKAGES = {"node": "nodejs", "npm": "npm"}
"""Which package of Debian a program is of."""


class NodeError(Exception):
    """A project's packages could not be installed; the message ends with what npm said."""


def install(project: Path) -> Path:
    """Return a copy of the project with its packages, made anew whenever one of its files has changed.

    Raises `NodeError` where npm fails, and `DebianError` where there is no Node.js and this user may not install it.
    """
    files = [file for file in sorted(project.iterdir()) if file.is_file()]
    key = hashlib.sha256(b"\0".join(part for file in files for part in (file.name.encode(), file.read_bytes())))
    home = cache_root() / "node" / f"{project.name}-{key.hexdigest()[:12]}"
    with locked(home):
        if not home.exists():
            ensure_packages([package for program, package in PACKAGES.items() if shutil.which(program) is None])
            _install(files, home)
    return home


def _install(files: Sequence[Path], home: Path) -> None:
    unfinished = home.with_name(f"{home.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for file in files:
        shutil.copy2(file, unfinished)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    result = subprocess.run(command, cwd=unfinished, capture_output=True, text=True, check=False)
    if result.returncode:
        raise NodeError(f"{' '.join(command)} failed for {files[0].parent}:\n{(result.stdout + result.stderr)[-3000:]}")
    unfinished.rename(home)


def main(arguments: Sequence[str]) -> int:
    """Install the projects in these folders, and print where."""
    try:
        for folder in arguments:
            print(install(Path(folder)))
    except (NodeError, DebianError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
