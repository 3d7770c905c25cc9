"""The producer: reachable under one name, and quiet while it is replaced."""

from __future__ import annotations

from tests.contract.chart import release


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


def test_an_ingress_leads_to_its_service() -> None:
    ingress = release(everything=True).one("Ingress", "warren-producer")["spec"]
    (rule,) = ingress["rules"]
    assert rule["host"] == "warren.example.com" == ingress["tls"][0]["hosts"][0]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "warren-producer", "port": {"name": "http"}}
    assert not release().all("Ingress")
