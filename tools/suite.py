"""`python -m tools.suite`: every test there is, stage by stage, each with its time and its limit.

Ends with a summary. A stage that fails does not hide the later ones that can still run. Every skip is listed; one for
another reason than a missing GPU or torch fails the suite, and so does a cluster that does not come up.

Tests of real processes bound times, and share the machine's cores with each other. A few that fail there are asked once
more, one after the other: what fails again has failed, and what passes is listed as unsteady, to be looked into.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

ALLOWED_SKIPS = ("GPU", "torch")
FAREWELL_SECONDS = 30
FEW = 3
"""More failures than that are nothing that a busy machine explains."""
AGAIN_SECONDS = 400
LAST_FAILED = ("--last-failed", "--last-failed-no-failures", "none")
TESTS_FAILED = "exit status 1"
"""The verdict on a run of pytest that came to its end."""


@dataclass(frozen=True)
class Stage:
    """One step: a command, how many seconds it may take, and the stages without which it makes no sense."""

    name: str
    command: tuple[str, ...]
    limit: int
    needs: tuple[str, ...] = ()
    counts: bool = False
    """Whether it is a run of pytest, whose tests are counted."""
    beside: tuple[str, ...] = ()
    """What has pytest run tests beside each other; not when a few of them are asked once more."""
    again: bool = False
    """Whether they are."""


@dataclass
class Result:
    """How a stage went."""

    stage: Stage
    verdict: str
    seconds: float
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    unsteady: set[str] = field(default_factory=set)
    """Tests that failed, and passed when they were asked once more."""
    skips: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nothing went wrong: forbidden skips count as wrong."""
        return self.verdict == "ok" and not self.forbidden_skips

    @property
    def forbidden_skips(self) -> list[str]:
        """The skips that have no good reason."""
        return [skip for skip in self.skips if not any(reason in skip for reason in ALLOWED_SKIPS)]


def _pytest(
    name: str, limit: int, *options: str, beside: tuple[str, ...] = (), needs: tuple[str, ...] = (), again: bool = False
) -> Stage:
    command = ("-m", "pytest", f"tests/{name}", *options)
    return Stage(name, command, limit, needs, counts=True, beside=beside, again=again)


PARALLEL = ("-n", "auto")
"""For tests that share no server."""

BY_NEIGHBOURS = (*PARALLEL, "--dist", "worksteal")
"""For tests of which neighbours need the same libraries: what takes long to import is imported once, not everywhere."""

BY_LINE = ("-n", "3", "--dist", "loadscope")
"""For tests that share servers (see tests/integration/conftest.py). With two it takes 40 % longer: they wait a lot.
With four, two processors are busy for nine tenths of the time: little is to be gained, and bounds are missed."""

# Each limit is twice what the stage takes on two cores, and more: it ends what hangs, not what a slow machine does.
STAGES = (
    _pytest("unit", 300, beside=BY_NEIGHBOURS),
    Stage("examples", ("-m", "pytest", "examples"), 120, counts=True, beside=PARALLEL),
    Stage("servers", ("-m", "tools.stack.prepare"), 900),
    Stage("cluster", ("-m", "tools.cluster", "up"), 1800),
    _pytest("integration", 2400, "-m", "not alone", beside=BY_LINE, needs=("servers", "cluster"), again=True),
    Stage("alone", ("-m", "pytest", "tests/integration", "-m", "alone"), 300, ("servers",), counts=True),
    Stage("faults", ("-m", "tests.soak", "--each", "--seed", "11"), 1500, needs=("servers",)),
    _pytest("contract", 600, beside=PARALLEL, needs=("cluster",)),
    Stage("images", ("-m", "tools.images", "build", "--examples"), 600, needs=("cluster",)),
    Stage("load", ("-m", "tools.images", "load", "--standins", "--examples"), 600, needs=("images",)),
    _pytest("e2e", 2700, "-m", "not long", needs=("load",)),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.suite", description=__doc__)
    known = [stage.name for stage in STAGES]
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of {', '.join(known)}; default: all")
    wanted = parser.parse_args(arguments).stages
    if unknown := set(wanted).difference(known):
        parser.error(f"there is no stage {', '.join(unknown)}; there are {', '.join(known)}")
    # What a shell starts in the background ignores it, and so would every stage, which is ended by it (see `_end`).
    signal.signal(signal.SIGINT, signal.default_int_handler)
    results = list(_run_all([stage for stage in STAGES if not wanted or stage.name in wanted]))
    _summarize(results)
    return 0 if all(result.well for result in results) else 1


def _run_all(stages: Sequence[Stage]) -> Iterator[Result]:
    broken: set[str] = set()
    for stage in stages:
        missing = broken.intersection(stage.needs)
        result = Result(stage, f"not run: {', '.join(missing)} failed", 0) if missing else run(stage)
        if result.verdict != "ok":
            broken.add(stage.name)
        yield result


def run(stage: Stage) -> Result:
    """Run a stage; return how it went."""
    print(f"\n=== {stage.name} (at most {stage.limit} s)", flush=True)
    result = _run_once(stage, stage.beside, stage.limit)
    if stage.again and result.verdict == TESTS_FAILED and 0 < len(result.failed) <= FEW:
        _ask_again(result)
    print(f"=== {stage.name}: {result.verdict}, {result.seconds:.0f} s", flush=True)
    return result


def _run_once(stage: Stage, options: Sequence[str], limit: int) -> Result:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, *stage.command, *options, *([f"--junitxml={report}"] if stage.counts else [])]
        verdict = _wait(subprocess.Popen(command, start_new_session=True), limit)
        result = Result(stage, verdict, time.monotonic() - started)
        if stage.counts:
            _count(report, result)
    return result


def _ask_again(result: Result) -> None:
    """Run the tests that failed once more, one after the other; every one of them has to pass."""
    print(f"\n=== {result.stage.name}: what failed, by itself (at most {AGAIN_SECONDS} s)", flush=True)
    alone = _run_once(result.stage, LAST_FAILED, AGAIN_SECONDS)
    result.seconds += alone.seconds
    if alone.verdict == "ok" and result.failed <= alone.passed:
        result.verdict, result.unsteady, result.failed = "ok", result.failed, set()


def _wait(process: subprocess.Popen[bytes], limit: int) -> str:
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"not done within {limit} s"
    except KeyboardInterrupt:
        _end(process)
        raise
    return "ok" if status == 0 else f"exit status {status}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a stage, so that it tells what it has found so far, and kill what is left of it."""
    os.killpg(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(FAREWELL_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _count(report: Path, result: Result) -> None:
    if not report.exists():
        return
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - written by our own pytest a moment ago
        name = f"{case.get('classname')}::{case.get('name')}"
        skipped = case.find("skipped")
        if skipped is not None:
            result.skips.append(f"{name}: {skipped.get('message')}")
        elif case.find("failure") is not None or case.find("error") is not None:
            result.failed.add(name)
        else:
            result.passed.add(name)
    result.passed -= result.failed


def _summarize(results: Sequence[Result]) -> None:
    print("\n=== summary")
    for result in results:
        counts = f"{len(result.passed)} passed, {len(result.failed)} failed" if result.stage.counts else ""
        counts += f", {len(result.unsteady)} passed by themselves" if result.unsteady else ""
        print(f"{result.stage.name:<12} {result.seconds:6.0f} s  {result.verdict:<10} {counts}")
    skips = [skip for result in results for skip in result.skips]
    for skip in skips:
        print(f"skipped: {skip}")
    for result in results:
        for skip in result.forbidden_skips:
            print(f"error: this skip has no good reason: {skip}")
    for result in results:
        for name in sorted(result.unsteady):
            print(f"unsteady: {name}: failed beside others, passed by itself; see above")
    kinds = ("passed", "failed", "unsteady")
    told = [f"{sum(len(getattr(result, kind)) for result in results)} {kind}" for kind in kinds]
    print(f"{', '.join(told)}, {len(skips)} skipped", flush=True)


if __name__ == "__main__":
    sys.exit(main())
