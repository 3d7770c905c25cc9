"""The CRDs: equal to their source, upgraded by the release, never deleted with it."""

from __future__ import annotations

import pytest
import yaml

from tests.contract.chart import CHECKOUT, release
from tools.chart import stale

SOURCES = {
    document["metadata"]["name"]: document
    for document in (yaml.safe_load(path.read_text()) for path in (CHECKOUT / "manifests" / "crds").glob("*.yaml"))
}


def test_the_charts_copies_are_up_to_date() -> None:
    assert not list(stale()), "run: python -m tools.chart sync"


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_rendered_is_the_source_and_kept(name: str) -> None:
    rendered = release().one("CustomResourceDefinition", name)
    assert rendered["spec"] == SOURCES[name]["spec"]
    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered["metadata"] == SOURCES[name]["metadata"]


def test_they_can_be_left_to_another_release() -> None:
    assert not release("crds.install=false").all("CustomResourceDefinition")
