"""The producer: reachable under one name, and quiet while it is replaced."""

from __future__ import annotations

from tests.contract.chart import CHART, PRODUCTION, release
from tests.contract.producer_in_memory import application, house
from warren_producer.guard import OPEN


def test_it_listens_where_its_service_and_its_probes_look() -> None:
    pod = release().pod("Deployment", "warren-producer")
    assert pod.settings["WARREN_HOST"] == "0.0.0.0"  # noqa: S104 - a pod's own address
    assert {"name": "http", "containerPort": int(pod.settings["WARREN_PORT"])} in pod.main["ports"]
    (port,) = release().one("Service", "warren-producer")["spec"]["ports"]
    assert port["targetPort"] == "http"
    assert pod.main["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_it_is_replaced_without_a_gap() -> None:
    pod = release("producer.gracePeriodSeconds=45").pod("Deployment", "warren-producer")
    assert pod.owner["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    before = pod.main["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before + float(pod.settings["WARREN_SHUTDOWN_SECONDS"]) < pod.spec["terminationGracePeriodSeconds"] == 45


def test_no_key_is_asked_for_unless_the_values_say_so() -> None:
    pod = release().pod("Deployment", "warren-producer")
    assert not [name for name in pod.settings if "KEY" in name and name.startswith("WARREN_")]
    assert "keys" not in pod.volumes


def test_in_production_the_producers_know_the_keys_of_a_secret_that_is_not_the_releases() -> None:
    rendering = release(values=PRODUCTION)
    pod = rendering.pod("Deployment", "warren-producer")
    [mount] = [mount for mount in pod.main["volumeMounts"] if mount["name"] == "keys"]
    assert mount == {"name": "keys", "mountPath": pod.settings["WARREN_KEYS_DIR"], "readOnly": True}
    secret = pod.volumes["keys"]["secret"]
    # 0440, which their group may read: fsGroup. A subPath would never be written anew.
    assert secret == {"secretName": "warren-keys", "optional": True, "defaultMode": 0o440}
    assert pod.spec["securityContext"]["fsGroup"]
    assert "warren-keys" not in [found["metadata"]["name"] for found in rendering.all("Secret")]
    assert (
        release(values=PRODUCTION, name="lab")
        .pod("Deployment", "lab-warren-producer")
        .volumes["keys"]["secret"]["secretName"]
        == "lab-warren-keys"
    )


def test_probes_and_scrapes_need_no_key() -> None:
    pod = release(values=PRODUCTION).pod("Deployment", "warren-producer")
    probed = {pod.main[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert probed | {pod.annotations["prometheus.io/path"]} <= OPEN


def test_the_notes_say_how_a_key_is_made() -> None:
    notes = (CHART / "templates" / "NOTES.txt").read_text()
    assert "warren keys create me" in notes
    assert "Bearer $WARREN_API_KEY" in notes


def test_production_has_no_server_that_is_for_trials_and_two_producers() -> None:
    rendering = release(values=PRODUCTION)
    assert rendering.one("Deployment", "warren-producer")["spec"]["replicas"] == 2
    assert not [document for document in rendering.all("StatefulSet") if document["metadata"]["name"] == "warren-s3"]


def test_an_ingress_leads_to_its_service() -> None:
    ingress = release(everything=True).one("Ingress", "warren-producer")["spec"]
    (rule,) = ingress["rules"]
    assert rule["host"] == "warren.example.com" == ingress["tls"][0]["hosts"][0]
    for path in rule["http"]["paths"]:
        assert path["backend"]["service"] == {"name": "warren-producer", "port": {"name": "http"}}
    assert not release().all("Ingress")


def test_an_ingress_leads_to_all_that_is_served_but_the_figures_which_name_the_keys() -> None:
    (rule,) = release(everything=True).one("Ingress", "warren-producer")["spec"]["rules"]
    led = {path["path"] for path in rule["http"]["paths"] if path["pathType"] == "Prefix"}
    served = {getattr(route, "path", "") for route in application(house()).routes}
    assert {path for path in served if not _leads(led, path)} == {"/metrics"}
    assert [path for path in led if not any(_leads({path}, known) for known in served)] == []


def _leads(prefixes: set[str], path: str) -> bool:
    """Tell whether one of the prefixes, by whole elements as in an Ingress, is one of the path."""
    return any(f"{path}/".startswith(f"{prefix.rstrip('/')}/") for prefix in prefixes)
