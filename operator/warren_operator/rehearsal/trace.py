"""A trace: when tasks arrive, and how long each keeps a slot.

A CSV file: the first column is a timestamp (seconds, or ISO 8601), the second, if there is one, the task's service
time in seconds. A first line that is no timestamp is a heading.

Forbidden here: how tasks are served.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from warren.errors import InvalidRequestError


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
        with path.open(newline="") as file:
            rows = [_row(path, number, row, service_seconds) for number, row in enumerate(csv.reader(file), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequestError(f"the trace {path} cannot be read: {error}") from error
    found = sorted(row for row in rows if row is not None)
    if not found:
        raise InvalidRequestError(f"the trace {path} holds no arrivals")
    begin = found[0][0]
    return Trace(path.stem, array("d", (at - begin for at, _ in found)), array("d", (service for _, service in found)))


def write_trace(trace: Trace, path: Path) -> None:
    """Write the trace as a CSV file with a heading."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", "service_seconds"))
        writer.writerows(
            (f"{at:.3f}", f"{service:g}") for at, service in zip(trace.arrivals, trace.services, strict=True)
        )


def _row(path: Path, number: int, row: list[str], service_seconds: float | None) -> tuple[float, float] | None:
    try:
        at = _moment(row[0].strip())
    except ValueError as error:
        if number == 1:
            return None
        message = f"{path}, line {number}: {row[0]!r} is neither seconds nor an ISO 8601 time"
        raise InvalidRequestError(message) from error
    try:
        service = service_seconds if service_seconds is not None else float(row[1])
    except (IndexError, ValueError) as error:
        message = f"{path}, line {number}: there is no service time in the second column; give --service-time"
        raise InvalidRequestError(message) from error
    if service <= 0:
        raise InvalidRequestError(f"{path}, line {number}: a service time of {service:g} s is not above 0")
    return at, service


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
