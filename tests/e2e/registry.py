"""A registry of images on this machine: Debian's `docker-registry`, which holds what is pushed to it for a while."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from tests.e2e.patience import until
from tools.debian import ensure_packages

_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """The registry at `address`, `host:port`. It is spoken to by plain http."""

    def __init__(self, address: str) -> None:
        self.address = address

    def images(self) -> dict[str, str]:
        """Return what it has: each image's full name, with the digest of its configuration, which names its content.

        The registry takes an image only when it has all its layers.
        """
        names = self._read("_catalog")["repositories"]
        tagged = [(name, tag) for name in names for tag in self._read(f"{name}/tags/list")["tags"]]
        return {f"{self.address}/{name}:{tag}": self._configuration(name, tag) for name, tag in tagged}

    def _configuration(self, name: str, tag: str) -> str:
        return str(self._read(f"{name}/manifests/{tag}", accept=_MANIFESTS)["config"]["digest"])

    def _read(self, path: str, accept: str = "application/json") -> Any:
        answer = httpx2.get(f"http://{self.address}/v2/{path}", headers={"Accept": accept})
        return answer.raise_for_status().json()


@contextmanager
def serving() -> Iterator[Registry]:
    """Run one on a free port; what it holds goes with it."""
    ensure_packages(["docker-registry"])
    with TemporaryDirectory(prefix="warren-registry-") as name:
        folder = Path(name)
        settings, log = folder / "settings.json", folder / "log"
        storage = {"filesystem": {"rootdirectory": str(folder / "images")}}
        settings.write_text(json.dumps({"version": "0.1", "storage": storage, "http": {"addr": "127.0.0.1:0"}}))
        command = ["setpriv", "--pdeathsig", "TERM", "--", "docker-registry", "serve", str(settings)]
        with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
            try:
                found = until("the registry listens", lambda: _LISTENING.search(log.read_text()), seconds=10)
                yield Registry(found[1])
            finally:
                process.terminate()
