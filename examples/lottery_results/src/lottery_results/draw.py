"""A draw, as whoever asks for it gets it.

Forbidden here: where it comes from.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

NUMBERS: Final = 6
HIGHEST: Final = 59

Number = Annotated[int, Field(ge=1, le=HIGHEST)]


class Draw(BaseModel):
    """What was drawn on a day."""

    model_config = ConfigDict(frozen=True)

    date: dt.date
    numbers: Annotated[tuple[Number, ...], Field(min_length=NUMBERS, max_length=NUMBERS)]
    """In ascending order."""
    bonus: Number

    @model_validator(mode="after")
    def _drawn_once_each(self) -> Draw:
        if len({*self.numbers, self.bonus}) <= NUMBERS:
            msg = "a number was drawn twice"
            raise ValueError(msg)
        return self
