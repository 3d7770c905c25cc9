"""skaffold.yaml builds what `make images` builds and installs what `make deploy` installs. Skaffold is not run."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.contract.chart import CHART, CHECKOUT, release
from tools.images.components import COMPONENTS, DEFAULT

SKAFFOLD = yaml.safe_load((CHECKOUT / "skaffold.yaml").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
(RELEASE,) = SKAFFOLD["deploy"]["helm"]["releases"]
(GPU,) = SKAFFOLD["profiles"]
VARIABLE = re.compile(r"{{\.IMAGE_FULLY_QUALIFIED_(\w+)}}")


def added(path: str) -> Any:
    (value,) = [patch["value"] for patch in GPU["patches"] if patch["path"] == path]
    return value


def artifacts() -> list[dict[str, Any]]:
    return [*SKAFFOLD["build"]["artifacts"], added("/build/artifacts/-")]


def known(path: str) -> bool:
    """Tell whether the chart has a value of this path."""
    value: Any = VALUES
    for name in path.split("."):
        if name not in value and path.startswith("pools."):
            return name in VALUES["poolDefaults"]
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name] or {}
    return True


def test_it_is_written_for_a_version_four_schema() -> None:
    assert SKAFFOLD["apiVersion"].startswith("skaffold/v4")
    assert SKAFFOLD["kind"] == "Config"


def test_it_builds_every_component_from_the_one_dockerfile() -> None:
    assert {one["image"]: one["docker"]["buildArgs"] for one in artifacts()} == {
        f"warren-{component}": {"COMPONENT": component} for component in COMPONENTS
    }
    assert {one["docker"]["dockerfile"] for one in artifacts()} == {"Dockerfile"}
    assert "ARG COMPONENT" in (CHECKOUT / "Dockerfile").read_text()
    assert {one["image"] for one in SKAFFOLD["build"]["artifacts"]} == {f"warren-{component}" for component in DEFAULT}


def test_it_installs_this_chart_with_every_image_that_it_builds() -> None:
    assert (CHECKOUT / RELEASE["chartPath"]).samefile(CHART)
    gpu = "image.own.consumer-gpu"
    templates = RELEASE["setValueTemplates"] | {gpu: added(f"/deploy/helm/releases/0/setValueTemplates/{gpu}")}
    for path, template in templates.items():
        assert known(path), path
        (built,) = VARIABLE.findall(template)
        # Skaffold writes an underscore for what a template's variable cannot hold.
        assert built == f"warren_{path.rpartition('.')[2]}".replace("-", "_")
    assert templates.keys() == {f"image.own.{component}" for component in COMPONENTS}
    assert all(known(path) for path in added("/deploy/helm/releases/0/setValues"))


def test_what_it_sets_is_what_the_pods_run() -> None:
    sets = [f"image.own.{component}=registry.example.com/{component}:dev" for component in COMPONENTS]
    pods = release(*sets, "pools.gpu.enabled=true", upgrade=False).pods
    images = {container["image"] for pod in pods for container in pod.containers}
    assert {f"registry.example.com/{component}:dev" for component in COMPONENTS} <= images
    assert not [image for image in images if "warren-" in image]


def test_it_forwards_a_port_that_is_there() -> None:
    (forward,) = SKAFFOLD["portForward"]
    service = release().one("Service", forward["resourceName"])
    assert forward["port"] in {port["port"] for port in service["spec"]["ports"]}
    assert forward["namespace"] == RELEASE["namespace"]
