"""The operator as a process, on a real API server, broker, store, object storage and Prometheus."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.operator.conftest import Namespace
from tests.integration.operator.deployments import deployment
from tests.integration.servers import Workspace, tied
from warren.broker import Delivery
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.message import decode_task
from warren.model import Manifest
from warren.objects.s3 import S3Objects
from warren.payloads import Payloads
from warren.pool import DEFAULT_POOLS
from warren.record import Lease, Outcome, State, TaskError
from warren.records.redis import RedisRecords
from warren.repository import Repository
from warren.submission import Submitter
from warren.tasks import Task
from warren.topology import topology
from warren.training import TrainReport
from warren_operator.cluster.api import ApiCluster
from warren_operator.permissions import PERMISSIONS

EXAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "examples"
POOL = DEFAULT_POOLS[1]
WAKES = 20
DEPLOYMENT = deployment("trainers")
SCALING = {
    "apiVersion": "warren.dev/v1alpha1",
    "kind": "ConsumerPool",
    "metadata": {"name": "trainers"},
    "spec": {
        "queue": POOL.queue,
        "scaleTargetRef": {"name": "trainers"},
        "maxReplicas": 2,
        "scaleDown": {"stabilizationSeconds": 3},
    },
}


class Operator:
    """A process of the operator, which can be killed and started anew."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self.start()

    def start(self) -> None:
        """Start the process."""
        program = Path(sys.executable).parent / "warren-operator"
        with self._log.open("a") as log:
            self._process = subprocess.Popen(tied(program), env=self._environment, stderr=log, stdout=log)

    def kill(self) -> None:
        """Let the process die without a word."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Tell the process to end; return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()


def with_its_role(namespace: Namespace, folder: Path) -> Path:
    """Return a kubeconfig that may do what the operator's Role allows, and nothing else."""
    rules = [
        {"apiGroups": [call.group], "resources": [call.resource], "verbs": [call.verb]} for call in sorted(PERMISSIONS)
    ]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "operator"},
        "rules": rules,
    }
    namespace.kubectl("apply", "--filename", "-", given=yaml.safe_dump(role))
    namespace.kubectl("create", "serviceaccount", "operator")
    namespace.kubectl(
        "create", "rolebinding", "operator", "--role=operator", f"--serviceaccount={namespace.name}:operator"
    )
    config = json.loads(namespace.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
    config["users"][0]["user"] = {"token": namespace.kubectl("create", "token", "operator").strip()}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def operator(
    request: pytest.FixtureRequest,
    workspace: Workspace,
    namespace: Namespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Operator]:
    """Run the operator with no more rights than it has in a release: its Role here, its user on the broker.

    A parameter holds more of its environment.
    """
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    asyncio.run(provision(topology(DEFAULT_POOLS), *urls, lambda _: None))
    for name, value in workspace.objects_environment.items():
        monkeypatch.setenv(name, value)
    for document in (DEPLOYMENT, SCALING):
        namespace.kubectl("apply", "--filename", "-", given=yaml.safe_dump(document))
    assert workspace.servers.prometheus
    process = Operator(
        {
            **workspace.objects_environment,
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(with_its_role(namespace, tmp_path)),
            "WARREN_NAMESPACE": namespace.name,
            "WARREN_BROKER_URL": workspace.broker_url("warren-operator"),
            "WARREN_RECORDS_URL": workspace.records_url,
            "WARREN_STORAGE_BUCKET": workspace.bucket,
            "WARREN_PROMETHEUS_URL": workspace.servers.prometheus.spec.url,
            **getattr(request, "param", {}),
        },
        tmp_path / "operator.log",
    )
    try:
        yield process
        assert process.stop() == 0, process.log
        assert "Traceback" not in process.log, process.log
    finally:
        process.kill()


async def until(what: str, holds: Callable[[], bool], operator: Operator, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < end, f"{what} did not come about in {seconds} s; the operator said:\n{operator.log}"
        await asyncio.sleep(0.3)


def status(namespace: Namespace, name: str = "iris") -> dict[str, Any]:
    found = json.loads(namespace.kubectl("get", "mljob", name, "--output=json"))
    return dict(found.get("status", {}))


def in_phase(namespace: Namespace, phase: str) -> Callable[[], bool]:
    return lambda: status(namespace).get("phase") == phase


def told_of(namespace: Namespace, reason: str) -> Callable[[], bool]:
    return lambda: reason in namespace.kubectl("events", "--for", "mljob/iris")


def replicas(namespace: Namespace, count: int) -> Callable[[], bool]:
    wanted = ("get", "deployment", "trainers", "--output=jsonpath={.spec.replicas}")
    return lambda: namespace.kubectl(*wanted) == str(count)


class Consumer:
    """What a training consumer does, by hand."""

    def __init__(self, workspace: Workspace, delivery: Delivery, records: RedisRecords) -> None:
        self._repository = Repository(S3Objects(), workspace.bucket)
        self._delivery = delivery
        self._records = records
        self.task: Task = decode_task(delivery.message, POOL.name)
        self.lease: Lease

    async def claim(self) -> None:
        claim = await self._records.claim(self.task, "by-hand", alone=True)
        assert claim.lease, claim
        self.lease = claim.lease

    async def succeed(self, folder: Path) -> None:
        file = folder / "model.onnx"
        file.write_bytes(b"a model")
        version = json.loads(self.task.payload.body)["version"]
        manifest = await self._repository.publish(
            Manifest(
                name="iris",
                version=version,
                file="m.onnx",
                sha256="a" * 64,
                size=7,
                framework="by hand",
                inputs=(),
                outputs=(),
                metrics={"accuracy": 0.97},
                created_at=datetime.now(UTC),
            ),
            file,
        )
        uri = str(self._repository.uri("iris", version, manifest.file))
        report = TrainReport(
            name="iris", version=version, uri=uri, sha256=manifest.sha256, metrics=manifest.metrics, promoted=False
        )
        await self._end(Outcome(State.SUCCEEDED, result=report.model_dump_json().encode()))

    async def fail(self, code: str, message: str) -> None:
        await self._end(Outcome(State.FAILED, error=TaskError(code=code, message=message)))

    async def _end(self, outcome: Outcome) -> None:
        assert await self._records.finish(self.lease, self.task, outcome)
        await self._records.settle(self.task.id)
        await self._delivery.ack()


@asynccontextmanager
async def consumer(workspace: Workspace) -> AsyncIterator[Consumer]:
    """Take the next task from the training pool's queue."""
    broker, records = AmqpBroker(workspace.broker_url("warren-consumer")), workspace.records()
    try:
        async with asyncio.timeout(90), broker.subscribe(POOL.queue, prefetch=1) as subscription:
            async for delivery in subscription:
                found = Consumer(workspace, delivery, records)
                await found.claim()
                yield found
                break
    finally:
        await broker.close()
        await records.close()


async def test_a_run_from_zero_to_its_model_with_the_operator_killed_in_between(
    operator: Operator,
    namespace: Namespace,
    workspace: Workspace,
    tmp_path: Path,
) -> None:
    namespace.kubectl("apply", "--filename", str(EXAMPLES / "iris.yaml"))
    await until("Queued", in_phase(namespace, "Queued"), operator)
    await until("a replica", replicas(namespace, 1), operator)
    operator.kill()
    async with consumer(workspace) as trainer:
        operator.start()
        await until("Running", in_phase(namespace, "Running"), operator)
        # An event that is not sent yet dies with the operator.
        await until("an event", told_of(namespace, "Started"), operator)
        operator.kill()
        await trainer.succeed(tmp_path)
    operator.start()
    await until("Complete", in_phase(namespace, "Complete"), operator)
    await until("no replica", replicas(namespace, 0), operator)

    told = status(namespace)
    assert told["metrics"] == {"accuracy": 0.97}
    assert told["model"]["uri"].startswith(f"s3://{workspace.bucket}/models/iris/")
    conditions = {condition["type"]: condition for condition in told["conditions"]}
    assert {name: condition["status"] for name, condition in conditions.items()} == {
        "Queued": "False",
        "Running": "False",
        "Complete": "True",
    }
    times = [conditions[name]["lastTransitionTime"] for name in ("Queued", "Running", "Complete")]
    assert times == sorted(times)
    for reason in ("Waiting", "Started", "ModelCreated"):
        await until(reason, told_of(namespace, reason), operator)
    assert "iris" in namespace.kubectl("get", "mljobs")
    namespace.kubectl("delete", "mljob", "iris", "--timeout=5s")


async def test_a_failed_run_and_a_deleted_one(
    operator: Operator,
    namespace: Namespace,
    workspace: Workspace,
) -> None:
    namespace.kubectl("apply", "--filename", str(EXAMPLES / "iris.yaml"))
    async with consumer(workspace) as trainer:
        await trainer.fail("dataset-not-found", "s3://warren/datasets/iris.csv does not exist")
    await until("Failed", in_phase(namespace, "Failed"), operator)
    (failed,) = (condition for condition in status(namespace)["conditions"] if condition["type"] == "Failed")
    assert (failed["reason"], failed["message"]) == ("DatasetNotFound", "s3://warren/datasets/iris.csv does not exist")

    namespace.kubectl("apply", "--filename", str(EXAMPLES / "wine.yaml"))
    await until("Queued", lambda: status(namespace, "wine").get("phase") == "Queued", operator)
    task_id = status(namespace, "wine")["taskId"]
    namespace.kubectl("delete", "mljob", "wine", "--timeout=20s")
    records = workspace.records()
    (record,) = await records.read([task_id])
    await records.close()
    assert record
    assert record.state is State.CANCELED


@pytest.mark.parametrize("operator", [{"WARREN_TICK_SECONDS": "30", "WARREN_RESYNC_SECONDS": "600"}], indirect=True)
async def test_a_submitted_task_wakes_the_pool_long_before_a_round_looks(
    operator: Operator,
    namespace: Namespace,
    workspace: Workspace,
) -> None:
    looked = ("get", "consumerpool", "trainers", "--output=jsonpath={.status.observedGeneration}")
    await until("the first round", lambda: bool(namespace.kubectl(*looked)), operator)
    broker, records = AmqpBroker(workspace.broker_url("warren-producer")), workspace.records()
    api = await ApiCluster.connect(namespace.name, namespace.kubeconfig)
    seconds = []
    try:
        for _ in range(WAKES):
            await api.write_scale("trainers", 0)
            submitter = Submitter(broker, records, Payloads(S3Objects(), workspace.bucket))
            await submitter.submit(Task(name="train", pool=POOL.name))
            confirmed = time.monotonic()
            async with asyncio.timeout(10):
                while not (await api.scale("trainers")).wanted:  # noqa: ASYNC110 - it is looked at from outside
                    await asyncio.sleep(0.005)
            seconds.append(time.monotonic() - confirmed)
    finally:
        for port in (broker, records, api):
            await port.close()
    print("from the confirm to the scale patch:", ", ".join(f"{wait:.3f} s" for wait in sorted(seconds)))  # noqa: T201
