"""A program as a server of `tools.stack`, and the one certificate that all programs here know each other by.

Forbidden here: what the programs are.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.debian import ensure_packages
from tools.stack import web
from tools.stack.process import PROGRAM_PATH, Command
from tools.stack.server import LOOPBACK, NotReadyError

NAME: Final = "benchmark"
_ADMINISTRATORS: Final = "system:masters"


@dataclass(frozen=True)
class Program:
    """A binary with its arguments; `probe` raises `NotReadyError` or `OSError` unless it answers as it should."""

    name: str
    state: Path
    ports: Sequence[int]
    arguments: Sequence[str]
    probe: Callable[[], None]
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 90
    stop_seconds: float = 5

    def prepare(self) -> Command:
        """Return what to run."""
        return Command(self.arguments, {"PATH": PROGRAM_PATH, "HOME": str(self.state), **self.environment}, self.state)

    def check(self) -> None:
        """Ask whether it is ready."""
        self.probe()


def answers_ok(url: str) -> Callable[[], None]:
    """Return a probe that wants the URL to answer 200."""

    def probe() -> None:
        status = web.call("GET", url).status
        if status != web.OK:
            raise NotReadyError(f"{url} answers {status}")

    return probe


@dataclass(frozen=True)
class Identity:
    """A certificate that vouches for itself, with its key.

    It is the API server's, the metrics server's and its callers', and an administrator's of the control plane that
    trusts nobody else.
    """

    folder: Path

    @property
    def certificate(self) -> str:
        """The file with the certificate."""
        return str(self.folder / "tls.crt")

    @property
    def key(self) -> str:
        """The file with the private key."""
        return str(self.folder / "tls.key")

    @property
    def authority(self) -> str:
        """The file with the certificate of whom to trust, under the name that KEDA looks for."""
        return str(self.folder / "ca.crt")


def make_identity(folder: Path) -> Identity:
    """Make a certificate for the loopback address that holds for two days.

    Raises `DebianError` where OpenSSL cannot be had, and `CalledProcessError` when it fails.
    """
    ensure_packages(("openssl",))
    folder.mkdir(parents=True)
    found = Identity(folder)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", f"/O={_ADMINISTRATORS}/CN={NAME}", "-days", "2"]
    names = [
        "-addext",
        f"subjectAltName=IP:{LOOPBACK},DNS:localhost",
        "-addext",
        "extendedKeyUsage=serverAuth,clientAuth",
    ]
    files = ["-keyout", found.key, "-out", found.certificate]
    subprocess.run([*command, *subject, *names, *files], check=True, capture_output=True)
    Path(found.authority).write_bytes(Path(found.certificate).read_bytes())
    return found
