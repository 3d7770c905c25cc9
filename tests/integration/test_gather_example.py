"""`examples/gather`: two types of workers, each with its queue, and a program that gathers what both did."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.consumer.crew import Crew
from tests.integration.consumer.processes import install
from tests.integration.servers import Workspace, tied
from warren.broker.provision import provision
from warren.pool import Pool
from warren.topology import topology

EXAMPLE = Path(__file__).parents[2] / "examples" / "gather" / "gather.py"
POOLS = [Pool(name="readers"), Pool(name="counters")]
NAMES = " ".join(pool.name for pool in POOLS)
COUNT = 30


@pytest.mark.parametrize("lose", [False, True], ids=["in-peace", "a-worker-dies"])
def test_the_results_of_both_types_are_gathered(workspace: Workspace, tmp_path: Path, lose: bool) -> None:  # noqa: FBT001
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    asyncio.run(provision(topology(POOLS), *urls, lambda _: None))
    install(tmp_path, "gather", EXAMPLE.read_text(), "warren.tasks", {"gather": "gather"})
    crew = Crew(workspace, tmp_path)
    try:
        workers = [start(crew, pool) for pool in POOLS]
        program = gather(workspace, tmp_path)
        if lose:
            for worker in workers:
                worker.kill()
            for pool in POOLS:
                start(crew, pool)
        try:
            output, told = program.communicate(timeout=90)
        finally:
            program.kill()
    finally:
        crew.kill_all()
    assert program.returncode == 0, told
    assert lose or f"on {COUNT} pages, 10 of them read twice\n" in output, "a lost attempt may be the first"
    assert output.startswith("495 words")
    assert "172 primes below 1029\n" in output
    assert f"{2 * COUNT}/{2 * COUNT}" in told


def start(crew: Crew, pool: Pool) -> subprocess.Popen[bytes]:
    """Start a worker of the pool's type."""
    return crew.start(pool.name, WARREN_POOLS=NAMES, WARREN_CONCURRENCY="4")


def gather(workspace: Workspace, folder: Path) -> subprocess.Popen[str]:
    """Start the program, straight to the broker."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder),
        **workspace.objects_environment,
        "WARREN_BROKER_URL": workspace.broker_url("warren-producer"),
        "WARREN_RECORDS_URL": workspace.records_url,
        "WARREN_STORAGE_BUCKET": workspace.bucket,
        "WARREN_POOLS": NAMES,
    }
    command = [sys.executable, "-m", "gather", str(COUNT)]
    return subprocess.Popen(tied(*command), env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
