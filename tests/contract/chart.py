"""The chart as it is rendered: what the chart's tests look at."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.gobuild import build

CHECKOUT = Path(__file__).resolve().parents[2]
CHART = CHECKOUT / "helm" / "warren"
EVERYTHING = CHART / "ci" / "everything.yaml"
PRODUCTION = CHART / "values-production.yaml"
NAMESPACE = "warren"
KUBERNETES = "1.34"
CUSTOM_KINDS = "warren.dev/v1alpha1/ConsumerPool"

Document = Mapping[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([build("helm"), *arguments], capture_output=True, text=True, check=False)


def refusal(*sets: str) -> str:
    """Return what helm says against the values."""
    done = helm("template", "warren", str(CHART), *(f"--set={one}" for one in sets))
    assert done.returncode, f"helm takes {sets}"
    return done.stderr


@functools.cache
def release(
    *sets: str, everything: bool = False, upgrade: bool = True, name: str = "warren", values: Path | None = None
) -> Release:
    """Render the chart, with a file of values maybe; `upgrade` into a cluster that knows Warren's kinds."""
    arguments = ["template", name, str(CHART), "--namespace", NAMESPACE, *(f"--set={one}" for one in sets)]
    arguments += ["--values", str(EVERYTHING)] if everything else []
    arguments += ["--values", str(values)] if values else []
    arguments += ["--api-versions", CUSTOM_KINDS] if upgrade else []
    done = helm(*arguments)
    assert done.returncode == 0, done.stderr
    return Release(tuple(document for document in yaml.safe_load_all(done.stdout) if document))


@dataclass(frozen=True)
class Release:
    """All resources of one rendering."""

    documents: Sequence[Document]

    def all(self, kind: str) -> list[Document]:
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str, name: str) -> Document:
        (found,) = [document for document in self.all(kind) if document["metadata"]["name"] == name]
        return found

    def pod(self, kind: str, name: str) -> Pod:
        return Pod(self.one(kind, name))

    @property
    def pods(self) -> list[Pod]:
        return [Pod(document) for document in self.documents if "template" in document.get("spec", {})]


@dataclass(frozen=True)
class Pod:
    """A workload, seen as the pods that it makes."""

    owner: Document

    def __str__(self) -> str:
        return f"{self.owner['kind']}/{self.owner['metadata']['name']}"

    @property
    def component(self) -> str:
        return str(self.labels["app.kubernetes.io/component"])

    @property
    def labels(self) -> Mapping[str, str]:
        return dict(self.owner["spec"]["template"]["metadata"]["labels"])

    @property
    def annotations(self) -> Mapping[str, str]:
        return dict(self.owner["spec"]["template"]["metadata"].get("annotations", {}))

    @property
    def spec(self) -> Document:
        return dict(self.owner["spec"]["template"]["spec"])

    @property
    def containers(self) -> list[Document]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def main(self) -> Document:
        (container,) = self.spec["containers"]
        return dict(container)

    @property
    def volumes(self) -> Mapping[str, Document]:
        claims = self.owner["spec"].get("volumeClaimTemplates", [])
        named = {volume["name"]: volume for volume in self.spec.get("volumes", [])}
        return named | {claim["metadata"]["name"]: claim for claim in claims}

    @property
    def settings(self) -> dict[str, str]:
        """The environment of the main container, each secret and field in place of what it refers to."""
        values: dict[str, str] = {}
        for variable in self.main.get("env", []):
            value = str(variable["value"]) if "value" in variable else _referred(variable["valueFrom"])
            for known, its in values.items():
                value = value.replace(f"$({known})", its)
            values[variable["name"]] = value
        return values

    def references(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield each Secret and ConfigMap that the pod needs, with the key that it takes from it."""
        for container in self.containers:
            for variable in container.get("env", []):
                if secret := variable.get("valueFrom", {}).get("secretKeyRef"):
                    yield "Secret", secret["name"], secret["key"]
        for volume in self.spec.get("volumes", []):
            if secret := volume.get("secret"):
                yield from (("Secret", secret["secretName"], item["key"]) for item in secret.get("items", []))
            if config := volume.get("configMap"):
                yield "ConfigMap", config["name"], None


_OF_SECRETS = {"url": "redis://store:6379/0", "webhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
"""What is no plain password, by its key in the Secret."""


def _referred(source: Document) -> str:
    """Return an example of what a variable takes from elsewhere."""
    if "secretKeyRef" in source:
        return _OF_SECRETS.get(source["secretKeyRef"]["key"], "s3cret")
    return "2" if "resourceFieldRef" in source else "warren"
