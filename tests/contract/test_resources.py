"""CRD and Python model say the same, about every field and every example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from warren.errors import InvalidRequestError
from warren.resources import (
    API_VERSION,
    Condition,
    ConsumerPool,
    ConsumerPoolSpec,
    ConsumerPoolStatus,
    MLJob,
    MLJobSpec,
    MLJobStatus,
    ModelStatus,
    Phase,
    ScaleDown,
    ScaleTargetRef,
    Target,
    parse,
)
from warren.training import MODEL_NAME, Dataset, ModelTarget, PromotionRule

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
CRDS = {
    kind: yaml.safe_load((MANIFESTS / "crds" / f"{plural}.yaml").read_text())
    for kind, plural in (("MLJob", "mljobs"), ("ConsumerPool", "consumerpools"))
}
EXAMPLES = [
    (path, document)
    for path in sorted((MANIFESTS / "examples").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
PLACES: list[tuple[str, str, type[BaseModel]]] = [
    ("MLJob", "spec", MLJobSpec),
    ("MLJob", "spec.dataset", Dataset),
    ("MLJob", "spec.model", ModelTarget),
    ("MLJob", "status", MLJobStatus),
    ("MLJob", "status.model", ModelStatus),
    ("MLJob", "status.conditions", Condition),
    ("ConsumerPool", "spec", ConsumerPoolSpec),
    ("ConsumerPool", "spec.scaleTargetRef", ScaleTargetRef),
    ("ConsumerPool", "spec.target", Target),
    ("ConsumerPool", "spec.scaleDown", ScaleDown),
    ("ConsumerPool", "status", ConsumerPoolStatus),
    ("ConsumerPool", "status.conditions", Condition),
]


def schema(kind: str, path: str = "") -> dict[str, Any]:
    found = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in filter(None, path.split(".")):
        found = found["properties"][name]
        found = found.get("items", found)
    return dict(found)


def alias(model: type[BaseModel], name: str) -> str:
    return model.model_fields[name].alias or name


@pytest.mark.parametrize(("kind", "path", "model"), PLACES, ids=[f"{kind}.{path}" for kind, path, _ in PLACES])
def test_the_same_fields_required_and_defaults(kind: str, path: str, model: type[BaseModel]) -> None:
    part = schema(kind, path)
    fields = {alias(model, name): field for name, field in model.model_fields.items()}
    assert set(part["properties"]) == set(fields)
    if path.startswith("spec"):
        required = {name for name, field in fields.items() if field.is_required()}
        assert set(part.get("required", ())) == required
    for name, prop in part["properties"].items():
        if "default" in prop and not isinstance(prop["default"], dict):
            assert fields[name].default == prop["default"], name


def everything(part: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, prop in part.get("properties", {}).items():
        yield f"{path}.{name}", prop
        yield from everything(prop.get("items", prop), f"{path}.{name}")


@pytest.mark.parametrize("kind", CRDS)
def test_every_field_of_a_spec_is_described_and_bounded(kind: str) -> None:
    for path, prop in everything(schema(kind, "spec"), "spec"):
        assert prop.get("description") or path.endswith(".name"), path
        if prop["type"] == "string":
            assert "enum" in prop or "maxLength" in prop, path


@pytest.mark.parametrize("kind", CRDS)
def test_the_conventions(kind: str) -> None:
    names, version = CRDS[kind]["spec"]["names"], CRDS[kind]["spec"]["versions"][0]
    assert names["categories"] == ["warren"]
    assert names["shortNames"]
    assert version["subresources"] == {"status": {}}
    assert version["additionalPrinterColumns"]
    assert f"{CRDS[kind]['spec']['group']}/{version['name']}" == API_VERSION
    conditions = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_a_list_of_pools_says_how_they_stand() -> None:
    version = CRDS["ConsumerPool"]["spec"]["versions"][0]
    columns = {one["name"]: one["jsonPath"] for one in version["additionalPrinterColumns"] if not one.get("priority")}
    told = ("ready", "unacked", "estimatedWaitSeconds", "replicas", "desiredReplicas", "reason")
    names = ("Ready", "Unacked", "Wait", "Replicas", "Wanted", "Reason")
    expected = {name: f".status.{field}" for name, field in zip(names, told, strict=True)}
    assert columns == expected | {"Age": ".metadata.creationTimestamp"}
    known = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    types = {one["name"]: one["type"] for one in version["additionalPrinterColumns"]}
    assert [known[field]["type"] for field in told] == [types[name] for name in names]


def test_patterns_and_words_are_the_same() -> None:
    spec = schema("MLJob", "spec")["properties"]
    name = spec["model"]["properties"]["name"]["x-kubernetes-validations"][0]["rule"]
    assert name == f"self.matches('{MODEL_NAME}')"
    assert schema("MLJob", "status")["properties"]["phase"]["enum"] == [phase.value for phase in Phase]
    assert PromotionRule.parse("accuracy >= 0.9").holds({"accuracy": 0.9})


@pytest.mark.parametrize(("path", "document"), EXAMPLES, ids=[path.stem for path, _ in EXAMPLES])
def test_every_example_is_read(path: Path, document: dict[str, Any]) -> None:
    metadata = {**document["metadata"], "namespace": "default", "uid": "u"}
    whole = {**document, "metadata": metadata}
    kind: type[MLJob | ConsumerPool] = MLJob if document["kind"] == "MLJob" else ConsumerPool
    found = kind.model_validate(whole)  # unlike what the operator reads, an example has no unknown fields
    assert found.metadata.name == document["metadata"]["name"]
    assert document["apiVersion"] == API_VERSION
    assert path.read_text().startswith("# "), "an example says what it shows"


def newer(part: Any) -> Any:
    """Return the same as a newer release would write it: with a field more at every place."""
    if isinstance(part, list):
        return [newer(item) for item in part]
    if isinstance(part, dict):
        return {**{name: newer(value) for name, value in part.items()}, "yetUnknown": {"deep": [1]}}
    return part


STATUS: dict[str, dict[str, Any]] = {
    "MLJob": {"phase": "Queued", "model": {"name": "iris", "version": "1"}},
    "ConsumerPool": {"replicas": 1, "desiredReplicas": 2},
}
CONDITION = {"type": "Active", "status": "True", "reason": "Awake", "lastTransitionTime": "2026-11-01T00:00:00Z"}


@pytest.mark.parametrize(("path", "document"), EXAMPLES, ids=[path.stem for path, _ in EXAMPLES])
def test_what_a_newer_release_wrote_is_read_for_what_is_known_of_it(path: Path, document: dict[str, Any]) -> None:
    status = {**STATUS[document["kind"]], "conditions": [CONDITION]}
    whole = {**document, "metadata": {**document["metadata"], "namespace": "n", "uid": "u"}, "status": status}
    parameters = whole["spec"].get("parameters", {})
    later = {**newer(whole), "spec": newer(whole["spec"])}
    if "parameters" in whole["spec"]:  # they belong to the trainer, and are passed on as they are
        later["spec"]["parameters"] = parameters
    kind: type[MLJob | ConsumerPool] = MLJob if document["kind"] == "MLJob" else ConsumerPool
    known = kind.model_validate(whole)
    assert isinstance(known, MLJob | ConsumerPool), path
    read: MLJob | ConsumerPool = parse(MLJob, later) if isinstance(known, MLJob) else parse(ConsumerPool, later)
    assert read == known


def test_what_is_wrong_with_a_field_that_is_known_is_told_all_the_same() -> None:
    whole = {"metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": {"queue": "q", "later": 1}}
    with pytest.raises(InvalidRequestError, match=r"^spec\.scaleTargetRef: Field required"):
        parse(ConsumerPool, whole)


def test_an_immutable_field_is_compared_by_the_rule() -> None:
    rule = schema("MLJob")["x-kubernetes-validations"][0]["rule"]
    mutable = {"suspend", "ttlSecondsAfterFinished"}
    for name in schema("MLJob", "spec")["properties"]:
        assert (f"self.spec.{name} == oldSelf.spec.{name}" in rule) is (name not in mutable), name
