"""Object storage: the bundled server for trials with the examples' data sets in it, or a real one."""

from __future__ import annotations

import base64

import yaml

from tests.contract.chart import CHECKOUT, Pod, release

NAME = "warren-s3"


def clients(*sets: str, everything: bool = False) -> list[Pod]:
    return [pod for pod in release(*sets, everything=everything).pods if "WARREN_STORAGE_BUCKET" in pod.settings]


def test_all_but_the_topology_use_it() -> None:
    assert {pod.component for pod in clients()} == {"producer", "consumer", "system", "operator"}


def test_its_clients_find_the_server_by_the_sdks_own_variables() -> None:
    server = release().pod("StatefulSet", NAME)
    for pod in clients():
        assert pod.settings["AWS_ENDPOINT_URL_S3"] == f"http://{NAME}:7070"
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"} <= pod.settings.keys()
    assert {"name": "s3", "containerPort": 7070} in server.main["ports"]


def test_the_bucket_is_there_before_the_first_request() -> None:
    (before,) = release("s3.bucket=models").pod("StatefulSet", NAME).spec["initContainers"]
    assert {"name": "BUCKET", "value": "models"} in before["env"]
    assert 'mkdir -p "/data/$BUCKET/datasets"' in before["command"][-1]


def test_every_data_set_of_the_examples_is_in_it() -> None:
    samples = release().one("ConfigMap", "warren-s3-samples")["binaryData"]
    for name, content in samples.items():
        assert base64.b64decode(content) == (CHECKOUT / "examples" / "data" / name).read_bytes()
    for path in (CHECKOUT / "manifests" / "examples").glob("*.yaml"):
        spec = yaml.safe_load(path.read_text())["spec"]
        if "dataset" in spec:
            assert spec["dataset"]["uri"].removeprefix("s3://warren/datasets/") in samples


def test_a_real_one_is_reached_by_its_secret_or_by_the_pods_role() -> None:
    for pod in clients(everything=True):
        assert pod.settings["AWS_ENDPOINT_URL_S3"] == "https://s3.example.com"
        assert ("Secret", "aws", "AWS_ACCESS_KEY_ID") in list(pod.references())
    for pod in clients("s3.bundled.enabled=false"):
        assert not {"AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"} & pod.settings.keys()
    rendering = release(everything=True)
    assert not [d for d in rendering.documents if d["metadata"]["name"].startswith(NAME)]
    for name in ("warren", "warren-operator"):
        assert rendering.one("ServiceAccount", name)["metadata"]["annotations"]


def test_its_prefixes_are_told_to_those_who_read() -> None:
    for pod in clients(everything=True):
        assert pod.settings["WARREN_STORAGE_READ_PREFIXES"] == "s3://models/ s3://data/public/"
