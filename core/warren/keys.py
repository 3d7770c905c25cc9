"""API keys: what a key is, and what is kept of it.

Whoever calls with a key is known by its name. Kept is an entry, which holds the key's SHA-256: a fast hash without a
salt, because a key is 256 bits of chance. Salts and slow hashes protect what people choose, which can be guessed;
nobody guesses a key, however fast a guess is checked, and every request has one checked. What webhooks are signed with
is kept as it is: whoever signs needs it.

Forbidden here: I/O; what a caller may see of tasks.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from warren.webhook import Secret, new_secret

_FORM: Final = re.compile(r"warren_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
"""The words around what is secret let people, and scanners of repositories, see what they have before them."""

KEY_EXAMPLE: Final = "warren_1f2e3d4c_... (59 characters)"

SECRET_BYTES: Final = 32
ID_BYTES: Final = 4

KEY_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

Rate = Annotated[float, Field(ge=1e-5, le=1e6)]
"""Requests a second: from about one a day to more than any producer answers."""


class Scope(StrEnum):
    """What a key is good for."""

    SUBMIT = "submit"
    """To submit tasks and predictions, and to cancel, replay and discard its own."""
    READ = "read"
    """To read its own tasks, and what all share: models, pools."""
    ADMIN = "admin"
    """All of that, and everybody's tasks."""


class KeyEntry(BaseModel):
    """What is kept of a key. Only whoever may give keys may write it, and it holds a secret, though not the key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=KEY_NAME)]
    """Whose key it is: tasks belong to the name, so that a key can be replaced by another one of that name."""
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    """Tells the keys of one name apart; a part of the key itself."""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the whole key, in hexadecimal."""
    requests_per_second: Rate | None = None
    """How fast all keys of the name together may call one producer, over ten seconds; None is for the usual rate."""
    max_body_bytes: Annotated[int, Field(ge=1024)] | None = None
    """The largest request; None is for the limit of all."""
    webhook_secrets: Annotated[tuple[Secret, ...], Field(repr=False)] = ()
    """What webhooks of the name's tasks are signed with, by each of them; none is for what those of nobody's are."""

    @property
    def file(self) -> str:
        """The name of its entry in the Secret, and of its file."""
        return f"{self.name}.{self.id}"

    def may(self, scope: Scope) -> bool:
        """Tell whether it is good for that."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def fits(self, key: str) -> bool:
        """Tell whether this is the entry of the key, in a time that says nothing about either."""
        return hmac.compare_digest(self.sha256, _sha256(key))

    def text(self) -> str:
        """Return the entry as it is kept."""
        return self.model_dump_json(exclude_defaults=True)


def new_key(name: str, scopes: tuple[Scope, ...], **limits: float | None) -> tuple[str, KeyEntry]:
    """Return a new key and its entry; `limits` are fields of that. One that submits has a webhook secret.

    Raises:
        ValidationError: the name, the scopes or a limit are wrong.

    """
    key_id = secrets.token_hex(ID_BYTES)
    key = f"warren_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    values = {"name": name, "id": key_id, "scopes": scopes, "sha256": _sha256(key), **limits}
    entry = KeyEntry.model_validate(values)
    secrets_of_it = (new_secret(),) if entry.may(Scope.SUBMIT) else ()
    return key, entry.model_copy(update={"webhook_secrets": secrets_of_it})


def key_id(key: str) -> str | None:
    """Return the id that stands in a key; None if it is none."""
    match = _FORM.fullmatch(key)
    return match[1] if match else None


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
