"""The verdict: what a soak has seen, held against what Warren promises.

Pure: evidence in, problems out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from tests.soak.plan import LEASE_SECONDS, Job, Kind
from tests.soak.rows import Run, Runs
from warren.record import Record, State

CLOCK_SECONDS = 0.005
"""Records hold whole milliseconds, rows microseconds, of one machine's clock."""

DEATH_SECONDS = 20.0
"""How long before its consumer's death a run may have ended whose record was not written any more."""

UNWRITTEN_SECONDS = 2.0
"""How long after its end a run's record may not be written yet, where the machine has too much to do: a consumer that
freezes then has not finished the task."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that must not be."""

    what: str
    number: int
    task_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds since the epoch."""

    began: float
    ended: float

    def meets(self, run: Run) -> bool:
        """Tell whether the run was under way then, or its end being written."""
        return run.began <= self.ended and (run.ended is None or run.ended + UNWRITTEN_SECONDS >= self.began)


@dataclass(slots=True)
class Excuses:
    """What was done that explains a second run."""

    deaths: dict[int, float] = field(default_factory=dict)
    """When each consumer died, by pid."""
    frozen: dict[int, list[Span]] = field(default_factory=dict)
    """When each consumer was frozen past its leases, by pid."""
    storeless: list[Span] = field(default_factory=list)
    """When no lease could be renewed."""

    def explain(self, run: Run) -> bool:
        """Tell whether another run had to follow this one."""
        if run.word == "fault" or any(span.meets(run) for span in (*self.frozen.get(run.pid, ()), *self.storeless)):
            return True
        death = self.deaths.get(run.pid)
        return death is not None and (run.ended is None or run.ended > death - DEATH_SECONDS)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A task that Warren has answered 202 for."""

    job: Job
    task_id: str
    asked: float
    answered: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a soak has seen."""

    accepted: Mapping[int, Accepted]
    first: Mapping[str, Record]
    """Each record when it was first seen ended, by task id."""
    last: Mapping[str, Record | None]
    """Each record after everything."""
    runs: Runs
    excuses: Excuses


def problems(evidence: Evidence) -> list[Problem]:
    """Return all that is wrong with the tasks."""
    found = [problem for accepted in evidence.accepted.values() for problem in _of_task(accepted, evidence)]
    strangers = evidence.runs.keys() - evidence.accepted.keys()
    return found + [Problem("ran, but was not accepted", number, "", "") for number in sorted(strangers)]


def repeats(evidence: Evidence) -> int:
    """Return how many runs came to nothing, planned failures apart: faults cost that many."""
    runs = (run for runs in evidence.runs.values() for run in runs)
    started = sum(run.word != "fault" for run in runs)
    return started - sum(record.state is State.SUCCEEDED for record in evidence.first.values())


def _of_task(accepted: Accepted, evidence: Evidence) -> Iterator[Problem]:
    def problem(what: str, detail: object = "") -> Problem:
        return Problem(what, accepted.job.number, accepted.task_id, str(detail))

    record, runs = evidence.last.get(accepted.task_id), evidence.runs.get(accepted.job.number, ())
    first = evidence.first.get(accepted.task_id)
    if record is None:
        yield problem("its record is gone")
        return
    if first is not None and _facts(first) != _facts(record):
        yield problem("its record changed after its end", _difference(first, record))
    if not record.state.terminal:
        yield problem("never ended", f"{record.state} attempt {record.attempt}")
        return
    if not _as_expected(accepted.job, record):
        yield problem("ended wrongly", f"{record.state} {record.error}")
        return
    if len(runs) > record.attempt:
        yield problem("ran without a claim", f"{len(runs)} runs, {record.attempt} attempts")
    for what, detail in (*_unsound(record, runs, evidence.excuses), *_early(accepted.job, record, runs)):
        yield problem(what, detail)


def _as_expected(job: Job, record: Record) -> bool:
    if job.kind is Kind.KILLS:
        return record.state is State.FAILED and record.error is not None and record.error.code == "poison"
    may_be = {State.SUCCEEDED}
    may_be |= {State.EXPIRED} if job.expires is not None else set()
    may_be |= {State.CANCELED} if job.cancel_after is not None else set()
    return record.state in may_be


def _unsound(record: Record, runs: Sequence[Run], excuses: Excuses) -> Iterator[tuple[str, object]]:
    told = next((run for run in runs if _token(record) == run.token), None)
    if record.state is State.SUCCEEDED:
        if told is None or told.word != "end":
            yield "succeeded without having run to its end", told
        elif (told.attempt, told.fence) != (record.attempt, record.fence):
            yield "a fenced-out run wrote its result", f"{told}, newest claim {record.attempt}, {record.fence}"
    for fence in {run.fence for run in runs}:
        if len(same := [run for run in runs if run.fence == fence]) > 1:
            yield "two runs under one claim", same
    unexplained = [run for run in runs if run is not told and not excuses.explain(run)]
    for run in unexplained[1:] if record.state is State.CANCELED else unexplained:
        yield "ran again without a fault that explains it", run


def _early(job: Job, record: Record, runs: Sequence[Run]) -> Iterator[tuple[str, object]]:
    """Return the runs that were started before the task's delay was over."""
    submitted = record.submitted_at or 0.0
    for run in runs:
        if run.began < submitted + job.delay - CLOCK_SECONDS:
            yield "ran before its delay was over", f"{run}, submitted {submitted}, delay {job.delay}"


def _token(record: Record) -> object:
    return orjson.loads(record.result) if record.result else None


def _facts(record: Record) -> dict[str, object]:
    return record.model_dump(exclude={"now"})


def _difference(first: Record, last: Record) -> str:
    before, after = _facts(first), _facts(last)
    return "; ".join(f"{name}: {before[name]} -> {after[name]}" for name in before if before[name] != after[name])


def extended(span: Span) -> Span:
    """Return the span until leases that could not be renewed in it are taken over or renewed."""
    return Span(span.began, span.ended + LEASE_SECONDS)
