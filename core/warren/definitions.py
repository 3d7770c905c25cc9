"""RabbitMQ's definitions: the accounts of Warren's components, with hashed passwords and the least rights.

Definitions hold users and permissions only. Exchanges, queues and policies are `warren topology apply`'s.

Forbidden here: I/O.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from warren.errors import SettingsError
from warren.topology import User

SALT_BYTES: Final = 4
HASHING: Final = "rabbit_password_hashing_sha256"


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return RabbitMQ's `password_hash`: base64 of a salt and the SHA-256 of salt and password.

    A new salt is made unless one is given.
    """
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(users: Iterable[User], passwords: Mapping[str, str], vhost: str = "/") -> dict[str, Any]:
    """Return the document for RabbitMQ's `load_definitions`. It brings no `guest`.

    Raises:
        SettingsError: a user has no password, or an empty one.

    """
    users = tuple(users)
    missing = sorted(user.name for user in users if not passwords.get(user.name))
    if missing:
        raise SettingsError(f"no password for {', '.join(missing)}")
    return {
        "vhosts": [{"name": vhost}],
        "users": [_user(user, passwords[user.name]) for user in users],
        "permissions": [_permission(user, vhost) for user in users],
    }


def _user(user: User, password: str) -> dict[str, Any]:
    return {
        "name": user.name,
        "password_hash": hash_password(password),
        "hashing_algorithm": HASHING,
        "tags": ",".join(user.tags),
    }


def _permission(user: User, vhost: str) -> dict[str, str]:
    return {"user": user.name, "vhost": vhost, "configure": user.configure, "write": user.write, "read": user.read}
