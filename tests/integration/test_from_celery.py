"""docs/from-celery.md: Warren's side on real servers, Celery's in Celery."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.environment import programs
from tests.integration.consumer.conftest import apply_topology
from tests.integration.consumer.crew import Crew
from tests.integration.consumer.processes import install
from tests.integration.servers import Workspace
from tests.unit.functions import page


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


def test_celerys_side() -> None:
    eager = "app.conf.task_always_eager = True\n"
    first = page.blocks("celery: shop.py")
    source = "\n".join([*first, eager, *page.blocks("celery")])
    source = source.replace("packing.revoke(terminate=True)", "")  # speaks to a broker, which eager mode has not
    run([str(programs() / "python"), "-c", source], {"PATH": os.environ["PATH"]})


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run a program to its end, which is a good one."""
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr
