"""API keys in the cluster: a Secret that is changed while the producers serve decides who may call, and how much."""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import httpx2
import pytest

from tests.e2e.api_keys import READ_SECONDS, SECRET, SOON, Key, Keys, status
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.receiver import DEAF, NAME, PORT, SYSTEM, answers, receiving
from tests.e2e.release import Release
from tests.e2e.shell import PRODUCER, own
from tests.pages import block, commands, put
from warren.client import Client, Job
from warren.errors import TaskNotFoundError, UnauthorizedError
from warren.webhook import WebhookState

pytestmark = pytest.mark.timeout(400)

RECEIVER = f"{NAME}.warren.svc.cluster.local"
"""By a name that no other test allows, or takes for refused."""
WAITS, HELD = 8, 4
"""How many requests may wait in this installation, and how many of one key do while no other wants to."""
BODIES, LARGE = 1024 * 1024, 100_000
"""The place for bodies in this installation, and the size of one whose JSON takes up more than a third of it."""
SETTINGS = {"WARREN_MAX_WAITING": WAITS, "WARREN_MAX_BODIES_BYTES": BODIES}
RATE, RATED_SECONDS = 2, 3
"""How many requests a slow key may make each second, and for how long that is looked at."""
TOLD = 12
"""More webhooks than all keys together may have on their way to one host."""


@pytest.fixture(scope="module", name="url")
def _url(release: Release, diary: Diary) -> Iterator[str]:
    """The API of a release that asks for keys, of which there are none yet."""
    settings = ("set", "env", PRODUCER)
    with diary.stage("helm upgrade with producer.keys.enabled=true, and system.callbackAllow, out of the pages"):
        release.namespace.run(*settings, *(f"{name}={value}" for name, value in SETTINGS.items()))
        own(_of_the_page("helm"))
        own(f"{put(block('docs/webhooks.md', 'helm '), ('hooks.default.svc', RECEIVER)).strip()} --wait --timeout=180s")
    try:
        with release.namespace.forwarded("warren-producer", 8000) as address:
            yield f"http://{address}"
    finally:
        with diary.stage("helm upgrade with producer.keys.enabled=false"):
            release.namespace.run(*settings, *(f"{name}-" for name in SETTINGS))
            release.upgrade("producer.keys.enabled=false")
        release.namespace.run("delete", "secret", SECRET, "--ignore-not-found")


@pytest.fixture(scope="module", name="keys")
def _keys(url: str, release: Release) -> Keys:
    """The Secret, made if need be."""
    if SECRET not in release.namespace.tried("get", "secret", SECRET, "-o", "name"):
        release.namespace.run("create", "secret", "generic", SECRET)
    return Keys(release.namespace, url)


@pytest.fixture(scope="module", name="pair")
def _pair(keys: Keys) -> tuple[Key, Key]:
    """Keys of Ann and Bob, which count everywhere."""
    ann, bob = keys.create("ann"), keys.create("bob")
    keys.await_all(bob)
    return ann, bob


def test_who_may_call_is_decided_by_a_secret(url: str, namespace: Namespace, diary: Diary) -> None:
    assert [status(url), httpx2.get(f"{url}/metrics").status_code, httpx2.get(f"{url}/docs").status_code] == [
        401,
        200,
        200,
    ]
    own(_of_the_page("kubectl"))
    keys = Keys(namespace, url)
    began = time.monotonic()
    ann, bob = keys.create("ann"), keys.create("bob")
    until("both keys are let in", lambda: status(url, ann) == status(url, bob) == 200, seconds=SOON)
    diary.say(f"keys are let in {time.monotonic() - began:.1f} s after the Secret has them")
    with Client(url, api_key=ann.text) as client, Client(url, api_key=bob.text) as other:
        job = client.submit("echo", text="hello")
        assert job.get(timeout=60) == "hello"
        with pytest.raises(TaskNotFoundError):
            other.job(job.id).record()
        again = keys.create("ann")
        until("the new key is let in", lambda: status(url, again) == 200, seconds=SOON)
        keys.take_away(ann)
        began = time.monotonic()
        while status(url, ann) == 200:
            assert status(url, again) == 200
            assert time.monotonic() - began < SOON, "the old key is still let in"
            time.sleep(0.5)
        diary.say(f"the old key is refused {time.monotonic() - began:.1f} s after it was taken away")
        with pytest.raises(UnauthorizedError):
            job.record()
    with Client(url, api_key=again.text) as client:
        assert client.job(job.id).record().caller == "ann"


def test_a_key_is_good_for_what_its_entry_says(url: str, keys: Keys) -> None:
    reads, submits = (
        keys.create("reads", "--scope=read"),
        keys.create("submits", "--scope=submit", "--max-body-bytes=1024"),
    )
    governs = keys.create("governs", "--scope=admin")
    keys.await_all(governs)
    task = {"task": "echo", "args": {"text": "x"}}
    answers = [httpx2.post(f"{url}/v1/tasks", json=task, headers=key.headers) for key in (reads, submits, governs)]
    assert [answer.status_code for answer in answers] == [403, 202, 202]
    assert (answers[0].json()["code"], answers[0].headers["content-type"]) == ("forbidden", "application/problem+json")
    assert [status(url, key) for key in (reads, submits, governs)] == [200, 403, 200]
    sent = f"{url}{answers[1].headers['location']}"
    assert [httpx2.get(sent, headers=key.headers).status_code for key in (reads, governs)] == [404, 200]
    assert [httpx2.delete(sent, headers=key.headers).status_code for key in (reads, governs)] == [403, 200]
    task["args"] = {"text": "x" * 1024}
    answers = [httpx2.post(f"{url}/v1/tasks", json=task, headers=key.headers) for key in (submits, governs)]
    assert [answer.status_code for answer in answers] == [413, 202]
    assert answers[0].json()["code"] == "payload-too-large"
    unannounced = httpx2.post(f"{url}/v1/tasks", content=repeat(b" " * 512, 64), headers=submits.headers)
    assert unannounced.status_code == 413, "while it is read"


def test_a_webhook_is_signed_by_the_secrets_of_its_tasks_key(url: str, keys: Keys, namespace: Namespace) -> None:
    """With the commands of docs/keys.md and docs/webhooks.md, which change the secret while the key stays."""
    ci, bob = _as_the_page_makes_it(), keys.create("bob")
    keys.await_all(bob)
    options = {"callback_url": f"http://{RECEIVER}:{PORT}/told"}

    def told(key: Key) -> tuple[Job[Any], int]:
        """Submit a task; return it with what the receiver answered first, once it could be reached."""
        with Client(url, api_key=key.text) as client:
            job = client.submit("echo", text="x", options=options)
            return job, until("the receiver was told", lambda: answers(job), seconds=SOON)[0]

    with receiving(namespace, ci.webhook_secret) as receiver:
        (job, taken), (_, refused) = told(ci), told(bob)
        assert (taken, refused) == (204, 401), "its receiver has the secret of ci"
        named = f"{job.id}_succeeded"
        assert {name for name, _ in receiver.told(named)} == {named}
        changed = put(block("docs/webhooks.md", "item=ci."), ("ci.086c7714", ci.file))
        both = own(f"{changed}\necho; echo $both").splitlines()[-1]
        own(block("docs/keys.md", "annotate pods"))
        until("the system pool has both", lambda: both in _entry(namespace, ci), seconds=SOON)
        time.sleep(READ_SECONDS)
        assert told(ci)[1] == 204, "the receiver knows the old one"
    new = own("jq -r '.webhook_secrets[0]' <<< \"$both\"", both=both).strip()
    with receiving(namespace, new):
        assert told(ci)[1] == 204, "the receiver knows the new one"
    own(block("docs/webhooks.md", "one=$(jq"), item=ci.file, both=both)
    kept = namespace.get("secret", SECRET)["data"][ci.file]
    assert json.loads(b64decode(kept)) == json.loads(both) | {"webhook_secrets": [new]}
    assert _called(ci, url).splitlines()[0] == '"hello"'


def _of_the_page(program: str) -> str:
    """Return the command of this program that docs/keys.md has its reader type in Kubernetes."""
    (command,) = [each for each in commands("docs/keys.md", "warren keys create ci") if each.startswith(f"{program} ")]
    return command


def _as_the_page_makes_it() -> Key:
    """Return a key that docs/keys.md has its reader make, after the command that this prints was typed."""
    said = own(_of_the_page("warren"))
    (patch,) = re.findall(r"^ +(kubectl .*stringData.*)$", said, re.MULTILINE)
    own(patch)
    (text,), (secret,) = (
        re.findall(r"^ +(warren_\S+)$", said, re.MULTILINE),
        re.findall(r"^ +(whsec_\S+)$", said, re.MULTILINE),
    )
    (file,) = json.loads(patch[patch.index("{") : patch.rindex("}") + 1])["stringData"]
    return Key(text, file, secret)


def _entry(namespace: Namespace, key: Key) -> str:
    """Return a key's entry as the system pool's pod has it."""
    return namespace.execute(f"deployment/{SYSTEM}", "cat", f"/etc/warren/keys/{key.file}").stdout


def _called(key: Key, url: str) -> str:
    """Return what the calls of docs/keys.md with a key print."""
    export, submit, curl = commands("docs/keys.md", "export WARREN_API_KEY")
    calls = [put(export, ("warren_...", key.text)), submit, put(curl, ("http://127.0.0.1:8000", url), ("-s", "-sf"))]
    return own("\n".join(calls), WARREN_URL=url)


def test_webhooks_of_one_key_that_nobody_answers_keep_no_others_waiting(
    url: str, pair: tuple[Key, Key], namespace: Namespace
) -> None:
    ann, bob = pair
    deaf, heard = ({"callback_url": f"http://{RECEIVER}:{port}/told"} for port in (DEAF, PORT))
    work = {"task": "echo", "args": {"text": "x"}, "options": deaf}
    with receiving(namespace, bob.webhook_secret), Client(url, api_key=ann.text) as client:
        stuck = client.submit_many([work] * TOLD)
        client.gather(stuck, timeout=60)
        with Client(url, api_key=bob.text) as others:
            job = others.submit("echo", text="x", options=heard)
            until("it is told", lambda: job.deliveries().status is WebhookState.DELIVERED, seconds=SOON)
        assert not any(one.deliveries().attempts for one in stuck), "hers still wait for their first answers"


def test_a_key_that_waits_for_much_keeps_no_other_from_waiting(url: str, pair: tuple[Key, Key]) -> None:
    ann, bob = pair
    waiting = {"Prefer": "wait=50"}
    echo = {"task": "echo", "args": {"text": "x"}}

    def waited(task_id: str) -> httpx2.Response:
        return httpx2.get(f"{url}/v1/tasks/{task_id}", headers=ann.headers | waiting, timeout=60)

    with ThreadPoolExecutor(WAITS) as several, Client(url, api_key=ann.text) as client:
        job = client.submit("echo", text="x", options={"delay_seconds": 600})
        waits = [several.submit(waited, job.id) for _ in range(WAITS)]
        until("some are refused", lambda: sum(map(Future.done, waits)) >= WAITS - HELD, seconds=10)
        hers, his = (
            httpx2.post(f"{url}/v1/tasks", json=echo, headers=key.headers | waiting, timeout=60) for key in (ann, bob)
        )
        assert hers.status_code == 202, "accepted, though not waited for"
        assert (his.status_code, his.json()["result"]) == (200, "x")
        over = [one.result() for one in waits if one.done()]
        job.cancel()
        assert Counter(one.result().status_code for one in waits) == {200: HELD, 429: WAITS - HELD}
    assert len(over) == WAITS - HELD
    for refused in over:
        assert (refused.json()["code"], refused.headers["Retry-After"]) == ("rate-limited", "1")
        assert "its share" in refused.json()["detail"]


def test_a_key_that_sends_slowly_keeps_no_others_bodies_out(url: str, pair: tuple[Key, Key]) -> None:
    ann, bob = pair
    begun, end = threading.Event(), threading.Event()
    large = json.dumps({"task": "echo", "args": {"text": "x"}}).encode().ljust(LARGE)
    described = {"Content-Type": "application/json", "Content-Length": str(LARGE)}

    def slowly() -> Iterator[bytes]:
        yield large[:1]
        begun.set()
        end.wait(60)
        yield large[1:]

    def sent(key: Key, content: bytes | Iterator[bytes]) -> httpx2.Response:
        return httpx2.post(f"{url}/v1/tasks", content=content, headers=key.headers | described, timeout=60)

    with ThreadPoolExecutor() as several:
        slow = several.submit(sent, ann, slowly())
        try:
            begun.wait(10)
            # What was sent so far takes a moment to come to the producer.
            late = until("hers counts", lambda: answer if (answer := sent(ann, large)).is_error else None, seconds=10)
            others = sent(bob, large)
        finally:
            end.set()
        assert slow.result().status_code == 202
    assert (late.status_code, "its share" in late.json()["detail"]) == (429, True)
    assert others.status_code == 202


def test_one_request_after_another_and_each_task_of_a_batch_count(url: str, keys: Keys, pair: tuple[Key, Key]) -> None:
    _, other = pair
    slow = keys.create("slow", f"--requests-per-second={RATE}")
    keys.await_all(slow)

    def sent(count: int) -> httpx2.Response:
        body = {"tasks": [{"task": "echo", "args": {"text": "x"}}] * count}
        return httpx2.post(f"{url}/v1/tasks/batch", json=body, headers=slow.headers, timeout=30)

    large = sent(21)
    assert (large.status_code, large.json()["code"]) == (413, "batch-too-large")
    assert sent(15).json()["accepted"] == 15
    late = until("one has to wait", lambda: answer if (answer := sent(15)).is_client_error else None, seconds=30)
    assert (late.status_code, late.json()["code"]) == (429, "rate-limited")
    assert 1 <= int(late.headers["Retry-After"]) <= 8
    with Client(url, api_key=slow.text, patience=30) as client:
        assert len({job.id for job in client.submit_many([{"task": "echo", "args": {"text": "x"}}] * 12)}) == 12

    with _asking(url, slow) as hers, _asking(url, other) as his:
        first = until("one has to wait", lambda: one if (one := Asked.of(hers)).refused else None, seconds=10, every=0)
        asked = [first]
        while asked[-1].came - first.came < RATED_SECONDS:
            asked.append(Asked.of(hers))
            assert not Asked.of(his).refused
    late = first.answer
    assert (late.status_code, late.json()["code"], late.headers["Retry-After"]) == (429, "rate-limited", "1")
    last = max(number for number, one in enumerate(asked) if one.refused)
    refused = sum(one.refused for one in asked[: last + 1])
    # Between two that found nothing left, so many came in as were used, but for a part of one at either end.
    least, most = asked[last].sent - first.came, asked[last].came - first.sent
    assert RATE * least - 1 <= last + 1 - refused <= RATE * most + 1
    assert refused > last + 1 - refused


@dataclass(frozen=True)
class Asked:
    """A request for the pools: how it was answered, and when it was sent, and its answer came."""

    answer: httpx2.Response
    sent: float
    came: float

    @classmethod
    def of(cls, client: httpx2.Client) -> Asked:
        """Ask."""
        sent = time.monotonic()
        return cls(client.get("/v1/pools"), sent, time.monotonic())

    @property
    def refused(self) -> bool:
        """Whether it came too soon; otherwise it was answered."""
        assert self.answer.status_code in {200, 429}
        return self.answer.is_error


def _asking(url: str, key: Key) -> httpx2.Client:
    """Return who asks over and over, with a key, on one connection."""
    return httpx2.Client(base_url=url, headers=key.headers, timeout=10)
