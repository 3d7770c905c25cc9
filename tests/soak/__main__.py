"""`python -m tests.soak`: faults at random for as long as it is told, under load; repeated from its seed.

It exits with 0 when every accepted task has ended exactly once and nothing is left behind, and with 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.soak import plan, report
from tests.soak.background import Background
from tests.soak.load import Load
from tests.soak.plan import Fault
from tests.soak.site import Site
from tests.soak.soaking import Outcome, Soak
from tests.soak.watch import Watch
from tools.stack.packages import RELEASES, own_release
from tools.stack.server import ServerError

_NICE = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line."""
    options = _parser().parse_args(arguments)
    seed = random.randrange(10**6) if options.seed is None else options.seed  # noqa: S311 - keeps no secret
    os.nice(_NICE)
    _say(f"seed {seed}")
    state = Path(tempfile.mkdtemp(prefix="warren-soak-"))
    try:
        outcome = _soak(options, seed, state)
    except ServerError as error:
        _say(f"FAIL (seed {seed}): {error}")
        return 1
    wrong = report.all_problems(outcome)
    for line in report.lines(outcome, wrong):
        _say(line)
    if wrong:
        _say(f"FAIL (seed {seed}): rows, logs and data are in {state}")
        return 1
    shutil.rmtree(state)
    _say(f"PASS (seed {seed})")
    return 0


def _soak(options: argparse.Namespace, seed: int, state: Path) -> Outcome:
    faults = options.fault or list(Fault)
    events = plan.one_by_one(seed, faults) if options.each else plan.at_random(seed, options.seconds, faults)
    release = next((known for known in RELEASES if known.rabbitmq == options.rabbitmq), own_release())
    site = Site.create(state, options.base, release)
    watch = Watch(site.servers.records_url)
    load = Load(site.url, seed, options.in_flight, options.rate, options.most, watch.open.add, lambda: len(watch.open))
    with Background() as background:
        for proxy in (*site.proxies.values(), *site.store_proxies.values()):
            background.begin(proxy.run())
        with site.running():
            soak = Soak(site, load, watch, background, options.patience, _say)
            return soak.run(events, 0 if options.each else options.seconds)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it speaks to a person at a terminal


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=120, help="how long faults are done at random (default: %(default)s)")
    add("--seed", type=int, help="of faults and tasks; without one, a new one is chosen and printed")
    add("--each", action="store_true", help="each fault once, each after what met the last has ended")
    add("--fault", type=Fault, action="append", choices=list(Fault), metavar="FAULT", help="only this one (repeatable)")
    add("--in-flight", type=int, default=1000, help="tasks in flight all the time (default: %(default)s)")
    add("--rate", type=float, default=200, help="the most submissions a second (default: %(default)s)")
    add("--most", type=int, default=100_000, help="the most tasks in all (default: %(default)s)")
    add("--patience", type=float, default=180, help="seconds for the last tasks to end (default: %(default)s)")
    add("--rabbitmq", choices=[release.rabbitmq for release in RELEASES], help="the line of RabbitMQ")
    add("--base", type=int, default=27000, help="the first of its ports (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
