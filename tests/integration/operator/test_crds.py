"""The API server takes every example, and refuses mistakes with words that a person understands."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.operator.conftest import Namespace
from tools.cluster.stages import ClusterError

EXAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "examples"


def example(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()))


def changed(name: str, path: str, value: object) -> str:
    document = copy.deepcopy(example(name))
    *way, last = path.split(".")
    place = document
    for word in way:
        place = place.setdefault(word, {})
    place[last] = value
    return yaml.safe_dump(document)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_taken(namespace: Namespace, path: Path) -> None:
    namespace.kubectl("apply", "--filename", str(path))
    table = namespace.kubectl("get", "warren")
    assert yaml.safe_load(path.read_text())["metadata"]["name"] in table


@pytest.mark.parametrize(
    ("name", "path", "value", "said"),
    [
        ("iris", "spec.trainr", "sklearn", 'unknown field "spec.trainr"'),
        ("iris", "spec.model.promot", "x", 'unknown field "spec.model.promot"'),
        ("iris", "spec.dataset.uri", "http://a/b", "the dataset's uri has the form s3://bucket/path/to/file.csv"),
        ("iris", "spec.dataset.target", "", "spec.dataset.target"),
        ("iris", "spec.model.promote", "accuracy is good", "promote is one metric, one of >= > <= < == and a number"),
        ("iris", "spec.model.promote", "__import__('os') > 1", "promote is one metric"),
        ("iris", "spec.model.name", "Iris_2", "a model's name is a lower-case word"),
        ("iris", "spec.pool", "GPU 1", "a pool's name is a lower-case word"),
        ("iris", "spec.accelerator", "tpu", 'supported values: "cpu", "gpu"'),
        ("iris", "spec.priority", "urgent", 'supported values: "normal", "high"'),
        ("iris", "spec.backoffLimit", -1, "greater than or equal to 0"),
        ("iris", "spec.activeDeadlineSeconds", 0, "greater than or equal to 1"),
        ("consumerpool", "spec.minReplicas", 6, "minReplicas must not be above maxReplicas"),
        ("consumerpool", "spec.spareSlots", 6, "spareSlots must fit into maxReplicas replicas of concurrency tasks"),
        ("consumerpool", "spec.spareSlots", -1, "greater than or equal to 0"),
        ("consumerpool", "spec.target.waitSeconds", 5, "exactly one of waitSeconds and tasksPerReplica"),
        ("consumerpool", "spec.scaleTargetRef", {}, "spec.scaleTargetRef.name: Required value"),
    ],
)
def test_a_mistake_is_refused_in_words(namespace: Namespace, name: str, path: str, value: object, said: str) -> None:
    with pytest.raises(ClusterError) as refusal:
        namespace.kubectl("apply", "--filename", "-", given=changed(name, path, value))
    assert said in str(refusal.value)


def test_a_job_that_was_handed_over_cannot_become_another(namespace: Namespace) -> None:
    def patch(spec: str) -> str:
        return namespace.kubectl("patch", "mljob", "iris", "--type=merge", "--patch", f'{{"spec": {spec}}}')

    namespace.kubectl("apply", "--filename", str(EXAMPLES / "iris.yaml"))
    patch('{"parameters": {"C": 2}}')
    namespace.kubectl(
        "patch", "mljob", "iris", "--subresource=status", "--type=merge", "--patch", '{"status": {"taskId": "t"}}'
    )
    for spec in (
        '{"parameters": {"C": 3}}',
        '{"trainer": "other"}',
        '{"dataset": {"target": "x"}}',
        '{"pool": "other"}',
        '{"model": {"name": "other"}}',
        '{"activeDeadlineSeconds": 5}',
        '{"priority": "high"}',
    ):
        with pytest.raises(ClusterError, match=r"only spec\.suspend and spec\.ttlSecondsAfterFinished can be changed"):
            patch(spec)
    patch('{"suspend": true, "ttlSecondsAfterFinished": 60}')


def test_defaults_are_filled_in(namespace: Namespace) -> None:
    pool = {
        "apiVersion": "warren.dev/v1alpha1",
        "kind": "ConsumerPool",
        "metadata": {"name": "p"},
        "spec": {"queue": "q", "scaleTargetRef": {"name": "d"}},
    }
    namespace.kubectl("apply", "--filename", "-", given=yaml.safe_dump(pool))
    found = yaml.safe_load(namespace.kubectl("get", "cpool", "p", "--output=yaml"))["spec"]
    assert "target" not in found
    assert found["scaleDown"] == {"stabilizationSeconds": 60}
    assert (found["minReplicas"], found["maxReplicas"], found["concurrency"]) == (0, 10, 1)


def test_the_other_target_can_be_applied_later(namespace: Namespace) -> None:
    def apply(**spec: object) -> str:
        whole = {"queue": "q", "scaleTargetRef": {"name": "d"}, **spec}
        pool = {"apiVersion": "warren.dev/v1alpha1", "kind": "ConsumerPool", "metadata": {"name": "p"}, "spec": whole}
        namespace.kubectl("apply", "--filename", "-", given=yaml.safe_dump(pool))
        return namespace.kubectl("get", "cpool", "p", "--output=jsonpath={.spec.target}")

    assert apply() == ""
    for target in ('{"tasksPerReplica":20}', '{"waitSeconds":30}', '{"tasksPerReplica":4}'):
        assert apply(target=yaml.safe_load(target)) == target
