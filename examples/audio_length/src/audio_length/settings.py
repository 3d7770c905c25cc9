"""What an administrator decides: environment variables of the pool's consumers.

Forbidden here: reading the environment at import.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from warren import settings
from warren.outbound.addresses import Allowed

PREFIX: Final = "AUDIO_LENGTH_"
MEBIBYTE: Final = 1024 * 1024


class Settings(BaseModel):
    """Each field is a variable: `AUDIO_LENGTH_ALLOW`, `AUDIO_LENGTH_MOST_BYTES`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow: settings.Words = ()
    """Hosts and networks besides public addresses that files may come from: `files.example.svc 10.1.2.0/24`."""
    most_bytes: Annotated[int, Field(ge=MEBIBYTE)] = 64 * MEBIBYTE
    """How many bytes are read of one file at most; from a server that gives parts of files, few of them are needed."""

    @field_validator("allow")
    @classmethod
    def _can_be_allowed(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        Allowed.parse(words)
        return words

    @property
    def allowed(self) -> Allowed:
        """Which addresses may be connected to."""
        return Allowed.parse(self.allow, f"{PREFIX}ALLOW")


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a variable is unknown or malformed.

    """
    return settings.load(Settings, environ, prefix=PREFIX)
