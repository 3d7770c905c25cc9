"""The operator: one at a time, and allowed what it does and no more."""

from __future__ import annotations

from tests.contract.chart import Document, release
from warren_operator.permissions import PERMISSIONS, Call


def allowed(role: Document) -> frozenset[Call]:
    return frozenset(
        Call(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


def test_its_role_allows_its_calls_and_no_other() -> None:
    assert allowed(release().one("Role", "warren-operator")) == PERMISSIONS


def test_its_role_is_bound_to_it_alone() -> None:
    binding = release().one("RoleBinding", "warren-operator")
    assert binding["roleRef"]["name"] == "warren-operator"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "warren-operator", "namespace": "warren"}]
    assert release().pod("Deployment", "warren-operator").spec["serviceAccountName"] == "warren-operator"


def test_there_are_never_two() -> None:
    spec = release().one("Deployment", "warren-operator")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_it_works_in_its_own_namespace() -> None:
    (variable,) = [
        one for one in release().pod("Deployment", "warren-operator").main["env"] if one["name"] == "WARREN_NAMESPACE"
    ]
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
