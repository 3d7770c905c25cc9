"""docs/from-celery.md, as it is printed: Warren's side by a consumer, Celery's by a worker of Celery's."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environment import programs
from tests.integration.consumer.conftest import apply_topology
from tests.integration.consumer.crew import Crew
from tests.integration.consumer.processes import install
from tests.integration.servers import Workspace, tied
from tests.unit.functions import page

START_SECONDS = 60


def test_warrens_side(workspace: Workspace, tmp_path: Path) -> None:
    asyncio.run(apply_topology(workspace))
    install(tmp_path, "shop", page.TASKS, "warren.tasks", {"shop": "shop"})
    crew = Crew(workspace, tmp_path)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        **workspace.objects_environment,
        "WARREN_BROKER_URL": workspace.broker_url("warren-producer"),
        "WARREN_RECORDS_URL": workspace.records_url,
    }
    try:
        crew.start()
        run([sys.executable, "-c", page.PROGRAM], environment)
    finally:
        crew.kill_all()


def test_celerys_side(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(page.CELERY_TASKS)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "CELERY_BROKER_URL": workspace.broker_url(),  # where this test's servers are
        "CELERY_RESULT_BACKEND": workspace.records_url,
    }
    with working(tmp_path, environment):
        run([str(programs() / "python"), "-c", page.CELERY_PROGRAM], environment)


@contextmanager
def working(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run the worker that the page names, from when it is ready."""
    log = folder / "worker.log"
    command = tied(programs() / "celery", "-A", "shop", "worker", "-c", "2", "--loglevel", "INFO")
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as worker:
        try:
            give_up = time.monotonic() + START_SECONDS
            while "ready." not in log.read_text():
                assert time.monotonic() < give_up, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            worker.terminate()


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run a program to its end, which is a good one."""
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr
