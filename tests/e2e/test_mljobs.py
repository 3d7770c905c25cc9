"""Training runs: from `kubectl apply` to a model in S3, and what is said where that cannot be."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.e2e.bucket import BUCKET, objects
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace, Sequence
from tests.e2e.patience import until
from tests.e2e.pools import deployment, fall_asleep, replicas
from tests.e2e.release import Release
from tests.e2e.training import IRIS, Job, ended, iris
from tools.cluster.stages import ClusterError

pytestmark = pytest.mark.timeout(300)

POOL = "train-cpu"
FLOWERS = {"setosa": (5.1, 3.5, 1.4, 0.2), "versicolor": (5.9, 2.8, 4.3, 1.3), "virginica": (6.5, 3.0, 5.8, 2.2)}


@dataclass(frozen=True)
class Run:
    """What was seen of the example's run."""

    job: Job
    pool: Sequence
    conditions: Sequence


@pytest.fixture(scope="module", name="run")
def _run(release: Release, diary: Diary) -> Run:
    """The example of the README, followed until its pool sleeps again."""
    namespace = release.namespace
    fall_asleep(namespace, POOL)
    standing = '{.status.conditions[?(@.status=="True")]'
    true = f"{standing}.type}} {standing}.lastTransitionTime}}"
    with namespace.watched(f"deployment/{deployment(POOL)}", "{.spec.replicas}") as pool:
        namespace.run("apply", "-f", str(IRIS))
        with namespace.watched("mljob/iris", true) as conditions:
            job = ended(namespace, "iris", seconds=60)
            until("the pool sleeps again", lambda: replicas(namespace, POOL) == 0 and len(pool.values) > 1, seconds=45)
    diary.say(f"{POOL}: {pool}\niris: {conditions}")
    return Run(job, pool, conditions)


def test_a_training_pool_goes_from_0_to_1_and_back(run: Run) -> None:
    assert run.pool.values == ["0", "1", "0"]


def test_each_condition_was_seen_and_has_its_own_time(run: Run, diary: Diary) -> None:
    kinds, times = zip(*(value.split() for value in run.conditions.values if value), strict=True)
    assert kinds == ("Queued", "Running", "Complete")
    queued, running, complete = times
    # The pool slept, so that the job waited for seconds; a run may be over within one.
    assert run.job.document["metadata"]["creationTimestamp"] <= queued < running <= complete
    at_the_end = {kind: run.job.condition(kind) for kind in kinds}
    diary.say("\n".join(f"{kind}: {condition}" for kind, condition in at_the_end.items()))
    # Queued ended when Running began, and Running when Complete did.
    turned = {kind: (condition["status"], condition["lastTransitionTime"]) for kind, condition in at_the_end.items()}
    assert turned == {"Queued": ("False", running), "Running": ("False", complete), "Complete": ("True", complete)}


def test_the_run_is_told_in_one_table(run: Run, namespace: Namespace, diary: Diary) -> None:
    table = namespace.run("get", "mljobs,consumerpools")
    diary.say(table)
    line = next(line.split() for line in table.splitlines() if line.startswith("mljob.warren.dev/iris"))
    assert line[1:4] == ["Complete", "iris", "1"]
    assert float(line[5]) >= 0.9


def test_the_model_in_s3_runs_in_onnxruntime(run: Run, namespace: Namespace) -> None:
    model = run.job.status["model"]
    with objects(namespace) as bucket:
        file = bucket.read(model["uri"].removeprefix(f"s3://{BUCKET}/"))
    assert hashlib.sha256(file).hexdigest() == model["sha256"]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    rows = np.array(list(FLOWERS.values()), dtype=np.float32)
    (labels,) = session.run(["label"], {session.get_inputs()[0].name: rows})
    assert labels.tolist() == [0, 1, 2]


def test_a_job_that_was_handed_to_its_pool_cannot_be_changed(run: Run, namespace: Namespace) -> None:
    with pytest.raises(ClusterError, match="the job has been handed to its pool"):
        namespace.patch("mljob", "iris", {"parameters": {"estimator": "Ridge"}})


FAILURES: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing-dataset": (
        {"dataset": {"uri": "s3://warren/datasets/nothing.csv", "target": "species"}},
        "DatasetNotFound",
        "s3://warren/datasets/nothing.csv",
    ),
    "foreign-bucket": (
        {"dataset": {"uri": "s3://elsewhere/iris.csv", "target": "species"}},
        "DatasetForbidden",
        "s3://elsewhere/iris.csv",
    ),
    "missing-target": (
        {"dataset": {"uri": "s3://warren/datasets/iris.csv", "target": "kind"}},
        "TargetNotFound",
        "'kind'",
    ),
    "unknown-trainer": ({"trainer": "abacus"}, "UnknownTrainer", "'abacus'"),
    "unknown-estimator": ({"parameters": {"estimator": "Oracle"}}, "UnknownEstimator", "'Oracle'"),
    "parameter-out-of-range": (
        {"parameters": {"estimator": "LogisticRegression", "C": -1}},
        "InvalidParameter",
        "'C'",
    ),
    "no-such-pool": ({"accelerator": "gpu"}, "WrongPool", "'train-gpu'"),
}


def test_jobs_that_must_fail_say_why(namespace: Namespace, diary: Diary) -> None:
    for name, (spec, _, _) in FAILURES.items():
        namespace.apply(iris(name, **spec))
    jobs = {name: ended(namespace, name, seconds=60) for name in FAILURES}
    diary.say(namespace.run("get", "mljobs"))
    for name, job in jobs.items():
        diary.say(f"{name}: {job.condition('Failed')['reason']}: {job.condition('Failed')['message']}")
    assert {name: job.phase for name, job in jobs.items()} == dict.fromkeys(FAILURES, "Failed")
    for name, (_, reason, word) in FAILURES.items():
        failed = jobs[name].condition("Failed")
        assert failed["reason"] == reason
        assert word in failed["message"]
        assert jobs[name].status["attempt"] <= 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"datset": {}}, 'unknown field "spec.datset"'),
        ({"dataset": {"uri": "https://x/iris.csv", "target": "species"}}, "s3://bucket/path/to/file.csv"),
        ({"model": {"name": "Iris Model"}}, "a model's name is a lower-case word"),
        ({"model": {"name": "iris", "promote": "accuracy is good"}}, "promote is one metric"),
        ({"backoffLimit": -1}, "spec.backoffLimit"),
        ({"accelerator": "quantum"}, '"cpu", "gpu"'),
        ({"trainer": None}, "spec.trainer: Required value"),
    ],
)
def test_a_job_with_a_mistake_is_refused_with_its_place(namespace: Namespace, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ClusterError) as refused:
        namespace.apply(iris("refused", **spec))
    assert words in str(refused.value)
