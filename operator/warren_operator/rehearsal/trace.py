"""A trace: when tasks arrive, and how long each keeps a slot.

A CSV file: the first column is a timestamp (seconds, or ISO 8601), the second, if there is one, the task's service
time in seconds. A first line that is no timestamp is a heading; lines without a word are left out.

Forbidden here: how tasks are served.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Final

from warren.errors import InvalidRequestError

DAY: Final = 86_400.0
MOST_DAYS: Final = 366
MOST_SECONDS: Final = MOST_DAYS * DAY
"""How long a trace may be, and a task of it."""
LEAST_SECONDS: Final = 1e-6
"""A shorter task is none: late in a trace, times are no more exact than that."""
LATEST: Final = datetime.max.replace(tzinfo=UTC).timestamp()
"""The last moment of ISO 8601. Seconds beyond it are something else, milliseconds for one."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrivals in order, in seconds since the beginning."""

    name: str
    arrivals: Sequence[float]
    services: Sequence[float]
    """How long each task keeps a slot, in seconds."""

    @property
    def seconds(self) -> float:
        """How long the trace is."""
        return self.arrivals[-1] if self.arrivals else 0.0

    @classmethod
    def of(cls, name: str, arrivals: Iterable[float], service_seconds: float) -> Trace:
        """Return a trace of tasks that all take the same time."""
        times = array("d", arrivals)
        return cls(name, times, array("d", [service_seconds]) * len(times))


def read_trace(path: Path, service_seconds: float | None) -> Trace:
    """Read a trace; `service_seconds` stands for the second column, or in its place.

    Raises:
        InvalidRequestError: there is no such file, or a line is not as it should be.

    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # what spreadsheets write begins with a mark
            found = sorted(_row(f"{path}, line {number}", row, service_seconds) for number, row in _rows(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequestError(f"the trace {path} cannot be read: {error}") from error
    if not found:
        raise InvalidRequestError(f"the trace {path} holds no arrivals")
    begin = found[0][0]
    days = (found[-1][0] - begin) / DAY
    if days > MOST_DAYS:
        message = (
            f"the trace {path} spans {days:.0f} days, and {MOST_DAYS} are the most: are all timestamps of one kind?"
        )
        raise InvalidRequestError(message)
    return Trace(path.stem, array("d", (at - begin for at, _ in found)), array("d", (service for _, service in found)))


def write_trace(trace: Trace, path: Path) -> None:
    """Write the trace as a CSV file with a heading.

    Raises:
        InvalidRequestError: it cannot be written.

    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("timestamp", "service_seconds"))
            writer.writerows(
                (f"{at:.3f}", f"{service:g}") for at, service in zip(trace.arrivals, trace.services, strict=True)
            )
    except OSError as error:
        raise InvalidRequestError(f"the trace {path} cannot be written: {error}") from error


def _rows(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that hold something, but for the heading, with their numbers."""
    lines = ((number, row) for number, row in enumerate(csv.reader(file), 1) if any(map(str.strip, row)))
    first = list(islice(lines, 1))
    return chain((line for line in first if not _is_heading(line[1])), lines)


def _is_heading(row: list[str]) -> bool:
    try:
        _moment(row[0])
    except ValueError:
        return True
    return False


def _row(place: str, row: list[str], service_seconds: float | None) -> tuple[float, float]:
    try:
        at = _moment(row[0])
    except ValueError as error:
        raise InvalidRequestError(f"{place}: {row[0]!r} is neither seconds nor an ISO 8601 time") from error
    if not abs(at) <= LATEST:
        raise InvalidRequestError(f"{place}: {row[0]!r} is no time in seconds: it is beyond the year 9999")
    try:
        service = service_seconds if service_seconds is not None else float(row[1])
    except (IndexError, ValueError) as error:
        message = f"{place}: there is no service time in the second column; give --service-time"
        raise InvalidRequestError(message) from error
    if not LEAST_SECONDS <= service <= MOST_SECONDS:
        message = f"{place}: a service time of {service:g} s is not between a millionth and {MOST_DAYS} days"
        raise InvalidRequestError(message)
    return at, service


def _moment(text: str) -> float:
    """Return the seconds; raises ValueError where the text is no time."""
    try:
        return float(text)
    except ValueError:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
