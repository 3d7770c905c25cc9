"""Figures about scaling, rehearsed: `python -m benchmarks.autoscaler [--seeds 10] [--plots FOLDER]`.

The operator's own decision with default settings, on traces from seeds that none of its constants was chosen on. A
figure that falls short is a finding, not a failure.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from rich.console import Console
from rich.progress import track

from benchmarks.figure import Aim, AtMost, Figure, report
from benchmarks.ratio import Ratio
from warren.resources import ConsumerPoolSpec
from warren_operator.rehearsal.chart import draw
from warren_operator.rehearsal.generation import Recipe, Shape, generate
from warren_operator.rehearsal.rehearsal import Outcome, foretold, least, rehearse, rehearse_keda
from warren_operator.rehearsal.trace import DAY

SERVICE_SECONDS: Final = 1.0
START_SECONDS: Final = 10.0
RATE: Final = 10.0
FIRST_SEED: Final = 101
"""The constants were looked at with seeds 1 to 3."""
SEEDS: Final = 10
RESAMPLES: Final = 2000
WIDTH: Final = 170


@dataclass(frozen=True, slots=True)
class Scene:
    """A kind of trace, the target, and what is aimed at."""

    shape: Shape
    seconds: float
    target: float
    late: Aim | None = None
    """How many % of the tasks waited for longer."""
    cost: Aim | None = None
    """Replica-seconds / the clairvoyant's."""

    @property
    def spec(self) -> ConsumerPoolSpec:
        """The pool: defaults, but for the target and a bound that no trace reaches for long."""
        return ConsumerPoolSpec.model_validate(
            {
                "queue": "q",
                "scaleTargetRef": {"name": "d"},
                "maxReplicas": 100,
                "target": {"waitSeconds": self.target},
            }
        )


SCENES: Final = (
    Scene(Shape.STEADY, DAY / 4, 5, AtMost(0.5), AtMost(1.3)),
    Scene(Shape.DIURNAL, DAY, 5, AtMost(0.5), AtMost(1.3)),
    Scene(Shape.BURSTY, DAY / 4, 30, AtMost(0), AtMost(1.6)),
    Scene(Shape.STEP, DAY / 16, 5),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One trace, scaled by everybody."""

    warren: Outcome
    keda: Outcome
    """With the queue length per replica that one finishes within the target."""
    eager: Outcome
    """KEDA with a replica for every task, waiting or under way."""
    clairvoyant: Outcome
    least: float
    """The replica-seconds that nobody can pay less than who lets no task wait beyond the target."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.autoscaler", description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="traces of each kind")
    parser.add_argument("--plots", type=Path, help="a folder for a drawing of the first trace of each kind")
    given = parser.parse_args(arguments)
    console = Console(width=WIDTH)
    figures: list[Figure] = []
    for scene in SCENES:
        seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
        runs = [_run(scene, seed, given.plots) for seed in track(seeds, scene.shape.value, console=console)]
        figures += _figures(scene, runs)
    path = report("autoscaler", figures, console)
    console.print(f"Service {SERVICE_SECONDS:g} s, pod start {START_SECONDS:g} s, {RATE:g}/s on average.\n{path}")
    return 0


def _run(scene: Scene, seed: int, plots: Path | None) -> Run:
    trace, spec = generate(Recipe(scene.shape, seed, RATE, scene.seconds, SERVICE_SECONDS)), scene.spec
    run = Run(
        rehearse(trace, spec, START_SECONDS),
        rehearse_keda(trace, spec, START_SECONDS),
        rehearse_keda(trace, spec, START_SECONDS, value=spec.concurrency),
        clairvoyant := foretold(trace, spec, START_SECONDS),
        least(trace, spec, START_SECONDS, clairvoyant.ended),
    )
    if plots is not None and seed == FIRST_SEED:
        plots.mkdir(parents=True, exist_ok=True)
        draw(plots / f"{scene.shape.value}.png", trace, (run.warren, run.keda, run.clairvoyant), scene.target)
    return run


def _figures(scene: Scene, runs: Sequence[Run]) -> list[Figure]:
    name = f"{scene.shape.value}, target {scene.target:g} s"
    late = [100 * run.warren.late(scene.target) for run in runs]
    beside = [run.warren.replica_seconds / run.clairvoyant.replica_seconds for run in runs]
    found = []
    if scene.late is not None:
        found.append(Figure(f"{name}: % of tasks beyond it", _summary(late), scene.late))
    if scene.cost is not None:
        beyond = fmean(run.warren.replica_seconds / run.least for run in runs)
        note = f"/ the least that is possible {beyond:.2f}"
        found.append(Figure(f"{name}: replica-seconds / the clairvoyant's", _summary(beside), scene.cost, note))
    for peer, outcomes in (
        ("KEDA's", [run.keda for run in runs]),
        ("KEDA's with a replica per task", [run.eager for run in runs]),
    ):
        theirs = [100 * outcome.late(scene.target) for outcome in outcomes]
        costs = [
            run.warren.replica_seconds / outcome.replica_seconds for run, outcome in zip(runs, outcomes, strict=True)
        ]
        shares = [_quotient(our, their) for our, their in zip(late, theirs, strict=True)]
        note = f"warren {fmean(late):.3f} %, KEDA {fmean(theirs):.3f} %"
        found.append(Figure(f"{name}: share beyond it / {peer}", _summary(shares), AtMost(0.1), note))
        found.append(
            Figure(
                f"{name}: replica-seconds / {peer}", _summary(costs), AtMost(1), f"/ clairvoyant {fmean(beside):.2f}"
            )
        )
    return found


def _quotient(ours: float, theirs: float) -> float:
    if not ours:
        return 0.0
    return ours / theirs if theirs else math.inf


def _summary(values: Sequence[float]) -> Ratio:
    """Return the arithmetic mean, which a share of nothing does not spoil, with its bootstrap interval."""
    chance = random.Random(FIRST_SEED)  # noqa: S311 - statistics, not secrets
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    cut = round(RESAMPLES * 0.025)
    return Ratio(fmean(values), means[cut], means[-1 - cut], min(values), max(values))


if __name__ == "__main__":
    sys.exit(main())
