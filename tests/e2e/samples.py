"""A web server in the namespace with what the example tasks look at: a tone and a results page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.e2e.namespace import Namespace, is_ready
from tests.e2e.patience import until
from tools.images.components import name

HOST: Final = "samples"
AUDIO: Final = f"http://{HOST}:8000/tone.ogg"
RESULTS: Final = f"http://{HOST}:8000/results.html"
_EXAMPLES = Path(__file__).parents[2] / "examples"
_FILES = (
    _EXAMPLES / "audio_length" / "tests" / "files" / "tone.ogg",
    _EXAMPLES / "lottery_results" / "tests" / "pages" / "results.html",
)
_LABELS = {"app": HOST}


@contextmanager
def served(namespace: Namespace) -> Iterator[None]:
    """Serve them meanwhile; nothing of it is left."""
    for resource in (_config_map(), _service(), _pod()):
        namespace.apply(resource)
    try:
        until("the samples are served", lambda: is_ready(namespace.get("pod", HOST)), seconds=60)
        yield
    finally:
        namespace.run("delete", "pod,service,configmap", "-l", f"app={HOST}", "--now")


def _config_map() -> dict[str, Any]:
    content = {file.name: base64.b64encode(file.read_bytes()).decode() for file in _FILES}
    return _resource("v1", "ConfigMap", binaryData=content)


def _service() -> dict[str, Any]:
    return _resource("v1", "Service", spec={"selector": _LABELS, "ports": [{"port": 8000}]})


def _pod() -> dict[str, Any]:
    container = {
        "name": "server",
        "image": name("consumer"),
        "command": ["python", "-m", "http.server", "8000", "--directory", "/samples"],
        "readinessProbe": {"httpGet": {"path": "/results.html", "port": 8000}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "samples", "mountPath": "/samples"}],
    }
    spec = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "samples", "configMap": {"name": HOST}}],
    }
    return _resource("v1", "Pod", spec=spec)


def _resource(version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": HOST, "labels": _LABELS}, **fields}
