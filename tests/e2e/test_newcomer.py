"""docs/first-task.md, typed as it stands: a package with one function, from nothing to its result in the cluster."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.diary import Diary
from tests.e2e.release import Release
from tools.cluster.layout import BIN, KUBECONFIG

pytestmark = pytest.mark.timeout(300)

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "first-task.md").read_text()
BLOCKS = re.findall(r"```(sh|console)\n(.*?)```", PAGE, re.DOTALL)
PROMISED_SECONDS = 600
"""From nothing, for a person who has to read and type besides."""


@pytest.fixture(name="folder")
def _folder(release: Release, tmp_path: Path) -> Iterator[Path]:
    """A checkout with an empty folder around it; later upgrades have the page's pool, too, or its queue had none."""
    checkout = tmp_path / "warren"
    checkout.mkdir()
    for entry in CHECKOUT.iterdir():
        (checkout / entry.name).symlink_to(entry)
    yield checkout
    if (values := tmp_path / "tally" / "values.yaml").exists():
        release.keep(values)


def test_a_task_from_nothing_to_its_result(folder: Path, diary: Diary) -> None:
    # What a shell has after the two lines that `make cluster` ends with.
    environment = os.environ | {"KUBECONFIG": str(KUBECONFIG), "PATH": f"{BIN}:{os.environ['PATH']}"}
    began, shown = time.monotonic(), ""
    for kind, text in BLOCKS:
        if kind == "console":
            assert shown.endswith(text), text
            continue
        # The environment is the one that these tests run in.
        commands = text.removeprefix("make venv\n")
        with diary.stage(commands.splitlines()[0]):
            done = subprocess.run(
                ["bash", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
        assert done.returncode == 0, done.stdout + done.stderr
        shown = done.stdout
    assert time.monotonic() - began < PROMISED_SECONDS
