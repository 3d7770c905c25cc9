"""The chart's copies of files that have their source elsewhere: Helm reads nothing outside of a chart's folder.

`python -m tools.chart sync` brings them up to date; `check` fails where they are not.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
CHART: Final = CHECKOUT / "helm" / "warren"
COPIED: Final = {
    CHECKOUT / "manifests" / "crds": CHART / "files" / "crds",
    CHECKOUT / "examples" / "data": CHART / "files" / "samples",
}
"""Folders of sources, each with the folder of its copies."""


def stale() -> Iterator[Path]:
    """Yield the copies that differ from their source, are missing, or have no source any more."""
    for source, copies in COPIED.items():
        wanted, present = _contents(source), _contents(copies)
        for name in sorted(wanted.keys() | present.keys()):
            if wanted.get(name) != present.get(name):
                yield copies / name


def sync() -> int:
    """Make the copies equal to their sources."""
    for source, copies in COPIED.items():
        shutil.rmtree(copies, ignore_errors=True)
        shutil.copytree(source, copies)
    return 0


def check() -> int:
    """Name the copies that are not what their source is."""
    names = [str(path.relative_to(CHECKOUT)) for path in stale()]
    for name in names:
        print(f"{name} is not what its source is; run: python -m tools.chart sync", file=sys.stderr)
    return 1 if names else 0


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep the chart's copies equal to their sources."""
    parser = argparse.ArgumentParser(prog="python -m tools.chart", description=main.__doc__)
    parser.add_argument("action", choices=["sync", "check"])
    return {"sync": sync, "check": check}[parser.parse_args(arguments).action]()


if __name__ == "__main__":
    sys.exit(main())
