"""What an administrator decides: environment variables of the pool's consumers.

Forbidden here: reading the environment at import.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from warren import Fail
from warren.outbound.addresses import Allowed

PREFIX: Final = "AUDIO_LENGTH_"
MEBIBYTE: Final = 1024 * 1024


def _words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


class Settings(BaseModel):
    """Each field is a variable: `AUDIO_LENGTH_ALLOW`, `AUDIO_LENGTH_MOST_BYTES`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
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
        Fail: a variable is unknown or malformed.

    """
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        said = "; ".join(f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
        raise Fail("wrong-settings", said) from error
