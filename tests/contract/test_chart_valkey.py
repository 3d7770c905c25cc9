"""Valkey: what it confirms is on disk, nothing is evicted, nobody gets in without the password."""

from __future__ import annotations

from tests.contract.chart import release

NAME = "warren-valkey"


def test_it_keeps_what_it_confirms() -> None:
    lines = release().one("ConfigMap", NAME)["data"]["valkey.conf"].splitlines()
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction", "dir /data"} <= set(lines)
    pod = release().pod("StatefulSet", NAME)
    assert {"name": "data", "mountPath": "/data"} in pod.main["volumeMounts"]


def test_the_password_is_no_argument_and_no_variable() -> None:
    pod = release().pod("StatefulSet", NAME)
    assert "requirepass $(cat /run/credentials/valkey)" in pod.main["command"][-1]
    assert not pod.settings


def test_every_client_brings_the_password() -> None:
    for pod in release().pods:
        if "WARREN_RECORDS_URL" in pod.settings:
            assert pod.settings["WARREN_RECORDS_URL"] == f"redis://:s3cret@{NAME}:6379/0"


def test_a_store_of_ones_own_takes_its_place() -> None:
    rendering = release(everything=True)
    assert not [d for d in rendering.documents if "valkey" in d["metadata"]["name"]]
    assert rendering.pod("Deployment", "warren-operator").settings["WARREN_RECORDS_URL"] == "redis://store:6379/0"
