"""Webhooks: refused until the installation allows where they go, signed, told whatever dies, and told again."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.receiver import CLOSED, PORT, SYSTEM, Receiver, answers, receiving
from tests.e2e.release import Release
from tests.e2e.shell import Shell, own
from tests.pages import block
from warren.client import Client
from warren.client.deliveries import WebhookDocument
from warren.client.synchronous import Job
from warren.record import State
from warren.webhook import WebhookState

pytestmark = pytest.mark.timeout(400)

PODS = "app.kubernetes.io/component=system"
FIRST_PAUSE_SECONDS = 5
"""Before the second attempt, give or take a tenth."""
MANY = 200
CLAIM_LAPSED_SECONDS = 200
"""What a killed system pool had in its hands is left to it for two minutes."""


@pytest.fixture(scope="module", name="receiver")
def _receiver(release: Release) -> Iterator[Receiver]:
    """A receiver inside, that the installation does not allow yet."""
    with receiving(release.namespace) as receiver:
        yield receiver


def test_a_receiver_inside_is_told_once_the_installation_allows_it(
    release: Release, namespace: Namespace, receiver: Receiver, client: Client, diary: Diary
) -> None:
    job = client.submit("echo", text="x", options={"callback_url": receiver.url})
    assert job.get(60) == "x"
    refused = _stands(job, WebhookState.FAILED)
    diary.say(str(refused.attempts[-1].error))
    assert "WARREN_CALLBACK_ALLOW" in str(refused.attempts[-1].error)
    assert receiver.told() == []

    with diary.stage("helm upgrade that allows its host"):
        release.upgrade(f"system.callbackAllow={{{receiver.host}}}")
    Shell(namespace).run("webhooks", "redeliver", job.id)
    taken = _stands(job, WebhookState.DELIVERED)
    ((named, body),) = receiver.told(f"{job.id}_succeeded")
    assert named == taken.webhook_id == f"{job.id}_succeeded"
    assert (body["type"], body["data"]["status"], body["data"]["result"]) == ("task.succeeded", "succeeded", "x")
    assert [attempt.status for attempt in taken.attempts] == [None, 204]
    assert "204" in Shell(namespace).run("webhooks", "list", job.id)


def test_a_receiver_that_was_away_is_told_when_it_is_back(receiver: Receiver, client: Client) -> None:
    receiver.stop()
    options = {"callback_url": receiver.url, "callback_events": ["canceled"], "delay_seconds": 3600}
    job = client.submit("echo", text="x", options=options)
    assert job.cancel().status is State.CANCELED
    until("it was tried", lambda: job.deliveries().attempts, seconds=30)
    assert job.deliveries().status is WebhookState.PENDING
    receiver.start()
    job.redeliver()
    _stands(job, WebhookState.DELIVERED)
    canceled = f"{job.id}_canceled"
    assert {named for named, _ in receiver.told(canceled)} == {canceled}


def test_the_installations_secret_is_changed_while_receivers_know_either(
    namespace: Namespace, receiver: Receiver, client: Client
) -> None:
    """With the commands of docs/webhooks.md."""
    options = {"callback_url": receiver.url}
    old = own(block("docs/webhooks.md", "# of make run").splitlines()[0])
    own(block("docs/webhooks.md", "old=$("))
    namespace.run("rollout", "status", f"deployment/{SYSTEM}", "--timeout=60s")
    both = namespace.credential("webhooks")
    assert both.split()[1:] == [old]
    assert _answered(client.submit("echo", text="x", options=options)) == 204, "the receiver knows the old one"
    own(block("docs/webhooks.md", "${both%% *}"), both=both)
    assert namespace.credential("webhooks") == both.split()[0]
    receiver.stop()
    receiver.start()
    namespace.run("rollout", "status", f"deployment/{SYSTEM}", "--timeout=60s")
    assert _answered(client.submit("echo", text="x", options=options)) == 204, "the receiver knows the new one"


def _answered(job: Job[Any]) -> int:
    """Return what the receiver answered first, once it could be reached."""
    return until("it was told", lambda: answers(job), seconds=60)[0]


def test_what_a_receiver_answers_decides_what_follows(receiver: Receiver, client: Client, diary: Diary) -> None:
    """All of it without anybody's help, within seconds of the first attempt."""

    def told_at(url: str, *ends: str) -> Job[object]:
        return client.submit(
            "echo", text="x", options={"callback_url": url} | ({"callback_events": ends} if ends else {})
        )

    refused = told_at(receiver.at("told", CLOSED))
    others = [told_at(receiver.at(mood)) for mood in ("stumbles", "silent")]
    gone, unwanted = told_at(receiver.at("gone")), told_at(receiver.url, "failed", "canceled")
    until("its connection is refused", lambda: refused.deliveries().attempts, seconds=60, every=0.05)
    receiver.open()
    taken = [_stands(job, WebhookState.DELIVERED).attempts for job in (refused, *others)]
    for attempts in taken:
        diary.say(", ".join(f"{attempt.at:%X} {attempt.status} {attempt.error}" for attempt in attempts))
    assert [[attempt.status for attempt in attempts] for attempts in taken] == [[None, 204], [500, 204], [None, 204]]
    assert min((again.at - first.at).total_seconds() for first, again in taken) > FIRST_PAUSE_SECONDS * 0.9
    stopped, skipped = _stands(gone, WebhookState.STOPPED), _stands(unwanted, WebhookState.SKIPPED)
    assert ([attempt.status for attempt in stopped.attempts], stopped.next_attempt_at) == ([410], None)
    assert (skipped.attempts, skipped.next_attempt_at) == ([], None)
    answered = [f"{job.id}_succeeded" for job in (refused, *others)]
    named = [named for named, _ in receiver.told(*answered)]
    assert [named.count(f"{job.id}_succeeded") for job in (refused, *others, gone, unwanted)] == [1, 1, 1, 0, 0]


def test_a_redirect_leads_only_where_the_installation_allows(receiver: Receiver, client: Client, diary: Diary) -> None:
    """From an allowed receiver to itself, by its name and by its addresses, and to what must not be asked."""
    inside = [f"http://{address}:{PORT}/told" for address in receiver.addresses()]
    inside += ["http://169.254.169.254/latest/meta-data/", f"http://127.0.0.1:{PORT}/told"]
    inside += ["http://[::ffff:169.254.169.254]/", "https://kubernetes.default.svc/"]
    led = [client.submit("echo", text="x", options={"callback_url": receiver.leading(307, url)}) for url in inside]
    led += [client.submit("echo", text="x", options={"callback_url": receiver.leading(302, url)}) for url in inside]
    followed = client.submit("echo", text="x", options={"callback_url": receiver.leading(307, receiver.url)})
    assert [attempt.status for attempt in _stands(followed, WebhookState.DELIVERED).attempts] == [204]
    for job, url in zip(led, inside * 2, strict=True):
        refused = _stands(job, WebhookState.FAILED)
        (attempt,) = refused.attempts
        diary.say(f"{url}: {attempt.error}")
        assert (attempt.status, refused.next_attempt_at) == (None, None)
        assert f"the host {urlsplit(url).hostname!r} is not at a public address" in str(attempt.error)
        assert "WARREN_CALLBACK_ALLOW" in str(attempt.error)
    named = [named for named, _ in receiver.told(f"{followed.id}_succeeded")]
    assert [named.count(f"{job.id}_succeeded") for job in (followed, *led)] == [1] + [0] * len(led)


@pytest.mark.long
def test_what_a_killed_system_pool_had_in_hand_is_told_by_the_next(
    namespace: Namespace, receiver: Receiver, client: Client, diary: Diary
) -> None:
    namespace.run("scale", f"deployment/{SYSTEM}", "--replicas=0")
    until("the system pool is away", lambda: not namespace.names("pods", PODS), seconds=90)
    before = len(receiver.told())
    task = {"task": "echo", "args": {"text": "x"}, "options": {"callback_url": receiver.url}}
    jobs = client.submit_many([task] * MANY)
    for job in jobs:
        job.get(60)

    namespace.run("scale", f"deployment/{SYSTEM}", "--replicas=1")
    until("it tells", lambda: len(receiver.told()) > before, seconds=60, every=0.05)
    (pod,) = namespace.names("pods", PODS)
    namespace.kill(pod)
    diary.say(f"{pod} is killed when {len(receiver.told()) - before} of {MANY} were told")
    wanted = {f"{job.id}_succeeded" for job in jobs}
    until(
        "all are told",
        lambda: wanted <= {named for named, _ in receiver.told()},
        seconds=CLAIM_LAPSED_SECONDS,
        every=2,
    )
    told = [named for named, _ in receiver.told() if named in wanted]
    diary.say(f"{len(told) - MANY} were told twice")
    for job in jobs:
        _stands(job, WebhookState.DELIVERED)
    namespace.await_rollout(f"deployment/{SYSTEM}")


def _stands(job: Job[object], state: WebhookState) -> WebhookDocument:
    """Return the job's webhook when it has come to a state."""

    def is_there() -> WebhookDocument | None:
        found = job.deliveries()
        return found if found.status is state else None

    return until(f"the webhook of {job.id} is {state}", is_there, seconds=40)
