"""The chart's values: closed, documented, and all of them reach something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.contract.chart import CHART, EVERYTHING, PRODUCTION, helm, refusal, release

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def leaves(values: Any, *path: str) -> Iterator[tuple[str, ...]]:
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaves(value, *path, name)
    else:
        yield path


def objects(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object" and where != "/properties/global":
            yield where, schema
        for name, part in schema.items():
            yield from objects(part, f"{where}/{name}")


@pytest.mark.parametrize(
    "arguments",
    [[], ["--values", str(EVERYTHING)], ["--values", str(PRODUCTION)]],
    ids=["defaults", "everything", "production"],
)
def test_helm_lints_it(arguments: list[str]) -> None:
    done = helm("lint", "--strict", str(CHART), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_is_closed() -> None:
    assert not [where for where, schema in objects(SCHEMA) if "additionalProperties" not in schema]


def test_values_are_few_and_every_block_is_explained() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    assert len(lines) <= 350
    assert sum(line.lstrip().startswith("#") for line in lines) >= len(lines) // 5


def test_the_schema_and_the_values_name_the_same_keys() -> None:
    assert set(SCHEMA["properties"]) - {"global"} == set(VALUES)
    assert set(SCHEMA["$defs"]["pool"]["properties"]) == set(VALUES["poolDefaults"])


def test_every_switch_is_turned_in_the_values_file_that_turns_everything_on() -> None:
    everything = yaml.safe_load(EVERYTHING.read_text())
    # Sizes change nothing but a number; the parts of what is turned off are rendered with the defaults.
    exempt = {"resources", "persistence", "maxmemory", "gracePeriodSeconds", "poolDefaults", "crds", "url"}
    turned = set(leaves(everything))
    for path in leaves(VALUES):
        if (
            path[0] != "pools"
            and not exempt & set(path)
            and path not in {("prometheus", "bundled"), ("dashboards", "enabled")}
        ):
            assert any(path == own[: len(path)] for own in turned), f"{'.'.join(path)} keeps its default"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("producer.replica=3", "additional properties 'replica' not allowed"),
        ("pools.cpu.maxreplicas=3", "additional properties 'maxreplicas' not allowed"),
        ("pools.cpu.target.waitSecs=3", "additional properties 'waitSecs' not allowed"),
        ("pools.cpu.kind=batch", "value must be one of 'serve', 'train'"),
        ("pools.cpu.env.WARREN_POOL=x", "invalid propertyName 'WARREN_POOL'"),
        ("pools.system.kind=serve", "system"),
        ("pools.Cpu.kind=serve", "Cpu"),
        ("logLevel=loud", "value must be one of 'debug'"),
        ("s3.bucket=B", "/s3/bucket"),
        ("rabbitmq.bundled=false", "rabbitmq.external.host: name your broker"),
        ("valkey.bundled=false", "valkey.external.existingSecret: name the Secret"),
        ("prometheus.bundled=false", "prometheus.url: name your Prometheus"),
        ("producer.keys.enable=true", "additional properties 'enable' not allowed"),
        ("producer.keys.requestsPerSecond=0", "/producer/keys/requestsPerSecond"),
        ("producer.ingress.enabled=true", "producer.ingress.host: the name"),
    ],
)
def test_a_mistake_is_refused_by_name(value: str, said: str) -> None:
    assert said in refusal(value)


@pytest.mark.parametrize("everything", [False, True])
def test_every_resource_is_named_after_the_release_and_labelled(everything: bool) -> None:  # noqa: FBT001
    for document in release(everything=everything, name="lab").documents:
        metadata = document["metadata"]
        if document["kind"] == "CustomResourceDefinition":
            continue
        assert metadata["labels"]["app.kubernetes.io/instance"] == "lab"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert {"app.kubernetes.io/component", "app.kubernetes.io/version"} <= metadata["labels"].keys()
        assert document["kind"] == "ConsumerPool" or metadata["name"].startswith("lab-warren")


def test_nothing_of_the_release_belongs_to_the_whole_cluster_but_the_kinds() -> None:
    wide = {"ClusterRole", "ClusterRoleBinding", "Namespace", "PriorityClass", "StorageClass"}
    assert not [document["kind"] for document in release(everything=True).documents if document["kind"] in wide]


def test_the_notes_say_what_to_do_next() -> None:
    notes = (CHART / "templates" / "NOTES.txt").read_text()
    for step in ("manifests/examples/iris.yaml", "get mljobs -w", "/v1/models/iris/predict", "helm uninstall"):
        assert step in notes
