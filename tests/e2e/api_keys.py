"""API keys, as a person keeps them in the cluster: a Secret that producers and system pool read."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import httpx2

from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.receiver import SYSTEM
from tests.e2e.shell import Shell

SECRET = "warren-keys"
READERS = "app.kubernetes.io/component in (producer, system)"
SOON = 90
"""Within how many seconds a kubelet writes a Secret that changed into the pods, even if nothing hurries it."""
READ_SECONDS = 3
"""Within how many seconds of that the pods have read it: they do every 2 s."""


@dataclass(frozen=True)
class Key:
    """A key, the item of the Secret that holds its entry, and what webhooks are signed with if it submits."""

    text: str
    file: str
    webhook_secret: str

    @property
    def headers(self) -> dict[str, str]:
        """What carries it."""
        return {"Authorization": f"Bearer {self.text}"}


class Keys:
    """The Secret, through the commands that a person uses."""

    def __init__(self, namespace: Namespace, url: str) -> None:
        self._namespace = namespace
        self._shell = Shell(namespace)
        self._url = url

    def create(self, name: str, *arguments: str) -> Key:
        """Make a key, put its entry into the Secret, and return it."""
        made = self._shell.document("keys", "create", name, *arguments)
        self._change(made["patch"])
        return Key(made["key"], made["file"], next(iter(made["entry"].get("webhook_secrets", [])), ""))

    def take_away(self, key: Key) -> None:
        """Take a key's entry out of the Secret."""
        self._change({"data": {key.file: None}})

    def await_all(self, last: Key) -> None:
        """Return when the key that was created last counts everywhere, and so all others."""
        until("the key is let in", lambda: status(self._url, last) == 200, seconds=SOON)
        until("the system pool has its entry", lambda: last.file in self._listed(), seconds=SOON)
        time.sleep(READ_SECONDS)

    def _listed(self) -> str:
        return self._namespace.execute(f"deployment/{SYSTEM}", "ls", "/etc/warren/keys").stdout

    def _change(self, patch: dict[str, dict[str, str | None]]) -> None:
        self._namespace.run("patch", "secret", SECRET, "-p", json.dumps(patch))
        # As docs/keys.md says: a pod that changes is looked at anew at once, with its Secrets.
        self._namespace.run("annotate", "pods", "-l", READERS, f"warren.dev/keys={time.time()}", "--overwrite")


def status(url: str, key: Key | None = None) -> int:
    """Return how a request is answered."""
    return httpx2.get(f"{url}/v1/pools", headers=key.headers if key else {}, timeout=10).status_code
