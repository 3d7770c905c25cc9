"""Passwords and keys of one state folder: made once, kept where only their owner can read them."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Credentials:
    """Secrets by name in one file."""

    file: Path

    def secret(self, name: str) -> str:
        """Return the secret of that name, making it on the first call. It is safe inside a URL."""
        known = json.loads(self.file.read_text()) if self.file.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(24)
            self._write(json.dumps(known, indent=1))
        return str(known[name])

    def _write(self, text: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.file.with_suffix(".part")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
            output.write(text)
        unfinished.replace(self.file)
