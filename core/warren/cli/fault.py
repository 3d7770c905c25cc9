"""How a command fails: one line on standard error, and an exit code that a script can tell apart.

Forbidden here: faults of one command.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import typer
from typer.core import TyperGroup

from warren.cli.display import say
from warren.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    NoWebhookError,
    SettingsError,
    TaskFailedError,
    TaskTimeoutError,
    UnauthorizedError,
    UnavailableError,
    WarrenError,
)

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 the task failed, was canceled or expired, or any other fault; 2 wrong usage, input, "
    "settings or API key; 3 not found, or a task without a webhook; 4 not in time; 5 Warren or something that it "
    "needs is away, try again."
)

_CODES: Final[tuple[tuple[tuple[type[WarrenError], ...], int], ...]] = (
    ((TaskFailedError,), 1),
    ((InvalidRequestError, SettingsError, UnauthorizedError, ForbiddenError), 2),
    ((NotFoundError, NoWebhookError), 3),
    ((TaskTimeoutError,), 4),
    ((UnavailableError,), 5),
)


def exit_code(error: WarrenError) -> int:
    """Return the exit code of a fault."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), 1)


class Commands(TyperGroup):
    """Commands whose faults are told in one line."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer does not export its context's base, and any result
        """Run the command that was asked for."""
        # A command says itself what is wrong; what libraries log would come between its lines.
        logging.getLogger().addHandler(logging.NullHandler())
        try:
            return super().invoke(ctx)
        except WarrenError as error:
            say(f"warren: {' '.join(error.detail.split())}", err=True)
            raise typer.Exit(exit_code(error)) from error
