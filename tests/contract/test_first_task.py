"""docs/first-task.md: what it has its reader type makes a package, a task, and a pool that the chart takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.chart import CHECKOUT, release
from tools.images import examples
from warren.resources import ConsumerPoolSpec

PAGE = (CHECKOUT / "docs" / "first-task.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
SHOWN = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(name="package")
def _package(tmp_path: Path) -> Path:
    """The package, typed in a folder that has what the page takes from the checkout."""
    checkout = tmp_path / "warren"
    checkout.mkdir()
    (checkout / "examples").symlink_to(CHECKOUT / "examples")
    values = COMMANDS[3].partition("helm upgrade")[0]
    subprocess.run(["bash", "-e", "-c", COMMANDS[0] + values], cwd=checkout, check=True)
    return tmp_path / "tally"


def test_its_function_runs_as_shown(package: Path) -> None:
    make, _, command = COMMANDS[1].partition("\n")
    assert make == "make venv"
    program = command.split("-c '")[1].rpartition("'")[0]
    environment = {**os.environ, "PYTHONPATH": str(package / "src")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == SHOWN[0]


def test_its_folder_is_one_that_an_image_is_built_of(package: Path) -> None:
    assert [name for name in examples.FILES if not (package / name).is_file()] == []
    assert examples.component_of(package) == "tally"
    assert COMMANDS[2].count("--package ../tally") == 2


def test_its_pool_has_that_image(package: Path) -> None:
    rendered = release(values=package / "values.yaml")
    spec = ConsumerPoolSpec.model_validate(rendered.one("ConsumerPool", "tally")["spec"])
    image = rendered.pod("Deployment", spec.scale_target_ref.name).main["image"]
    assert (spec.queue, spec.concurrency, spec.min_replicas) == ("warren.tasks.tally", 4, 0)
    assert image == "localhost/warren-tally:0.1.0"
    assert '@task(pool="tally"' in (package / "src" / "tally" / "tasks.py").read_text()
