"""What a person sees at the end of a soak: a table of the faults, what was left, and every problem with its task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.soak.faults import Happening
from tests.soak.remains import MOST_GROWTH_MIB
from tests.soak.soaking import Outcome
from tests.soak.verdict import Problem, problems, repeats

_SHOWN = 20


def all_problems(outcome: Outcome) -> list[Problem]:
    """Return everything that is wrong."""
    left = [Problem("left behind", 0, where, str(count)) for where, count in outcome.left.items()]
    grown = [
        Problem("memory grew", 0, name, f"{warm:.0f} -> {end:.0f} MiB")
        for name, (warm, end) in outcome.memory.growth().items()
        if end - warm > MOST_GROWTH_MIB
    ]
    return [*problems(outcome.evidence), *outcome.problems, *left, *grown]


def lines(outcome: Outcome, wrong: Sequence[Problem]) -> Iterator[str]:
    """Return the report."""
    yield f"{'fault':<18}{'on':<14}{'lasted':>7}{'in flight':>11}{'accepting':>11}{'finishing':>11}{'all ended':>11}"
    for happening in outcome.happenings:
        yield _row(happening, outcome)
    yield "(seconds after the fault's end: a submission accepted, a task finished, all in flight at its begin ended)"
    evidence = outcome.evidence
    yield f"{len(evidence.accepted)} tasks accepted, {repeats(evidence)} runs came to nothing because of faults"
    for said, count in list(outcome.refusals.items())[:_SHOWN]:
        yield f"  asked again {count} x: {said}"
    for name, (warm, end) in outcome.memory.growth().items():
        yield f"  memory of {name}: {warm:.0f} -> {end:.0f} MiB"
    for what, count in Counter(problem.what for problem in wrong).items():
        yield f"PROBLEM: {count} x {what}"
    for problem in wrong[:_SHOWN]:
        yield f"  {problem.what}: task {problem.number} {problem.task_id} {problem.detail}"


def _row(happening: Happening, outcome: Outcome) -> str:
    evidence, span = outcome.evidence, happening.span
    accepted = [known.answered for known in evidence.accepted.values() if known.answered > span.ended]
    finished = {task_id: record.finished_at or 0.0 for task_id, record in evidence.first.items()}
    later = [at for at in finished.values() if at > span.ended]
    those = [finished[task_id] for task_id in happening.in_flight if task_id in finished]
    whole = len(those) == len(happening.in_flight)
    figures = (
        _after(min(accepted, default=None), span.ended),
        _after(min(later, default=None), span.ended),
        _after(max(those, default=span.ended) if whole else None, span.ended),
    )
    said = "".join(f"{figure:>11}" for figure in figures)
    lasted = f"{span.ended - span.began:.1f}"
    return f"{happening.event.fault:<18}{happening.on:<14}{lasted:>7}{len(happening.in_flight):>11}{said}"


def _after(at: float | None, end: float) -> str:
    return "never" if at is None else f"{max(0.0, at - end):.1f}"
