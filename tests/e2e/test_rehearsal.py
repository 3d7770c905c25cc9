"""A rehearsal against what happens: one trace, replayed on a real pool, and both replica curves in one drawing."""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from io import StringIO
from typing import Any, Final

import pytest
from rich.console import Console

from benchmarks.curve import Curve, area, mean_absolute_error, since
from benchmarks.figure import OUT, AtMost, Figure, report
from benchmarks.ratio import Ratio
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace, Sequence
from tests.e2e.patience import until
from tests.e2e.pools import deployment, fall_asleep, replicas, resize
from warren.client import Client, Job
from warren.client.documents import TaskDocument
from warren.record import State
from warren.resources import ConsumerPoolSpec
from warren_operator.rehearsal.chart import draw
from warren_operator.rehearsal.generation import Recipe, Shape, generate
from warren_operator.rehearsal.rehearsal import Outcome, rehearse
from warren_operator.rehearsal.scalers import Warren
from warren_operator.rehearsal.trace import Trace

POOL: Final = "cpu"
SLOTS, DEFAULT_SLOTS = 2, 8
STABILIZATION, SHORT_STABILIZATION = 60, 5
"""The chart's own, and the one that this suite installs it with."""
MOST: Final = 10
RECIPE: Final = Recipe(Shape.STEP, seed=1, rate=3.0, seconds=540.0, service_seconds=1.0)
STATISTICS_SECONDS: Final = 1
"""How often the chart's RabbitMQ refreshes its figures."""
WAKES: Final = 3
WANTED: Final = "{.spec.replicas}"


@pytest.fixture(name="spec")
def _spec(namespace: Namespace) -> Iterator[ConsumerPoolSpec]:
    """Have a pool of small consumers, so that the trace takes several of them; all else as the chart has it."""
    resize(namespace, POOL, slots=SLOTS, most=MOST)
    yield ConsumerPoolSpec.model_validate(
        namespace.get("consumerpool", POOL)["spec"] | {"scaleDown": {"stabilizationSeconds": STABILIZATION}}
    )
    stabilize(namespace, SHORT_STABILIZATION)
    until(f"the pool {POOL} sleeps", lambda: replicas(namespace, POOL) == 0, seconds=150)
    resize(namespace, POOL, slots=DEFAULT_SLOTS, most=MOST)


def stabilize(namespace: Namespace, seconds: int) -> None:
    """Say how long fewer replicas have to be enough before they go."""
    namespace.patch("consumerpool", POOL, {"scaleDown": {"stabilizationSeconds": seconds}})


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_rehearsal_foretells_the_replicas(
    namespace: Namespace, client: Client, spec: ConsumerPoolSpec, diary: Diary
) -> None:
    trace = generate(RECIPE)
    with namespace.watched(f"deployment/{deployment(POOL)}", WANTED) as counts:
        start = start_seconds(namespace, client, counts)
        stabilize(namespace, STABILIZATION)
        foretold = replace(rehearse(trace, spec, start, Warren(spec, STATISTICS_SECONDS)), scaler="foretold")
        diary.say(f"pods start in {start:.1f} s; {len(trace.arrivals)} tasks in {trace.seconds:.0f} s ...")
        seen = replayed(trace, client, counts)
    error = mean_absolute_error(foretold.curve, seen.curve, trace.seconds)
    said = StringIO()
    report("validation", [figure(error, foretold, seen, trace.seconds)], Console(file=said, width=170))
    diary.say(f"{said.getvalue()}\nforetold: {told(foretold.curve)}\nseen: {told(seen.curve)}")
    draw(OUT / "validation.svg", trace, (foretold, seen), spec.target.wait_seconds)
    assert error <= 1


def start_seconds(namespace: Namespace, client: Client, counts: Sequence) -> float:
    """Return how long it takes from the scale patch of a sleeping pool to the first result, on average."""
    found = []
    for number in range(WAKES):
        fall_asleep(namespace, POOL)
        before = time.monotonic()
        client.submit("echo", text=str(number)).get(60)
        came = time.monotonic()
        patched = until("the patch is seen", partial(counts.first, before, lambda one: one not in {"", "0"}), seconds=5)
        found.append(came - patched)
    fall_asleep(namespace, POOL)
    return statistics.fmean(found)


def replayed(trace: Trace, client: Client, counts: Sequence) -> Outcome:
    """Submit every task at its time; return what was seen until the last one came, when all have ended."""
    jobs: list[Job[Any]] = []
    begin = time.monotonic()
    for at, service in zip(trace.arrivals, trace.services, strict=True):
        time.sleep(max(0.0, begin + at - time.monotonic()))
        jobs.append(client.submit("sleep", seconds=service))
    late = time.monotonic() - begin - trace.seconds
    assert late < 1, f"the tasks were submitted late: by {late:.1f} s at the end"
    with ThreadPoolExecutor(16) as several:
        records = list(several.map(lambda job: job.wait(120), jobs))
    assert {(record.status, record.attempt) for record in records} == {(State.SUCCEEDED, 1)}
    waits = [waited(record) for record in records]
    curve = since(begin, [(at, int(value)) for at, value in counts.changes if value])
    return Outcome("seen", waits, 0, area(curve, trace.seconds), curve, len(curve) - 1, trace.seconds)


def waited(record: TaskDocument) -> float:
    """Return how many seconds a task waited for its first attempt."""
    assert record.submitted_at
    assert record.started_at
    return (record.started_at - record.submitted_at).total_seconds()


def figure(error: float, foretold: Outcome, seen: Outcome, seconds: float) -> Figure:
    """Return the figure."""
    both = " and ".join(f"{area(one.curve, seconds):,.0f}" for one in (foretold, seen))
    name = "replicas foretold and seen: mean absolute error"
    return Figure(name, Ratio(error, error, error, error, error), AtMost(1), f"{both} replica-seconds")


def told(curve: Curve) -> str:
    """Tell a curve in one line."""
    return " -> ".join(f"{count} ({at:.0f} s)" for at, count in curve)
