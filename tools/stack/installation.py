"""Installs a task package into a folder of its own, as into an image of its own, from its own hashed requirements.

Whoever is to know its tasks has the folder on its path; the environment that runs this stays as it is.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from tools.stack import steps
from tools.stack.process import Command

_KEY = "installed-from"


def installed(source: Path, target: Path) -> Path:
    """Return the folder `target`, after having installed the package there if it is not. Raises `StepError`."""
    key = _key(source)
    if not (target / _KEY).exists() or (target / _KEY).read_text() != key:
        shutil.rmtree(target, ignore_errors=True)
        _install(target, "--require-hashes", "--requirement", str(source / "requirements.txt"))
        _install(target, "--no-build-isolation", str(source))
        (target / _KEY).write_text(key)
    return target


def _install(target: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    steps.run(Command([*pip, "--target", str(target), *what], dict(os.environ), target.parent))


def _key(source: Path) -> str:
    """Return a key of all that the package is made from, and of the Python that it is made for."""
    key = hashlib.sha256(sys.version.encode())
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            key.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
    return key.hexdigest()
