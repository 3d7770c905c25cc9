"""Parcels: what is asked of one step for several records, as one command.

A command costs the store as much again as what it does for one small record: the definitions that stand before a step,
the look at the clock, the way to the disk. What a round brings for the same step shares them.

Forbidden here: I/O, and what is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from warren.records.pipeline import Command, Tell

MOST_IN_A_PARCEL: Final = 32
"""More would save little, and the first of them would wait for the last."""

FULL_BYTES: Final = 64 * 1024
"""With so much of results in it a parcel is full: the store holds all of a command at once, twice while it runs."""


class Part(tuple[str | bytes | float, ...]):
    """A step of one record, which goes with others of that step: the script's digest, the key, its arguments."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A command, and the places in its round of those whom it answers."""

    command: Command
    places: Sequence[int]
    parted: bool
    """Whether its answer is a list, of one for each place."""

    def hand_out(self, word: object, tell: Tell) -> None:
        """Tell everybody the answer: their own, or what went wrong with all."""
        each = word if self.parted and isinstance(word, list) else [word] * len(self.places)
        for place, answer in zip(self.places, each, strict=True):
            tell(place, answer)


def parcels(asked: Sequence[Command]) -> Iterator[Parcel]:
    """Yield what a round asks as commands, in the order of asking: neighbours go together, up to a parcel's limits."""
    for digest, neighbours in groupby(enumerate(asked), _digest):
        if digest is None:
            yield from (Parcel(command, (place,), parted=False) for place, command in neighbours)
        else:
            yield from map(_parcel, _loads(neighbours))


def _digest(placed: tuple[int, Command]) -> object:
    _, one = placed
    return one[0] if isinstance(one, Part) else None


def _loads(placed: Iterable[tuple[int, Command]]) -> Iterator[dict[int, Command]]:
    """Yield parts by their places, as many at a time as one command holds."""
    load: dict[int, Command] = {}
    size = 0
    for place, part in placed:
        load[place] = part
        size += sum(len(word) for word in part if isinstance(word, bytes))
        if len(load) == MOST_IN_A_PARCEL or size >= FULL_BYTES:
            yield load
            load, size = {}, 0
    if load:
        yield load


def _parcel(parts: Mapping[int, Command]) -> Parcel:
    """Return the parts as `steps/together.lua` reads them."""
    together = list(parts.values())
    command = ["EVALSHA", together[0][0], len(together), *(key for _, key, *_ in together)]
    for _, _, *arguments in together:
        command.append(len(arguments))
        command += arguments
    return Parcel(command, tuple(parts), parted=True)
