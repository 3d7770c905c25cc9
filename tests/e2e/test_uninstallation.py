"""`helm uninstall` in the middle of work leaves what the user made, and nothing that keeps it from being deleted."""

import json
import time
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.node import killed_at
from tests.e2e.patience import until
from tests.e2e.pools import deployment
from tests.e2e.release import CRDS, Release
from tests.e2e.training import iris, read
from tests.e2e.workshop import CRASHING
from tests.e2e.workshop_tasks import POOL as WORKSHOP
from tools.cluster.kubectl import answers, kubectl
from warren.client import Client
from warren.record import State

pytestmark = pytest.mark.timeout(300)

OF_EVERY_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
ENDLESS = {"estimator": "MLPClassifier", "max_iter": 10**8, "n_iter_no_change": 10**8}
ILL = ("Liveness probe failed", "failed liveness probe", "Back-off restarting", "Evicted")
LEFT = ("mljob.warren.dev/", "persistentvolumeclaim/", f"configmap/{WORKSHOP}")


def test_no_container_was_restarted_or_had_to_wait(namespace: Namespace, diary: Diary) -> None:
    diary.say(namespace.run("get", "pods"))
    events = json.loads(namespace.run("get", "events", "-o", "json"))["items"]
    ill = [event for event in events if any(word in event.get("message", "") for word in ILL)]
    lines = [f"{event['involvedObject']['name']}: {event['message']}" for event in ill if not _of_the_killed(event)]
    assert [line for line in lines if not _killed_on_purpose(line)] == []
    restarted = {
        pod["metadata"]["labels"].get("warren.dev/pool", pod["metadata"]["name"])
        for pod in namespace.all("pods")
        for status in pod["status"].get("containerStatuses", [])
        if status["restartCount"]
    }
    assert restarted <= {WORKSHOP, CRASHING}, "their consumers are killed, or crash, on purpose"


def test_only_what_the_user_made_is_left(release: Release, namespace: Namespace, client: Client, diary: Diary) -> None:
    namespace.apply(iris("endless", parameters=ENDLESS))
    busy = client.submit("sleep", seconds=600)
    until("a consumer is busy", lambda: busy.status is State.STARTED, seconds=40)
    until("a training run is under way", lambda: read(namespace, "endless").phase == "Running", seconds=40)

    began = time.monotonic()
    with diary.stage("helm uninstall"):
        release.uninstall()
    while (surplus := _surplus(namespace)) and time.monotonic() - began < 90:
        time.sleep(0.3)
    assert surplus == set(), "nobody made that but the release"
    assert time.monotonic() - began < 90
    diary.say(f"after {time.monotonic() - began:.1f} s: {' '.join(sorted(_resources(namespace)))}")
    assert "mljob.warren.dev/endless" in _resources(namespace)
    assert all(answers("get", "crd", crd) for crd in CRDS)


def test_what_is_left_can_be_deleted(release: Release, namespace: Namespace, diary: Diary) -> None:
    assert not release.installed(), "this follows the uninstall"
    with diary.stage("deleting the MLJob"):
        namespace.run("delete", "mljob", "endless", "--wait=false")
        until("the MLJob is gone", lambda: not namespace.tried("get", "mljob", "endless"), seconds=20)
    with diary.stage("deleting the namespace"):
        kubectl("delete", "namespace", namespace.name, "--wait=false")
        until("the namespace is gone", lambda: not answers("get", "namespace", namespace.name), seconds=60)


def _killed_on_purpose(event: str) -> bool:
    """Tell whether one of the workshop's consumers dies or comes back; nothing else is forgiven them."""
    dies_or_comes_back = "Liveness probe failed" in event or "Back-off restarting" in event
    crashes = event.startswith(deployment(CRASHING)) and "Back-off restarting" in event
    return crashes or (event.startswith(deployment(WORKSHOP)) and dies_or_comes_back)


def _of_the_killed(event: dict[str, Any]) -> bool:
    """Tell whether it befell a pod for the first time when its processes had been killed on its node."""
    killed = killed_at.get(event["involvedObject"].get("uid", ""))
    return killed is not None and datetime.fromisoformat(event["firstTimestamp"]).timestamp() >= int(killed)


def _surplus(namespace: Namespace) -> set[str]:
    return {name for name in _resources(namespace) - OF_EVERY_NAMESPACE if not name.startswith(LEFT)}


def _resources(namespace: Namespace) -> set[str]:
    """Return all that there is in the namespace, of whatever kind, but for the Events."""
    kinds = set(kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").split())
    return set(namespace.names(",".join(sorted(kinds - {"events", "events.events.k8s.io"}))))
