"""Whose secrets a webhook is signed with, as Standard Webhooks says.

Forbidden here: what is signed. Forbidden elsewhere: importing `standardwebhooks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from standardwebhooks.webhooks import Webhook

from warren.keys import Scope

if TYPE_CHECKING:
    from warren.keyring import Keyring


class Signer:
    """Signs each webhook for whom its task belongs to, by every secret that its receiver may know."""

    def __init__(self, secrets: Sequence[str], keyring: Keyring | None = None) -> None:
        """Take the installation's secrets, for tasks of nobody's, and the keys, where tasks belong to their names."""
        self._secrets = tuple(secrets)
        self._keyring = keyring

    def sign(self, caller: str | None, message_id: str, at: int, body: bytes) -> str:
        """Return the `webhook-signature` of a message at a time, in seconds since the epoch: one by each secret.

        It is empty where there is no secret.
        """
        time, text = datetime.fromtimestamp(at, UTC), body.decode()
        return " ".join(Webhook(secret).sign(message_id, time, text) for secret in self._of(caller))

    def _of(self, caller: str | None) -> tuple[str, ...]:
        """Return the secrets of all keys by which the name submits; one without any has the installation's.

        So receivers know one at any time: while a key takes another's place, and when the name gets its first secret.
        """
        entries = self._keyring.of(caller) if self._keyring is not None and caller is not None else []
        submitting = (entry for entry in entries if entry.may(Scope.SUBMIT))
        own = dict.fromkeys(secret for entry in submitting for secret in entry.webhook_secrets or self._secrets)
        return tuple(own) or self._secrets
