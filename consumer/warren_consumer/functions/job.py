"""What the consumer tells a child that calls functions, and what the child tells back: the words of their pipe.

Each is a line of JSON; the bytes of a payload or a result follow its line.

Forbidden here: I/O.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from warren.record import Progress
from warren.settlement import Assessment

STOP: Final = b"stop\n"
"""The order to stop the call at hand; every other order is a `Call`."""


class Call(BaseModel):
    """Call a function. So many bytes follow: the payload."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    task: str
    name: str
    attempt: int
    fence: int
    deadline: float
    """By `time.monotonic()`, which is the same clock for all processes of a machine."""
    content_type: str
    size: int


class Advanced(BaseModel):
    """The call came further."""

    type: Literal["advanced"] = "advanced"
    progress: Progress


class Returned(BaseModel):
    """The function returned. So many bytes follow: the result."""

    type: Literal["returned"] = "returned"
    content_type: str
    size: int


class Raised(BaseModel):
    """The function raised, or could not be called."""

    type: Literal["raised"] = "raised"
    assessment: Assessment


Event = Advanced | Returned | Raised
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
"""Reads one line of the child's."""


def line(message: BaseModel) -> bytes:
    """Return the message as it goes through the pipe."""
    return message.model_dump_json().encode() + b"\n"
