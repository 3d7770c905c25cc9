"""The chart's copies of files that have their source elsewhere: Helm reads nothing outside of a chart's folder.

`python -m tools.chart sync` brings them up to date; `check` fails where they are not.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CHART = CHECKOUT / "helm" / "warren"
SOURCE = CHECKOUT / "manifests" / "crds"
COPIES = CHART / "files" / "crds"


def stale() -> Iterator[Path]:
    """Yield the copies that differ from their source, are missing, or have no source any more."""
    wanted = {path.name: path.read_bytes() for path in SOURCE.glob("*.yaml")}
    present = {path.name: path.read_bytes() for path in COPIES.glob("*.yaml")}
    for name in sorted(wanted.keys() | present.keys()):
        if wanted.get(name) != present.get(name):
            yield COPIES / name


def sync() -> int:
    """Make the copies equal to their sources."""
    shutil.rmtree(COPIES, ignore_errors=True)
    COPIES.mkdir(parents=True)
    for path in SOURCE.glob("*.yaml"):
        shutil.copyfile(path, COPIES / path.name)
    return 0


def check() -> int:
    """Name the copies that are not what their source is."""
    names = [str(path.relative_to(CHECKOUT)) for path in stale()]
    for name in names:
        print(f"{name} is not what its source is; run: python -m tools.chart sync", file=sys.stderr)
    return 1 if names else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep the chart's copies equal to their sources."""
    parser = argparse.ArgumentParser(prog="python -m tools.chart", description=main.__doc__)
    parser.add_argument("action", choices=["sync", "check"])
    return {"sync": sync, "check": check}[parser.parse_args(arguments).action]()


if __name__ == "__main__":
    sys.exit(main())
