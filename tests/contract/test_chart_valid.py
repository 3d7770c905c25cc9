"""Every rendered resource is one that Kubernetes takes."""

from __future__ import annotations

from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.contract.chart import CHECKOUT, KUBERNETES, PRODUCTION, Release, release

RENDERINGS = {
    "defaults": release(),
    "first install": release(upgrade=False),
    "everything": release(everything=True),
    "production": release(values=PRODUCTION),
    "own prometheus": release("prometheus.bundled=false", "prometheus.url=http://prometheus:9090"),
    "no samples, no dashboards, no crds": release(
        "s3.bundled.samples=false", "dashboards.enabled=false", "crds.install=false"
    ),
}
OWN_KINDS = {
    definition["spec"]["names"]["kind"]: definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for definition in (yaml.safe_load(path.read_text()) for path in (CHECKOUT / "manifests" / "crds").glob("*.yaml"))
}


def closed(schema: Any) -> Any:
    """Return the schema as the API server applies it with strict validation: unknown fields are refused."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(part) for name, part in schema.items()}
    own = inner.get("properties")
    return inner | {"additionalProperties": False} if isinstance(own, dict) and own.keys() - {"apiVersion"} else inner


@pytest.mark.parametrize("rendering", RENDERINGS.values(), ids=RENDERINGS.keys())
def test_kubernetes_takes_it(rendering: Release) -> None:
    for document in rendering.documents:
        if document["kind"] in OWN_KINDS:
            schema = OWN_KINDS[document["kind"]]["properties"]["spec"]
            jsonschema.Draft4Validator(closed(schema)).validate(document["spec"])
        else:
            kubernetes_validate.validate(dict(document), KUBERNETES, strict=True)


@pytest.mark.parametrize("rendering", RENDERINGS.values(), ids=RENDERINGS.keys())
def test_no_two_resources_have_one_name(rendering: Release) -> None:
    names = [(document["kind"], document["metadata"]["name"]) for document in rendering.documents]
    assert len(names) == len(set(names))
