"""The task packages of examples/ in an embedded run: `make run ARGS=--examples`.

Each is installed into a folder of its own, as into an image of its own, from its own hashed requirements; the consumers
of its pool have that folder on their path, and so has the producer. The environment that runs this stays as it is.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.stack import steps
from tools.stack.process import Command
from warren.pool import Pool

FOLDER: Final = Path(__file__).resolve().parents[2] / "examples"
SITE: Final = "http://127.0.0.1:8765"
"""Where the examples' own sample files are, once a person serves them (`SERVE`)."""
SERVE: Final = "python3 -m http.server 8765 --bind 127.0.0.1 --directory examples"
_KEY = "installed-from"


@dataclass(frozen=True, eq=False)
class Example:
    """A task package and the pool that is its own, worked on one task at a time."""

    package: str
    pool: Pool
    environment: Mapping[str, str]
    """What its consumers are told unless this process' environment says it."""
    call: str
    """What to try."""

    @property
    def settings(self) -> dict[str, str]:
        """What its consumers are told."""
        return {name: os.environ.get(name, value) for name, value in self.environment.items()}

    def installed(self, state: Path) -> Path:
        """Return the folder that it is installed in, after having made that so. Raises `StepError`."""
        source, target = FOLDER / self.package, state / self.package
        key = _key(source)
        if not (target / _KEY).exists() or (target / _KEY).read_text() != key:
            shutil.rmtree(target, ignore_errors=True)
            _install(target, "--require-hashes", "--requirement", str(source / "requirements.txt"))
            _install(target, "--no-build-isolation", str(source))
            (target / _KEY).write_text(key)
        return target


EXAMPLES: Final = (
    Example(
        "audio_length",
        Pool(name="audio-length"),
        {"AUDIO_LENGTH_ALLOW": "127.0.0.0/8 ::1"},
        f"audio_length url={SITE}/audio_length/tests/files/tone.ogg --wait",
    ),
    Example(
        "lottery_results",
        Pool(name="lottery-results"),
        {"LOTTERY_RESULTS_URL": f"{SITE}/lottery_results/tests/pages/results.html"},
        "lottery_results most=1 --wait",
    ),
)


def _install(target: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    steps.run(Command([*pip, "--target", str(target), *what], dict(os.environ), FOLDER))


def _key(source: Path) -> str:
    """Return a key of all that the package is made from, and of the Python that it is made for."""
    key = hashlib.sha256(sys.version.encode())
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            key.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
    return key.hexdigest()
