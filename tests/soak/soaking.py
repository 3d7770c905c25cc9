"""One soak: load, faults in the plan's order, and then nothing but waiting for the end of every task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.soak import remains, rows
from tests.soak.background import Background
from tests.soak.faults import Happening, Injector
from tests.soak.load import Load
from tests.soak.plan import Event, Kind
from tests.soak.remains import Memory
from tests.soak.site import Site
from tests.soak.verdict import Evidence, Excuses, Problem
from tests.soak.watch import Watch

_TICK_SECONDS = 0.25
_MEMORY_EVERY_SECONDS = 5.0
_FILL_SECONDS = 120.0
_FULL, _ENOUGH = 0.95, 0.9
"""How much of what is wanted in flight is waited for, and must be there when a fault begins."""
_EMPTY_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """What a soak has come to."""

    evidence: Evidence
    happenings: Sequence[Happening]
    problems: Sequence[Problem]
    """What load and watch saw at once; the verdict adds its own."""
    left: dict[str, int]
    memory: Memory
    refusals: dict[str, int]


@dataclass
class Soak:
    """A soak of a running site; `say` tells a person what goes on."""

    site: Site
    load: Load
    watch: Watch
    background: Background
    patience: float
    """How many seconds the tasks may take to end after the last fault."""
    say: Callable[[str], None]
    happenings: list[Happening] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    _memory_at: float = 0.0

    def run(self, events: Sequence[Event], seconds: float) -> Outcome:
        """Carry out the plan, with load for so many seconds at least."""
        injector = Injector(self.site, lambda: self.background.call(self.load.poison), self._poison_at_large)
        self.background.begin(self.load.run())
        self.background.begin(self.watch.run())
        self._fill()
        began = time.monotonic()
        for event in events:
            self._prepare(event, began)
            if not event.alone and time.monotonic() - began >= seconds:
                break
            self.say(f"{event.fault} for {event.lasts:g} s, {len(self.watch.open)} tasks in flight")
            self.happenings.append(injector.inject(event, frozenset(self.watch.open)))
            if event.alone:
                self._recover()
        self._until(lambda: time.monotonic() - began >= seconds, seconds)
        self._settle()
        return self._outcome(injector.excuses)

    def _prepare(self, event: Event, began: float) -> None:
        if event.alone:
            self._fill()
        self._until(lambda: time.monotonic() - began >= event.at, event.at)

    def _fill(self) -> None:
        self._until(lambda: len(self.watch.open) >= _FULL * self.load.in_flight, _FILL_SECONDS)

    def _recover(self) -> None:
        """Wait, the load going on, until every task that met the fault has ended: emptying and filling takes longer."""
        met = frozenset(self.watch.open)
        self._until(lambda: self.watch.open.isdisjoint(met), self.patience)

    def _settle(self) -> None:
        self.load.paused = True
        self._until(lambda: self.load.settled and not self.watch.open, self.patience)

    def _until(self, met: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not met() and time.monotonic() < deadline:
            self._tick()
            time.sleep(_TICK_SECONDS)

    def _tick(self) -> None:
        self.background.check()
        self.site.tend()
        if time.monotonic() - self._memory_at > _MEMORY_EVERY_SECONDS:
            self._memory_at = time.monotonic()
            self.memory.sample(self.site)

    def _poison_at_large(self) -> bool:
        accepted = [known for known in list(self.load.accepted.values()) if known.job.kind is Kind.KILLS]
        return sum(known.task_id in self.watch.first for known in accepted) < self.load.poisons

    def _outcome(self, excuses: Excuses) -> Outcome:
        left = remains.wait_until_empty(self.site, _EMPTY_SECONDS, self._tick)
        last = self.background.result(self.watch.all())
        evidence = Evidence(dict(self.load.accepted), dict(self.watch.first), last, rows.read(self.site.rows), excuses)
        return Outcome(
            evidence, self.happenings, self._seen(), left, self.memory, dict(self.load.refusals.most_common())
        )

    def _seen(self) -> list[Problem]:
        changed = [Problem("its record changed after its end", 0, known, "") for known in self.watch.changed]
        unanswered = self.load.unanswered
        silent = [Problem("submissions were never accepted", 0, "", str(unanswered))] if unanswered else []
        return [*self.load.problems, *changed, *silent, *self._thin()]

    def _thin(self) -> Iterator[Problem]:
        """Name the faults, of those that come one by one, that met too little to prove anything."""
        for happening in self.happenings:
            met, wanted = len(happening.in_flight), self.load.in_flight
            if happening.event.alone and met < _ENOUGH * wanted:
                yield Problem("too few tasks were in flight", 0, "", f"{happening.event.fault}: {met} of {wanted}")
