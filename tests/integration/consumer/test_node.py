"""Programs of another language, written from docs/protocol.md alone: a worker that serves a pool, and a client.

They are those of `examples/node`, with the rights that the page gives them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.integration.consumer.crew import Crew
from tests.integration.producer.conftest import Producer, apply_topology
from tests.integration.servers import Workspace, tied
from tests.pages import block, put, typed
from tools.node import install
from tools.stack import web
from warren import Client
from warren.client import Job
from warren.errors import TaskCrashedError, TaskFailedError

CHECKOUT = Path(__file__).resolve().parents[3]
PAGE = CHECKOUT / "docs" / "protocol.md"
RIGHTS = re.compile(r"set_permissions -p / (\w+) '(.*)'(?: \\\n)? +'(.*)' '(.*)'")
SECONDS = 60


@dataclass
class Node:
    """The example's programs, in a folder of their own with the tasks of this test."""

    folder: Path
    workspace: Workspace

    @property
    def rows(self) -> list[int]:
        """The processes that began a task that lasts."""
        file = self.folder / "rows"
        return [int(row) for row in file.read_text().split()] if file.exists() else []

    def url(self, account: str) -> str:
        """Return the broker's address for one of the page's accounts."""
        address = self.workspace.broker_url().rpartition("@")[2]
        return f"amqp://{account}:chisel@{address}"

    @contextmanager
    def worker(self, tasks: str = "./node_tasks.js") -> Iterator[subprocess.Popen[bytes]]:
        """Serve the pool cpu."""
        command = tied("node", "worker.js", self.url("carver"), "cpu", tasks)
        environment = os.environ | {"ROWS": str(self.folder / "rows")}
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            print((self.folder / "worker.log").read_text())  # noqa: T201 - pytest shows it when the test failed

    def submit(self, *arguments: str, account: str = "mason") -> subprocess.CompletedProcess[str]:
        """Submit a task to the pool cpu; return when its reply has come."""
        command = ["node", "client.js", self.url(account), "cpu", *arguments]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=2 * SECONDS, check=False
        )


@pytest.fixture
def node(workspace: Workspace, tmp_path: Path) -> Iterator[Node]:
    """Give the programs, and accounts that may do what the page says, and no more."""
    apply_topology(workspace)
    management = workspace.management_url()
    found = RIGHTS.findall(PAGE.read_text())
    for account, configure, write, read in found:
        rights = {"configure": configure, "write": write, "read": read.replace("stone", "cpu")}
        web.call("PUT", f"{management}api/users/{account}", {"password": "chisel", "tags": ""})
        web.call("PUT", f"{management}api/permissions/{workspace.name}/{account}", rights)
    installed, folder = install(CHECKOUT / "examples" / "node"), tmp_path / "node"
    folder.mkdir()
    (folder / "node_modules").symlink_to(installed / "node_modules")
    for file in (*installed.glob("*.js*"), Path(__file__).with_name("node_tasks.js")):
        shutil.copy(file, folder)
    yield Node(folder, workspace)
    for account, *_ in found:
        web.call("DELETE", f"{management}api/users/{account}")


@pytest.fixture
def client(node: Node, crew: Crew, tmp_path: Path) -> Iterator[Client]:
    """Give a client of a producer, beside a system pool."""
    crew.start("system")
    producer = Producer(node.workspace, tmp_path / "producer.log")
    producer.start()
    with Client(producer.url) as connected:
        yield connected
    assert producer.process is not None
    producer.process.kill()
    producer.process.wait()


def until(condition: Callable[[], bool]) -> None:
    give_up = monotonic() + SECONDS
    while not condition():
        assert monotonic() < give_up
        sleep(0.05)


def submit(client: Client, task: str, *, attempts: int | None = None, **args: Any) -> Job[Any]:
    return client.submit(task, args, options={} if attempts is None else {"max_attempts": attempts})


def test_a_pool_that_a_worker_in_node_serves(node: Node, client: Client) -> None:
    jobs = [submit(client, "doubles", number=number) for number in range(20)]
    refused, unknown = submit(client, "refuses", why="there is none"), submit(client, "sings")
    with node.worker():
        assert [job.get(SECONDS) for job in jobs] == [2 * number for number in range(20)]
        with pytest.raises(TaskFailedError, match="there is none"):
            refused.get(SECONDS)
        with pytest.raises(TaskFailedError, match=r"knows doubles, .*, not sings"):
            unknown.get(SECONDS)
    errors = [job.record().error for job in (refused, unknown)]
    assert [error and error.code for error in errors] == ["no-face", "unknown-task"]
    assert {(job.record().status.value, job.record().attempt) for job in jobs} == {("succeeded", 1)}


def test_its_progress_and_its_retries_are_seen(node: Node, client: Client) -> None:
    advances = submit(client, "advances", seconds=4)
    again, once = submit(client, "stumbles", attempts=2, stone="a"), submit(client, "stumbles", attempts=1, stone="b")
    with node.worker():
        until(lambda: (found := advances.record().progress) is not None and found.fraction == 0.5)
        shown = advances.record()
        assert (shown.status.value, shown.attempt) == ("started", 1)
        assert shown.progress is not None
        assert shown.progress.message == "half of it"
        assert advances.get(SECONDS) == "done"
        assert again.get(SECONDS) == "a"
        assert again.record().attempt == 2
        with pytest.raises(TaskCrashedError, match="over b"):
            once.get(SECONDS)
    error = once.record().error
    assert error is not None
    assert "node_tasks.js" in (error.traceback or "")


def test_what_a_killed_worker_had_begun_comes_to_the_next(node: Node, client: Client) -> None:
    job = submit(client, "lasts", seconds=3)
    with node.worker() as first:
        until(lambda: node.rows == [first.pid])
        until(lambda: job.record().attempt == 1)
        first.send_signal(signal.SIGKILL)
    with node.worker() as second:
        assert job.get(SECONDS) == second.pid
    assert node.rows == [first.pid, second.pid]
    assert (job.record().status.value, job.record().attempt) == ("succeeded", 2)


def test_a_worker_that_is_told_to_stop_sees_through_what_it_has_begun(node: Node, client: Client) -> None:
    first = submit(client, "lasts", seconds=2)
    with node.worker() as worker:
        until(lambda: node.rows == [worker.pid])
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(SECONDS) == 0
        assert first.get(SECONDS) == worker.pid
        later = submit(client, "doubles", number=2)
    assert (first.record().status.value, first.record().attempt) == ("succeeded", 1)
    assert later.status.value == "queued"


def test_a_client_in_node_is_answered_by_pythons_consumers(node: Node, crew: Crew) -> None:
    crew.start()
    done = node.submit("waits", '{"number": 7, "seconds": 0}')
    assert (done.returncode, done.stdout) == (0, "succeeded\n7\n"), done.stderr
    began = monotonic()
    delayed = node.submit("waits", '{"number": 8, "seconds": 0}', "--delay=2.5")
    assert (delayed.returncode, delayed.stdout) == (0, "succeeded\n8\n"), delayed.stderr
    assert monotonic() - began > 2.5
    wrong = node.submit("waits", '{"number": "seven", "seconds": 0}')
    state, said = wrong.stdout.splitlines()
    assert (wrong.returncode, state, json.loads(said)["code"]) == (1, "failed", "invalid-payload")
    assert crew.rows("end") == {7: 1, 8: 1}


def test_a_client_in_node_is_answered_by_a_worker_in_node(node: Node, crew: Crew) -> None:
    """By the command of the README; no part of Warren's knows the task before its worker reports."""
    crew.start("system")
    _, serve, submit = block("examples/node/README.md", "node client.js").splitlines()
    assert serve.startswith("node worker.js amqp://carver:secret@127.0.0.1:5672/ stone ")
    command = put(submit, ("amqp://mason:secret@127.0.0.1:5672/", node.url("mason")), (" stone ", " cpu "))
    with node.worker("./tasks.js"):
        done = typed(command, os.environ, node.folder)
    assert done.stdout.splitlines() == block("examples/node/README.md", "submitted 5f0c").splitlines()[1:], done.stderr


def test_a_task_that_comes_too_late_expires(node: Node, crew: Crew) -> None:
    crew.start("system")
    with node.worker("./tasks.js"):
        late = node.submit("count_words", '{"text": "a"}', "--delay=3", "--expires=1")
    assert (late.returncode, late.stdout.splitlines()[0]) == (1, "expired"), late.stderr


def test_an_account_may_do_nothing_else(node: Node) -> None:
    refused = node.submit("doubles", "{}", account="carver")
    assert refused.returncode == 1
    assert "ACCESS_REFUSED" in refused.stderr or "access refused" in refused.stderr.lower()
