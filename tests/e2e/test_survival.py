"""What consumers and the broker may meet while a thousand tasks are under way: all end, and once."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.e2e import broker, thousand
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.node import Node
from tests.e2e.patience import until
from tests.e2e.pools import deaths, deployment, hold, let_go, ready
from tests.e2e.release import Release
from tests.e2e.workshop import SLOTS, Workshop
from tests.e2e.workshop_tasks import KNOCKS, POOL
from warren.client import Client
from warren.record import State
from warren.records import MAX_LAPSES

pytestmark = pytest.mark.timeout(300)

HERE = {"pool": POOL}
CONSUMERS = 3
LEASE_SECONDS = 3
GIVEN_UP_SECONDS = 40
"""Within how many seconds the broker gives up a connection on which two heartbeats of 10 s were missed."""
NEIGHBOURS, LATER = 400, 50
KNOCKING = 16


@pytest.fixture(scope="module", autouse=True)
def _impatient(release: Release, workshop: Workshop) -> Iterator[None]:
    """Have consumers whose leases are a tenth as long as usual, so that a lapse is not waited for so long."""
    setting = ("set", "env", f"deployment/{deployment(workshop.pool)}")
    hold(release.namespace, workshop.pool, 0)
    release.namespace.run(*setting, f"WARREN_LEASE_SECONDS={LEASE_SECONDS}")
    yield
    hold(release.namespace, workshop.pool, 0)
    release.namespace.run(*setting, "WARREN_LEASE_SECONDS-")
    let_go(release.namespace, workshop.pool)


@pytest.fixture(autouse=True)
def _awake(namespace: Namespace, workshop: Workshop) -> None:
    """Have them all ready."""
    hold(namespace, workshop.pool, CONSUMERS)


def test_a_consumer_freezes_and_another_is_cut_off_without_a_word(
    namespace: Namespace, workshop: Workshop, client: Client, diary: Diary
) -> None:
    node = Node(namespace)
    frozen, cut_off, _ = ready(namespace, workshop.pool)
    addresses = {namespace.get("pod", pod)["status"]["podIP"] for pod in (frozen, cut_off)}
    jobs = thousand.accepted(client, workshop, "freeze", 0.4)

    def taken_over() -> int:
        started = workshop.rows().started
        return sum(started[job.id] > 1 for job in jobs)

    assert addresses <= broker.peers(namespace)
    with node.black_hole(cut_off, broker.PORT), node.frozen(frozen):
        with diary.stage("the broker takes both for connected"):
            until("it does no longer", lambda: not addresses & broker.peers(namespace), seconds=GIVEN_UP_SECONDS)
        until("another does what the frozen one worked on", taken_over, seconds=20)
        diary.say(f"{thousand.count_ended(workshop, jobs)} of {len(jobs)} have ended; {taken_over()} are taken over")
    done_again = thousand.judge(thousand.ended(client, jobs), workshop.rows(), diary)
    assert 0 < done_again <= SLOTS, "what the frozen one worked on, and nothing else"

    queue = f"warren.tasks.{workshop.pool}"
    until("all take from the queue again", lambda: broker.consumers(namespace, queue) == CONSUMERS, seconds=30)
    until("all are ready", lambda: len(ready(namespace, workshop.pool)) == CONSUMERS, seconds=30)
    work = {"task": "carve", "args": {"seconds": 1}, "options": HERE}
    records = thousand.ended(client, client.submit_many([work] * CONSUMERS * SLOTS))
    assert len({record.consumer for record in records}) == CONSUMERS, "each of them works again"


def test_the_broker_runs_short_of_memory_and_is_restarted(
    namespace: Namespace, workshop: Workshop, client: Client, api: str, diary: Diary
) -> None:
    knocking = client.submit_many([{"task": "knock", "args": {"after": 5}, "options": HERE}] * KNOCKING)
    jobs = thousand.accepted(client, workshop, "alarm", 0.9)

    def submitted() -> httpx2.Response:
        body = {"task": "carve", "args": {"seconds": 0}, "options": HERE}
        return httpx2.post(f"{api}/v1/tasks", json=body, headers={"Idempotency-Key": "refused"}, timeout=20)

    with broker.short_of_memory(namespace):
        before = thousand.count_ended(workshop, jobs)
        answers = [submitted(), submitted()]
        until("work goes on", lambda: thousand.count_ended(workshop, jobs) > before + SLOTS, seconds=20)
    seconds = [answer.elapsed.total_seconds() for answer in answers]
    diary.say(f"refused after {seconds} s: {answers[-1].text}")
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "broker-unavailable")] * 2
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert seconds[0] < 7
    assert seconds[1] < 1
    task_id = until("tasks are taken again", lambda: submitted().json().get("id"), seconds=10)

    ended_so_far = thousand.count_ended(workshop, jobs)
    assert ended_so_far < len(jobs), "there is work to lose"
    with diary.stage(f"the broker is restarted with {ended_so_far} of {len(jobs)} ended"):
        namespace.renew(broker.POD, grace_seconds=60)
    records = thousand.ended(client, [*jobs, client.job(task_id)])
    assert thousand.judge(records, workshop.rows(), diary) == 0
    stubborn = thousand.ended(client, knocking)
    assert {(record.status, record.attempt) for record in stubborn} == {(State.SUCCEEDED, KNOCKS)}


def test_a_task_that_kills_its_consumers_ends_as_poison_and_harms_no_other(
    namespace: Namespace, workshop: Workshop, client: Client, diary: Diary
) -> None:
    before = deaths(namespace, workshop.pool)
    work = {"task": "carve", "args": {"seconds": 0.5}, "options": HERE}
    beside = client.submit_many([work] * NEIGHBOURS)
    poison = client.submit("crush", options=HERE | {"priority": "high"})
    until("it has killed a consumer", lambda: deaths(namespace, workshop.pool) > before, seconds=20)
    later = client.submit_many([work] * LATER)
    end = poison.wait(60)
    killed = workshop.rows().started[poison.id]
    diary.say(f"{end.error} after {killed} deaths")
    assert end.error is not None
    assert (end.status, end.error.code, end.failures) == (State.FAILED, "poison", 0)
    assert MAX_LAPSES <= end.attempt == killed <= MAX_LAPSES + 1, (
        "all but the first killed a consumer that held no other"
    )
    letters = client.dead_letters(pool=POOL, code="poison")
    assert letters.get(poison.id).lapses == MAX_LAPSES

    done_again = thousand.judge(thousand.ended(client, beside), workshop.rows(), diary)
    assert done_again < SLOTS, "what the first of the killed consumers worked on is done again, and nothing else"
    assert thousand.judge(thousand.ended(client, later), workshop.rows(), diary) == 0
    assert [done.id for done in letters.discard_many()] == [poison.id]
