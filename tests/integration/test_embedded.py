"""`make run`: the whole of Warren as local processes does its job, and leaves nothing behind however it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.person import Person
from tests.integration.samples import served
from tests.integration.servers import EMBEDDED_PORT, ports_of, tied
from tests.integration.test_webhook_receivers import receiving
from tests.pages import block, put
from tools.stack import web
from tools.stack.embedded import API_OFFSET
from tools.stack.process import Identity
from tools.stack.server import LOOPBACK, is_free

START_SECONDS = 110.0
END_SECONDS = 40.0
PROCESSES = {
    "epmd", "rabbitmq", "store", "versitygw",
    "producer", "consumer-system", "consumer-cpu", "consumer-train-cpu",
}  # fmt: skip

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Run:
    """One `python -m tools.stack run`, with its state in a folder of the test's."""

    supervisor: subprocess.Popen[bytes]
    home: Path
    output: Path

    @property
    def text(self) -> str:
        return self.output.read_text()

    def processes(self) -> dict[str, Identity]:
        """Return whom the pid files name (RabbitMQ has one of its own, of another form)."""
        files = [file for file in self.home.rglob("*.pid") if file.stem in PROCESSES]
        return {file.stem: Identity(**json.loads(file.read_text())) for file in files}

    def wait_for(self, text: str) -> None:
        eventually(lambda: text in self.text or self.supervisor.poll() is not None, START_SECONDS)
        assert text in self.text, self.text

    def ended(self) -> int:
        """Return the exit status."""
        try:
            return self.supervisor.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(self.text)


@contextmanager
def run(home: Path, *arguments: str) -> Iterator[Run]:
    home.mkdir(parents=True, exist_ok=True)
    output = home / f"output-{time.monotonic_ns()}"
    with output.open("wb") as file:
        supervisor = subprocess.Popen(
            tied(sys.executable, "-m", "tools.stack", "run", "--port", str(EMBEDDED_PORT), *arguments),
            env=os.environ | {"XDG_STATE_HOME": str(home)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Run(supervisor, home, output)
    finally:
        supervisor.kill()
        supervisor.wait()


@pytest.fixture(scope="module", name="home")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of all runs here: each one finds what the one before has left."""
    return tmp_path_factory.mktemp("person") / ".local" / "state"


def eventually(met: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not met() and time.monotonic() < deadline:
        time.sleep(0.1)
    return met()


def ports_are_free() -> bool:
    return all(map(is_free, [*ports_of(EMBEDDED_PORT - API_OFFSET), EMBEDDED_PORT]))


def test_once_trains_and_predicts_and_ends(home: Path) -> None:
    with run(home, "--once") as once:
        assert eventually(lambda: once.supervisor.poll() is not None, START_SECONDS + END_SECONDS)

        assert once.supervisor.returncode == 0, once.text
        assert "setosa, virginica" in once.text
        assert once.processes() == {}
        assert ports_are_free()


def test_it_stays_up_on_the_state_of_the_run_before_until_it_is_told_to_end(home: Path) -> None:
    with run(home) as staying:
        staying.wait_for("Ctrl-C ends everything")
        started = staying.processes()
        assert set(started) == PROCESSES
        assert web.call("GET", f"http://{LOOPBACK}:{EMBEDDED_PORT}/docs").status == web.OK

        staying.supervisor.send_signal(signal.SIGTERM)

        assert staying.ended() == 0, staying.text
        assert not any(process.alive() for process in started.values())
        assert ports_are_free()


def test_the_example_tasks_have_pools_of_their_own_and_the_pages_say_how_all_is_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served() as samples:
        monkeypatch.setenv("LOTTERY_RESULTS_URL", samples.results)
        with run(home, "--examples") as staying:
            staying.wait_for("Ctrl-C ends everything")
            assert {"consumer-audio-length", "consumer-lottery-results"} <= {file.stem for file in home.rglob("*.pid")}
            assert "submit audio_length url=" in staying.text

            person = Person(home.parents[1], f"http://{LOOPBACK}:{EMBEDDED_PORT}", samples)
            person.reads_functions()
            person.reads_the_api()
            person.uses_the_command_line()
            person.looks_at_dead_letters()
            asyncio.run(webhooks_are_told(person, tmp_path))

            staying.supervisor.send_signal(signal.SIGTERM)
            assert staying.ended() == 0, staying.text
    assert ports_are_free()


async def webhooks_are_told(person: Person, folder: Path) -> None:
    """With the page's receiver, which knows the secret that the page says."""
    async with receiving("python", folder, person.webhook_secret()) as (port, printed):
        named = person.submits_with_a_webhook(f"http://{LOOPBACK}:{port}/")
        look, again = block("docs/webhooks.md", "webhooks redeliver").splitlines()
        own = ("0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21", named)
        assert await asyncio.to_thread(eventually, lambda: "204" in person.types(put(look, own)), 30)
        person.types(put(again, own))
        told = f"{named}_succeeded"
        assert await asyncio.to_thread(eventually, lambda: printed.read_text().count(told) == 2, 30)


def test_a_component_that_dies_is_named_and_everything_ends(home: Path) -> None:
    with run(home) as staying:
        staying.wait_for("Ctrl-C ends everything")
        started = staying.processes()

        os.kill(started["consumer-cpu"].pid, signal.SIGKILL)

        assert staying.ended() == 1
        assert "consumer-cpu has ended by itself (ended by SIGKILL)" in staying.text
        assert "consumer-cpu.log" in staying.text
        assert not any(process.alive() for process in started.values())
        assert ports_are_free()


def test_interrupted_while_starting_it_leaves_nothing(home: Path) -> None:
    with run(home) as starting:
        assert eventually(lambda: "rabbitmq" in starting.processes(), START_SECONDS)
        started = starting.processes()

        starting.supervisor.send_signal(signal.SIGINT)

        assert starting.ended() == 130, starting.text
        assert not any(process.alive() for process in started.values())
        assert ports_are_free()


def test_a_second_run_on_the_same_state_is_refused(home: Path) -> None:
    with run(home) as first:
        assert eventually(lambda: "rabbitmq" in first.processes(), START_SECONDS)

        with run(home) as second:
            assert second.ended() == 1
            assert "running already" in second.text

        assert first.supervisor.poll() is None
        first.supervisor.send_signal(signal.SIGTERM)
        first.ended()
