"""Which page: environment variables of the pool's consumers.

Forbidden here: reading the environment at import.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from warren import settings
from warren.outbound.addresses import Allowed

PREFIX: Final = "LOTTERY_RESULTS_"


class Settings(BaseModel):
    """The one field is the variable `LOTTERY_RESULTS_URL`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(pattern=r"^https?://[^/@\s]+(/\S*)?$")]
    """The page."""

    @field_validator("url")
    @classmethod
    def _names_a_host(cls, url: str) -> str:
        Allowed.parse([urlsplit(url).hostname or ""])
        return url

    @property
    def allowed(self) -> Allowed:
        """Which addresses may be connected to: whoever set the URL allows its host, and no other that is not public."""
        return Allowed.parse([urlsplit(self.url).hostname or ""], f"{PREFIX}URL")


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: the URL is not set or none, or a variable is unknown.

    """
    return settings.load(Settings, environ, prefix=PREFIX)
