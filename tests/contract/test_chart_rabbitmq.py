"""RabbitMQ: its users are the topology's, its data outlive the pod, its figures are fresh."""

from __future__ import annotations

from tests.contract.chart import release
from warren.topology import users

NAME = "warren-rabbitmq"


def configuration() -> dict[str, str]:
    lines = release().one("ConfigMap", NAME)["data"]["rabbitmq.conf"].splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return {key.strip(): value.strip() for key, value in pairs}


def test_its_users_are_those_of_the_topology() -> None:
    (passwords,) = [v for v in release().pod("StatefulSet", NAME).spec["volumes"] if v["name"] == "passwords"]
    given = {item["path"]: item["key"] for item in passwords["secret"]["items"]}
    assert given == {user.name: user.name for user in users()}


def test_the_definitions_that_it_loads_are_those_that_are_written_before() -> None:
    pod = release().pod("StatefulSet", NAME)
    (writer,) = pod.spec["initContainers"]
    assert writer["command"][:2] == ["warren", "definitions"]
    assert configuration()["load_definitions"] == writer["command"][writer["command"].index("--out") + 1]


def test_only_the_writer_of_definitions_sees_the_passwords() -> None:
    pod = release().pod("StatefulSet", NAME)
    assert "passwords" not in {mount["name"] for mount in pod.main["volumeMounts"]}
    assert "BROKER_PASSWORD" not in pod.settings


def test_its_name_does_not_change_with_the_pod() -> None:
    pod = release().pod("StatefulSet", NAME)
    assert pod.settings["RABBITMQ_NODENAME"].endswith(".warren-rabbitmq-nodes.warren")
    assert pod.owner["spec"]["serviceName"] == "warren-rabbitmq-nodes"
    nodes = release().one("Service", "warren-rabbitmq-nodes")["spec"]
    assert nodes["clusterIP"] == "None"
    assert nodes["publishNotReadyAddresses"] is True


def test_its_data_are_on_a_volume_and_its_cookie_is_not() -> None:
    pod = release().pod("StatefulSet", NAME)
    mounts = {mount["name"]: mount["mountPath"] for mount in pod.main["volumeMounts"]}
    assert mounts["data"] == pod.settings["RABBITMQ_MNESIA_BASE"]
    assert mounts["home"] == pod.settings["HOME"] != mounts["data"]
    assert "emptyDir" in pod.volumes["home"]
    assert "resources" in pod.volumes["data"]["spec"]


def test_its_figures_are_as_fresh_as_they_are_read() -> None:
    assert int(configuration()["collect_statistics_interval"]) <= 2000
    assert "quorum_tick_interval, 1000" in release().one("ConfigMap", NAME)["data"]["advanced.config"]


def test_a_broker_of_ones_own_takes_its_place() -> None:
    rendering = release(everything=True)
    assert not [d for d in rendering.documents if "rabbitmq" in d["metadata"]["name"]]
