"""Images: the chart, the Dockerfile and the tools that build and stand in for them name the same ones."""

from __future__ import annotations

import tomllib

import yaml

from tests.contract.chart import CHART, CHECKOUT, release
from tools.images import examples, standins
from tools.images.components import COMPONENTS
from tools.images.standins import PEERS
from warren.resources import ConsumerPoolSpec

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
VERSION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]


def test_the_chart_is_of_the_distributions_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == VERSION


def test_every_image_of_the_chart_is_built_or_stood_in_for() -> None:
    own = {f"warren-{component}:{VERSION}" for component in COMPONENTS}
    used = {
        container["image"]
        for pod in release("pools.gpu.enabled=true", "pools.train-gpu.enabled=true", upgrade=False).pods
        for container in pod.containers
    }
    assert used == own | {peer.image for peer in PEERS}


def test_the_worker_in_node_has_its_image_on_the_base_that_is_stood_in_for() -> None:
    folder = CHECKOUT / "examples" / "node"
    assert f"ARG NODE={standins.NODE}\n" in (folder / "Dockerfile").read_text()
    workers, pool = yaml.safe_load_all((folder / "kubernetes.yaml").read_text())
    [container] = workers["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"warren-{examples.NODE}:{VERSION}"
    spec = ConsumerPoolSpec.model_validate(pool["spec"])
    assert (spec.scale_target_ref.name, "replicas" in workers["spec"]) == (workers["metadata"]["name"], False)
    assert spec.queue == f"warren.tasks.{container['args'][1]}"


def test_every_component_has_its_requirements() -> None:
    for component in COMPONENTS:
        assert (CHECKOUT / "requirements" / f"{component}.txt").exists()


def test_registry_and_tag_are_those_of_all_of_warrens_own_images() -> None:
    images = [
        container["image"]
        for pod in release("image.registry=registry.example.com/team/", "image.tag=v7", upgrade=False).pods
        for container in pod.containers
        if "warren-" in container["image"]
    ]
    assert images
    assert all(image.startswith("registry.example.com/team/warren-") and image.endswith(":v7") for image in images)


def test_every_command_of_a_pod_is_a_script_of_the_distribution() -> None:
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"].keys() | {"python"}
    for pod in release(upgrade=False).pods:
        for container in pod.containers:
            if "warren-" in container["image"]:
                assert container["command"][0] in scripts
