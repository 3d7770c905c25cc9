"""The training child: a process of its own that ends when it must, and whose end is told."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.consumer.processes import alive, install, of_group, until
from warren.record import Progress
from warren_consumer.handler import TaskFault
from warren_consumer.training import process
from warren_consumer.training.job import Job

TRAINERS = """
import os, signal, subprocess, sys, time
from warren_consumer.handler import TaskFault
from warren_consumer.training.job import Product

class Trainer:
    def __init__(self, act):
        self.act = act
    def train(self, job, report):
        print("chatter of a library")
        report(0.5, f"{os.getpid()} {os.getpgid(0)}")
        self.act(job)
        figures = {"threads": float(os.environ["OMP_NUM_THREADS"])}
        return Product(framework="test", inputs=(), outputs=(), features=(), metrics=figures)

def family(job):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    job.output.write_text(str(child.pid))
    time.sleep(300)

def orphans(job):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    os.kill(os.getpid(), signal.SIGKILL)

def fault(job):
    raise TaskFault("bad-luck", "it was not meant to be", retryable=True)

def memory(job):
    raise MemoryError

easy = Trainer(lambda job: None)
sleeper = Trainer(family)
killed = Trainer(lambda job: os.kill(os.getpid(), signal.SIGKILL))
parent = Trainer(orphans)
exits = Trainer(lambda job: os._exit(7))
faulty = Trainer(fault)
broken = Trainer(lambda job: 1 / 0)
greedy = Trainer(memory)
"""
NAMES = ("easy", "sleeper", "killed", "parent", "exits", "faulty", "broken", "greedy")


@pytest.fixture(autouse=True)
def _trainers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution that offers these trainers, for child processes."""
    install(tmp_path, "some_trainers", TRAINERS, "warren.trainers", {name: f"some_trainers:{name}" for name in NAMES})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def job(trainer: str, tmp_path: Path) -> Job:
    return Job(trainer=trainer, dataset=tmp_path / "data", format="csv", target="y", output=tmp_path / "out")


async def test_a_run_is_a_process_group_of_its_own_whose_chatter_is_no_event(tmp_path: Path) -> None:
    progress: list[Progress] = []
    product = await process.train(job("easy", tmp_path), progress.append, threads=3)
    assert product.metrics == {"threads": 3.0}
    assert [step.fraction for step in progress] == [0.5]
    pid, group = map(int, (progress[0].message or "").split())
    assert pid == group != os.getpgid(0)


@pytest.mark.parametrize(
    ("trainer", "code", "said", "retryable"),
    [
        ("killed", "trainer-died", "SIGKILL; out of memory", True),
        ("exits", "trainer-died", "exit status 7", True),
        ("faulty", "bad-luck", "it was not meant to be", True),
        ("broken", "trainer-failed", "broken: ZeroDivisionError: division by zero", False),
        ("greedy", "out-of-memory", "ran out of memory", True),
    ],
)
async def test_how_a_run_ended_is_told(tmp_path: Path, trainer: str, code: str, said: str, retryable: bool) -> None:  # noqa: FBT001
    with pytest.raises(TaskFault, match=said) as caught:
        await process.train(job(trainer, tmp_path), lambda _: None, threads=1)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)


async def test_a_child_that_is_killed_leaves_no_process_and_no_run_that_hangs(tmp_path: Path) -> None:
    progress: list[Progress] = []
    async with asyncio.timeout(20):
        with pytest.raises(TaskFault, match="SIGKILL"):
            await process.train(job("parent", tmp_path), progress.append, threads=1)
    group = int((progress[0].message or "").split()[1])
    await until(lambda: not any(of_group(group)), seconds=2)


async def test_a_cancellation_ends_the_child_and_its_children(tmp_path: Path) -> None:
    pids: list[int] = []
    run = asyncio.create_task(
        process.train(
            job("sleeper", tmp_path), lambda step: pids.append(int((step.message or "").split()[0])), threads=1
        )
    )
    await until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text())
    pids.append(int((tmp_path / "out").read_text()))
    assert all(map(alive, pids))
    started = time.monotonic()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await until(lambda: not any(map(alive, pids)), seconds=2)
    assert time.monotonic() - started < 2


async def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from warren_consumer.training import process;"
        "from warren_consumer.training.job import Job; "
        "asyncio.run(process.train(Job.model_validate_json(sys.argv[1]), "
        "lambda step: print(step.message, file=sys.stderr, flush=True), threads=1))"
    )
    parent = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", code, job("sleeper", tmp_path).model_dump_json()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stderr is not None
        pid = int((await asyncio.to_thread(parent.stderr.readline)).split()[0])
        assert alive(pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stderr.close()  # type: ignore[union-attr]
    await until(lambda: not alive(pid), seconds=2)
    out = tmp_path / "out"
    if out.exists() and (said := out.read_text()):  # the child may have been killed while it wrote
        os.kill(int(said), signal.SIGKILL)
