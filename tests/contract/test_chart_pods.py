"""What holds for every pod of the chart, whatever its component."""

from __future__ import annotations

from typing import Final

import pytest

from tests.contract.chart import Pod, release

DEFAULTS = release(upgrade=False).pods
EVERY_POD = [*DEFAULTS, *release(everything=True, upgrade=False).pods]
IDS = [str(pod) for pod in EVERY_POD]
each_pod = pytest.mark.parametrize("pod", EVERY_POD, ids=IDS)

NEED_THE_API: Final = {"operator", "prometheus", "hooks"}
PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
MOST_CPU: Final = 1.0


def cpus(quantity: object) -> float:
    text = str(quantity)
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)


@each_pod
def test_it_satisfies_the_level_restricted(pod: Pod) -> None:
    context = pod.spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["runAsUser"] > 0, "a uid of its own, whatever the image says"
    for container in pod.containers:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
    assert not any("hostPath" in volume for volume in pod.volumes.values())


@each_pod
def test_its_root_is_read_only_and_its_folders_are_its_volumes(pod: Pod) -> None:
    for container in pod.containers:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= pod.volumes.keys()
    mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
    assert mounted == pod.volumes.keys(), "a volume that nobody mounts"


@each_pod
def test_no_variables_of_services_are_put_into_it(pod: Pod) -> None:
    # Kubernetes would inject WARREN_PRODUCER_PORT and its like, which the settings refuse as unknown.
    assert pod.spec["enableServiceLinks"] is False


@each_pod
def test_it_has_a_token_only_if_it_calls_the_api(pod: Pod) -> None:
    assert pod.spec["automountServiceAccountToken"] is (pod.component in NEED_THE_API)


@each_pod
def test_every_container_says_what_it_needs(pod: Pod) -> None:
    for container in pod.containers:
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]


@each_pod
def test_a_pod_that_stays_is_probed(pod: Pod) -> None:
    if pod.owner["kind"] == "Job":
        return
    ports = {port["name"] for port in pod.main["ports"]}
    for probe in PROBES:
        how = pod.main[probe]  # without a startupProbe, the first look at its liveness may come before it listens
        assert (how.get("httpGet") or how.get("tcpSocket") or {"port": next(iter(ports))})["port"] in ports


@each_pod
def test_a_machine_that_is_busy_for_a_moment_is_no_fault_of_a_pod(pod: Pod) -> None:
    if pod.owner["kind"] == "Job":
        return
    assert pod.main["readinessProbe"]["timeoutSeconds"] >= 3, "Kubernetes' default is 1"
    alive = pod.main["livenessProbe"]
    assert alive["timeoutSeconds"] >= 5
    assert alive["periodSeconds"] * alive["failureThreshold"] >= 60, "a minute without an answer, and not less"


@each_pod
def test_its_selector_selects_it(pod: Pod) -> None:
    selector = pod.owner["spec"].get("selector", {"matchLabels": {}})["matchLabels"]
    assert selector.items() <= pod.labels.items()


@each_pod
def test_a_new_version_alone_does_not_restart_it(pod: Pod) -> None:
    assert not {"app.kubernetes.io/version", "helm.sh/chart"} & pod.labels.keys()


@each_pod
def test_a_claim_of_readiness_is_scraped_where_it_says(pod: Pod) -> None:
    if port := pod.annotations.get("prometheus.io/port"):
        assert int(port) in {one["containerPort"] for one in pod.main["ports"]}


def test_no_selector_selects_the_pods_of_another() -> None:
    pods = [pod for pod in DEFAULTS if "selector" in pod.owner["spec"]]
    for pod in pods:
        selector = pod.owner["spec"]["selector"]["matchLabels"].items()
        assert [str(other) for other in pods if selector <= other.labels.items()] == [str(pod)]


def test_every_service_leads_to_pods_and_to_ports_that_are_there() -> None:
    rendering = release()
    for service in rendering.all("Service"):
        selected = [pod for pod in rendering.pods if service["spec"]["selector"].items() <= pod.labels.items()]
        assert len(selected) == 1, service["metadata"]["name"]
        ports = {port["name"] for port in selected[0].main["ports"]}
        assert (
            service["spec"].get("clusterIP") == "None" or {p["targetPort"] for p in service["spec"]["ports"]} <= ports
        )


def test_whatever_a_pod_refers_to_is_in_the_release() -> None:
    rendering = release()
    for pod in rendering.pods:
        for kind, name, key in pod.references():
            document = rendering.one(kind, name)
            assert key is None or key in document["data"], f"{pod}: {name} has no {key}"
        assert rendering.one("ServiceAccount", pod.spec["serviceAccountName"])


def test_on_a_full_node_all_come_before_the_consumers_if_the_values_name_a_class_for_them() -> None:
    classes = {str(pod): pod.spec.get("priorityClassName") for pod in release(everything=True).pods}
    consumers = {name: one for name, one in classes.items() if "-consumer-" in name}
    assert {one for name, one in classes.items() if name not in consumers} == {"platform"}
    assert {name for name, one in consumers.items() if one} == {"Deployment/warren-consumer-audio"}
    assert {one for one in consumers.values() if one} == {"batch"}


def test_the_defaults_ask_for_one_core_at_most() -> None:
    # Jobs that run for a moment count as well: while they do, everything else is there too.
    asked = {
        str(pod): max(sum(cpus(one["resources"]["requests"]["cpu"]) for one in pod.spec["containers"]), 0)
        for pod in DEFAULTS
    }
    assert sum(asked.values()) <= MOST_CPU, asked
