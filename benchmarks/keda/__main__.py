"""`python -m benchmarks.keda`: replay a trace before KEDA itself and before its model; a quarter of an hour.

A figure that falls short is a finding, not a failure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.curve import area, mean_absolute_error
from benchmarks.figure import OUT, Between, Figure, report
from benchmarks.keda.installation import installed, release
from benchmarks.keda.plane import running
from benchmarks.keda.replay import Setting, replay
from benchmarks.ratio import Ratio
from tools.stack.packages import own_release
from tools.stack.serverset import ServerSet
from warren.resources import ConsumerPoolSpec
from warren_operator.rehearsal.chart import draw
from warren_operator.rehearsal.generation import Recipe, Shape, generate
from warren_operator.rehearsal.rehearsal import Outcome, rehearse_keda
from warren_operator.rehearsal.trace import Trace

PORTS_FROM: Final = 16000
RECIPE: Final = Recipe(Shape.STEP, seed=1, rate=1.0, seconds=900.0, service_seconds=8.0)
"""Of the traces that were tried on the model it is one whose outcome hardly depends on where in its periods KEDA is."""
START_SECONDS: Final = 10.0
VALUE: Final = 4.0
MOST: Final = 100
"""KEDA's own default."""
WIDTH: Final = 170


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, print, draw and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keda", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=RECIPE.seconds, help="only the first seconds of the trace")
    parser.add_argument("--plot", type=Path, default=OUT / "keda.svg", help="the drawing, .svg or .png")
    given = parser.parse_args(arguments)
    setting = Setting(_first(generate(RECIPE), given.seconds), START_SECONDS, VALUE)
    console = Console(width=WIDTH)
    console.print(f"KEDA {release()}: {len(setting.trace.arrivals)} tasks in {setting.trace.seconds:.0f} s ...")
    seen = _see(setting)
    foretold = _foretell(setting)
    given.plot.parent.mkdir(parents=True, exist_ok=True)
    draw(given.plot, setting.trace, (foretold, seen), None)
    path = report("keda", [_figure(foretold, seen, setting.trace.seconds)], console)
    console.print(f"KEDA: {_told(seen)}\nmodel: {_told(foretold)}\n{path}\n{given.plot}")
    return 0


def _first(trace: Trace, seconds: float) -> Trace:
    count = sum(at <= seconds for at in trace.arrivals)
    return Trace(trace.name, trace.arrivals[:count], trace.services[:count])


def _see(setting: Setting) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="warren-keda-") as folder:
        state = Path(folder)
        servers = ServerSet.create(state / "servers", PORTS_FROM, own_release())
        with servers.mapper.running(), servers.rabbitmq.running(), running(state) as plane, installed(plane, state):
            return asyncio.run(replay(setting, plane, servers))


def _foretell(setting: Setting) -> Outcome:
    spec = ConsumerPoolSpec.model_validate({"queue": "q", "scaleTargetRef": {"name": "d"}, "maxReplicas": MOST})
    return replace(rehearse_keda(setting.trace, spec, setting.start_seconds, setting.value), scaler="model")


def _figure(foretold: Outcome, seen: Outcome, seconds: float) -> Figure:
    both = area(foretold.curve, seconds), area(seen.curve, seconds)
    ratio = both[0] / both[1]
    apart = mean_absolute_error(foretold.curve, seen.curve, seconds)
    note = f"{both[0]:,.0f} and {both[1]:,.0f}; {apart:.1f} replicas apart on average"
    return Figure(
        "replica-seconds, the model's / KEDA's", Ratio(ratio, ratio, ratio, ratio, ratio), Between(0.9, 1.1), note
    )


def _told(outcome: Outcome) -> str:
    return " -> ".join(f"{count} ({at:.0f} s)" for at, count in outcome.curve)


if __name__ == "__main__":
    sys.exit(main())
