"""The webhook: telling a receiver of a user's that a task has ended, as Standard Webhooks says.

Forbidden here: I/O, clocks, imports of adapters.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict

from warren.record import State

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the form of secrets, not one
SHORTEST_SECRET: Final = 24
LONGEST_SECRET: Final = 64
"""How many bytes a secret has, by Standard Webhooks."""

MOST_ATTEMPTS_KEPT: Final = 50
"""How many attempts, the newest, the log of a webhook holds."""


class WebhookState(StrEnum):
    """Where a webhook stands."""

    WAITING = "waiting"
    """The task has not ended."""
    SKIPPED = "skipped"
    """The task's end is none of those that were asked for."""
    PENDING = "pending"
    """It is to be sent, for the first time or again."""
    DELIVERED = "delivered"
    """The receiver took it."""
    STOPPED = "stopped"
    """The receiver answered 410: it wants no more of it."""
    FAILED = "failed"
    """It was given up."""


class Delivery(BaseModel):
    """One attempt to deliver a webhook."""

    model_config = ConfigDict(frozen=True)

    at: float
    """When it began, in seconds since the epoch."""
    milliseconds: int
    """How long it took."""
    status: int | None = None
    """The HTTP status that the receiver answered; None without an answer."""
    error: str | None = None
    """What went wrong; None where the receiver took it."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """What is known of a task's webhook."""

    task_id: str
    ended: State
    """The task's state; the event is its end."""
    state: WebhookState
    attempts: tuple[Delivery, ...] = ()
    """The newest ones, the oldest of them first."""
    next_at: float | None = None
    """When it is sent (again), in seconds since the epoch; about so, if it is being sent right now."""


@dataclass(frozen=True, slots=True)
class DueWebhook:
    """A webhook that is to be sent now, by whoever took it."""

    task_id: str
    url: str
    tries: int
    """How often it was tried since it was asked for."""
    claim: int
    """What tells this taking from any other: an outcome that is noted under an older one changes nothing."""
    caller: str | None = None
    """The name of the API key that the task was submitted with."""


@dataclass(frozen=True, slots=True)
class DueWebhooks:
    """What was taken, and how many there are."""

    taken: list[DueWebhook]
    pending: int
    """All that are to be sent, now or later."""


def standing(task: State, noted: WebhookState | None) -> WebhookState:
    """Return where a webhook stands, given where its task does and what was noted; None: it was never listed."""
    if noted is not None:
        return noted
    return WebhookState.SKIPPED if task.terminal else WebhookState.WAITING


def event_type(state: State) -> str:
    """Return what the end of a task is called in a webhook."""
    return f"task.{state.value}"


def webhook_id(task_id: str, state: State) -> str:
    """Return the `webhook-id`: always the same for one task and event, so that a receiver can tell a repeat."""
    return f"{task_id}_{state.value}"


def new_secret() -> str:
    """Return a new secret."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def checked_secret(secret: str) -> str:
    """Return the secret.

    Raises:
        ValueError: it is none; the message does not repeat it.

    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not (secret.startswith(SECRET_PREFIX) and SHORTEST_SECRET <= len(key) <= LONGEST_SECRET):
        raise ValueError(
            f"a webhook secret is {SECRET_PREFIX} and {SHORTEST_SECRET} to {LONGEST_SECRET} bytes in base64; "
            "`warren webhooks secret` makes one"
        )
    return secret


Secret = Annotated[str, AfterValidator(checked_secret)]
"""What webhooks are signed with."""
