"""What messages say of themselves, read whatever a client has put there.

AMQP's short strings are bytes, and its times 64 bits; the broker passes on any. To pamqp they are UTF-8 and years up to
9999, and to aiormq a message that cannot be decoded is a broken connection: the broker would deliver it again to the
next one, and nothing else of its queue, for ever. So it is read as well as can be. What it is worth is decided by those
who know what a task is.

Forbidden here: connections; what a header means.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pamqp import common, decode

if TYPE_CHECKING:
    from pamqp.common import FieldTable

NO_TIME: Final = datetime.fromtimestamp(0, UTC)


def tolerate() -> None:
    """Let pamqp read everything that the broker may deliver, in the whole process."""
    decode.METHODS.update(shortstr=_text, timestamp=_time, table=_table)
    decode.TABLE_MAPPING.update({b"T": _time, b"F": _table})


def _text(value: bytes) -> tuple[int, str]:
    try:
        return decode.short_str(value)
    except UnicodeDecodeError:
        size = value[0] + 1
        # One character for one byte: AMQP's limit for it holds when it is published again.
        return size, value[1:size].decode("ascii", errors="replace").replace("\N{REPLACEMENT CHARACTER}", "?")


def _time(value: bytes) -> tuple[int, datetime]:
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return common.Struct.timestamp.size, NO_TIME


def _table(value: bytes) -> tuple[int, FieldTable]:
    try:
        return decode.field_table(value)
    except UnicodeDecodeError:
        return common.Struct.integer.unpack_from(value)[0] + common.Struct.integer.size, {}
