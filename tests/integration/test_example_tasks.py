"""The example task packages on real servers: installed by pip, each served by its own pool, both called at once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.consumer.crew import Crew
from tests.integration.producer.conftest import Producer
from tests.integration.samples import Samples, served
from tests.integration.servers import Workspace
from tools.stack.examples import EXAMPLES
from tools.stack.installation import installed
from warren import AsyncClient
from warren.broker.provision import provision
from warren.client.documents import TaskDocument
from warren.pool import DEFAULT_POOLS
from warren.record import State
from warren.topology import topology

POOLS = [*DEFAULT_POOLS, *(example.pool for example in EXAMPLES)]
KNOWN = {"WARREN_POOLS": " ".join(f"{pool.name}:{pool.kind}" for pool in POOLS)}
LATEST = {"date": "2026-11-18", "numbers": [3, 8, 17, 21, 44, 59], "bonus": 30}
PAUSE_SECONDS = 0.4


@dataclass
class Site:
    """Warren with the examples' pools, and what their tasks look at."""

    producer: Producer
    samples: Samples

    def warren(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `warren submit`."""
        program = Path(sys.executable).with_name("warren")
        command = [str(program), "submit", *arguments, "--wait", "--timeout", "60", "--url", self.producer.url]
        return subprocess.run(command, capture_output=True, check=False, text=True)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Install each package in a folder of its own, as into an image of its own; by its pool."""
    folder = tmp_path_factory.mktemp("examples")
    return {example.pool.name: installed(example.source, folder / example.package) for example in EXAMPLES}


@pytest.fixture
def site(workspace: Workspace, folders: dict[str, Path], tmp_path: Path) -> Iterator[Site]:
    """A producer, and one consumer of each pool, with one task at a time."""
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    asyncio.run(provision(topology(POOLS), *urls, lambda _: None))
    crew = Crew(workspace, tmp_path)
    path = os.pathsep.join(map(str, folders.values()))
    producer = Producer(workspace, tmp_path / "producer.log", settings=KNOWN | {"PYTHONPATH": path})
    with served() as samples:
        told = {"audio-length": {"AUDIO_LENGTH_ALLOW": "127.0.0.1"}, "lottery-results": {"LOTTERY_RESULTS_URL": ""}}
        told["lottery-results"]["LOTTERY_RESULTS_URL"] = samples.results
        for pool, settings in told.items():
            crew.start(pool, PYTHONPATH=str(folders[pool]), WARREN_CONCURRENCY="1", **KNOWN, **settings)
        producer.start()
        yield Site(producer, samples)
        crew.kill_all()
        assert producer.process is not None
        producer.process.kill()
        producer.process.wait()
    for process in crew.processes:
        print(crew.log(process))  # noqa: T201 - pytest shows it when the test failed


async def test_both_types_of_workers_work_at_once_and_each_on_one_task_at_a_time(site: Site) -> None:
    async with AsyncClient(site.producer.url) as client:
        for job in (
            await client.submit("audio_length", url=site.samples.audio),
            await client.submit("lottery_results"),
        ):
            await job.get(60)  # by now both consumers are up
        site.samples.pause_seconds = PAUSE_SECONDS
        lengths = [await client.submit("audio_length", url=site.samples.audio) for _ in range(4)]
        draws = [await client.submit("lottery_results", most=1) for _ in range(4)]
        ended = await asyncio.gather(*(job.wait(60) for job in (*lengths, *draws)))
    assert [document.result for document in ended] == [2.5] * 4 + [[LATEST]] * 4, ended
    assert [document.pool for document in ended] == ["audio-length"] * 4 + ["lottery-results"] * 4
    assert site.samples.most == {"audio_length": 1, "lottery_results": 1, "all": 2}


def test_the_commands_of_the_docs(site: Site) -> None:
    length = site.warren("audio_length", f"url={site.samples.audio}")
    assert (length.returncode, length.stdout) == (0, "2.5\n"), length.stderr
    draws = site.warren("lottery_results", "since=2026-11-14")
    assert draws.returncode == 0, draws.stderr
    assert [draw["date"] for draw in json.loads(draws.stdout)] == ["2026-11-18", "2026-11-14"]


async def test_what_cannot_be_mended_fails_at_once_and_says_why(site: Site) -> None:
    calls = {
        "not-found": f"{site.samples.url}/audio_length/no-such-file.mp3",
        "not-audio": site.samples.results,
        "url-refused": "http://169.254.169.254/latest/meta-data",
    }
    async with AsyncClient(site.producer.url) as client:
        for code, url in calls.items():
            document = await (await client.submit("audio_length", url=url)).wait(60)
            assert (document.status, _code(document), document.attempt) == (State.FAILED, code, 1), document


def _code(document: TaskDocument) -> str | None:
    return document.error.code if document.error else None
