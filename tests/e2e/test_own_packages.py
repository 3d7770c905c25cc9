"""The examples, each in an image and a pool of its own, added to the release: task packages, a worker in Node.js."""

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e import samples, stone
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import deployment
from tests.e2e.release import Release
from tests.e2e.shell import Shell, own
from tests.pages import block, put
from tools.images.components import name
from tools.images.examples import PACKAGES
from warren.client import Client
from warren.client.documents import TaskDocument
from warren.record import State

pytestmark = pytest.mark.timeout(300)

VALUES = Path(__file__).parents[2] / "examples" / "values.yaml"
SONG = ("https://example.com/song.mp3", samples.AUDIO)
DRAWS = ("https://lottery.example.com/results", samples.RESULTS)
NOBODY = ('AUDIO_LENGTH_ALLOW: ""', f"AUDIO_LENGTH_ALLOW: {samples.HOST}")
"""What the pages and the values name, and what is there."""
DATES = ["2026-11-18", "2026-11-14", "2026-11-11"]
LATEST = {"date": "2026-11-18", "numbers": [3, 8, 17, 21, 44, 59], "bonus": 30}


@pytest.fixture(scope="module", autouse=True)
def _installed(release: Release, diary: Diary) -> Iterator[None]:
    """Have the packages' pools, with their images and what they look at."""
    with diary.stage("helm upgrade with examples/values.yaml"):
        release.upgrade(
            *(f"pools.{pool}.image={name(pool)}" for pool in PACKAGES),
            *(f"pools.{pool}.scaleDown.stabilizationSeconds=5" for pool in PACKAGES),
            f"pools.{stone.POOL}.foreign=true",
            f"pools.audio-length.env.AUDIO_LENGTH_ALLOW={samples.HOST}",
            f"pools.lottery-results.env.LOTTERY_RESULTS_URL={samples.RESULTS}",
            values=VALUES,
        )
    with samples.served(release.namespace):
        yield


def test_both_pools_wake_up_and_work(client: Client, diary: Diary) -> None:
    lengths = [client.submit("audio_length", url=samples.AUDIO, options={"pool": "audio-length"}) for _ in range(3)]
    draws = [client.submit("lottery_results", most=1, options={"pool": "lottery-results"}) for _ in range(3)]
    assert [job.get(120) for job in lengths] == [2.5] * 3
    assert [job.get(120) for job in draws] == [[LATEST]] * 3
    for pool, jobs in (("audio-length", lengths), ("lottery-results", draws)):
        records = [job.record() for job in jobs]
        consumers = {str(record.consumer) for record in records}
        diary.say(", ".join(consumers))
        assert all(consumer.startswith(f"{pool}/{deployment(pool)}-") for consumer in consumers)
        assert _one_at_a_time(records)


def test_the_commands_of_the_docs(api: str, tmp_path: Path) -> None:
    theirs = tmp_path / "values.yaml"
    theirs.write_text(put(VALUES.read_text(), ("image: ", "image: localhost/"), NOBODY, DRAWS))
    here = (("registry.example.com/team", "localhost"), ("examples/values.yaml", str(theirs)))
    functions, audio, lottery = (
        put(block(page, holds), *here, *changes).partition("helm ")[2]
        for page, holds, *changes in (
            ("docs/functions.md", "docker build", SONG),
            ("examples/audio_length/README.md", "docker build", SONG),
            ("examples/lottery_results/README.md", "docker build", DRAWS),
        )
    )
    assert own(f"helm {audio}").endswith("\n2.5\n")
    assert [draw["date"] for draw in json.loads("[" + own(f"helm {lottery}").partition("\n[")[2])] == DATES
    upgrade, _, call = functions.rpartition("warren submit")
    assert audio.startswith(upgrade)
    assert own(f"warren submit{call}", WARREN_URL=api) == "2.5\n"


def test_a_url_into_the_cluster_is_refused(namespace: Namespace) -> None:
    inside = "http://warren-producer:8000/v1/tasks"
    done = Shell(namespace).tried("submit", "audio_length", "--pool", "audio-length", f"url={inside}", "--wait")
    assert done.returncode == 1, done.stderr
    assert "not at a public address" in done.stderr


def test_a_worker_in_node_wakes_up_works_for_all_and_sleeps_again(
    namespace: Namespace, client: Client, diary: Diary
) -> None:
    here = {"pool": stone.POOL}
    with (
        stone.worked(namespace),
        namespace.watched(f"deployment/{stone.WORKER}", "{.spec.replicas}") as counts,
    ):
        assert counts.values == ["0"]
        job = client.submit("count_words", text="a tale of rabbits", options=here)
        unknown = client.submit("sings", options=here)
        assert job.get(60) == {"words": 4, "longest": "rabbits"}
        assert (job.record().status, job.record().attempt) == (State.SUCCEEDED, 1)
        error = unknown.wait(60).error
        assert error is not None
        assert error.code == "unknown-task"
        replies = stone.submitted(
            namespace, ("cpu", "echo", {"text": "x"}), (stone.POOL, "count_words", {"text": "to be"})
        )
        assert replies == [("succeeded", "x"), ("succeeded", {"words": 2, "longest": "to"})]
        until("it sleeps again", lambda: counts.values[-1] == "0", seconds=60)
        diary.say(f"replicas: {counts}")
    assert set(counts.values) == {"0", "1"}


def _one_at_a_time(records: Iterable[TaskDocument]) -> bool:
    """Tell whether each consumer ended one task before it began the next."""
    spans = sorted(
        (record.consumer, record.started_at, record.finished_at)
        for record in records
        if record.consumer and record.started_at and record.finished_at
    )
    return all(mine != its or ended <= began for (mine, _, ended), (its, began, _) in pairwise(spans))
