"""API keys in the cluster: a Secret that is changed while the producers serve decides who may call."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.release import Release
from tests.e2e.shell import Shell
from warren.client import Client
from warren.errors import TaskNotFoundError, UnauthorizedError

pytestmark = pytest.mark.timeout(400)

SECRET = "warren-keys"
PRODUCER = "app.kubernetes.io/component=producer"
SOON = 90
"""Within how many seconds a kubelet writes a Secret that changed into the pods, even if nothing hurries it."""


class Keys:
    """The Secret, through the commands that a person uses."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._shell = Shell(namespace)

    def create(self, name: str, *arguments: str) -> str:
        """Make a key, put its entry into the Secret, and return it."""
        made = self._shell.document("keys", "create", name, *arguments)
        self._change(made["patch"])
        return str(made["key"])

    def take_away(self, key: str, name: str) -> None:
        """Take a key's entry out of the Secret."""
        self._change({"data": {f"{name}.{key.split('_')[1]}": None}})

    def _change(self, patch: dict[str, dict[str, str | None]]) -> None:
        self._namespace.run("patch", "secret", SECRET, "-p", json.dumps(patch))
        # As docs/keys.md says: a pod that changes is looked at anew at once, with its Secrets.
        self._namespace.run("annotate", "pods", "-l", PRODUCER, f"warren.dev/keys={time.time()}", "--overwrite")


@pytest.fixture(name="url")
def _url(release: Release, namespace: Namespace, diary: Diary) -> Iterator[str]:
    """The API of a release that asks for keys; there is no Secret yet."""
    with diary.stage("helm upgrade with producer.keys.enabled=true"):
        release.upgrade("producer.keys.enabled=true")
    try:
        with namespace.forwarded("warren-producer", 8000) as address:
            yield f"http://{address}"
    finally:
        with diary.stage("helm upgrade with producer.keys.enabled=false"):
            release.upgrade("producer.keys.enabled=false")
        namespace.run("delete", "secret", SECRET, "--ignore-not-found")


def status(url: str, key: str = "") -> int:
    """Return how a request is answered."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.get(f"{url}/v1/pools", headers=headers, timeout=10).status_code


def test_who_may_call_is_decided_by_a_secret(url: str, namespace: Namespace, diary: Diary) -> None:
    assert [status(url), httpx2.get(f"{url}/metrics").status_code, httpx2.get(f"{url}/docs").status_code] == [
        401,
        200,
        200,
    ]
    namespace.run("create", "secret", "generic", SECRET)
    keys = Keys(namespace)
    began = time.monotonic()
    ann, bob = keys.create("ann"), keys.create("bob")
    until("both keys are let in", lambda: status(url, ann) == status(url, bob) == 200, seconds=SOON)
    diary.say(f"keys are let in {time.monotonic() - began:.1f} s after the Secret has them")
    with Client(url, api_key=ann) as client, Client(url, api_key=bob) as other:
        job = client.submit("echo", text="hello")
        assert job.get(timeout=60) == "hello"
        with pytest.raises(TaskNotFoundError):
            other.job(job.id).record()
        again = keys.create("ann")
        until("the new key is let in", lambda: status(url, again) == 200, seconds=SOON)
        keys.take_away(ann, "ann")
        began = time.monotonic()
        while status(url, ann) == 200:
            assert status(url, again) == 200
            assert time.monotonic() - began < SOON, "the old key is still let in"
            time.sleep(0.5)
        diary.say(f"the old key is refused {time.monotonic() - began:.1f} s after it was taken away")
        with pytest.raises(UnauthorizedError):
            job.record()
    with Client(url, api_key=again) as client:
        assert client.job(job.id).record().caller == "ann"
