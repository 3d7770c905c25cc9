"""The edge to kopf, on a real kopf and a server that is no well Kubernetes API, with minutes that pass in a second."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.unit.operator.hasty import HastyLoop
from tests.unit.operator.web import serving
from warren_operator.watch import watch

FASTER: Final = 200
MINUTES: Final = 2
"""By its own default kopf ends the process after one."""


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that kopf logs in by."""
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def _leading_to(url: str) -> str:
    return f"""
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{url}"}}}}]
users: [{{name: u, user: {{token: t}}}}]
"""


def test_an_api_that_refuses_for_minutes_does_not_end_the_operator(kubeconfig: Path) -> None:
    asked: list[str] = []

    def refusal() -> bytes:
        asked.append("")
        return b'{"kind": "Status", "status": "Failure", "code": 503}'

    async def nothing() -> None:
        pass

    async def watched() -> bool:
        watching = asyncio.create_task(watch("team", (), nothing, nothing))
        await asyncio.wait({watching}, timeout=MINUTES * 60)
        ended = watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return ended

    with serving(refusal, 503) as url, asyncio.Runner(loop_factory=partial(HastyLoop, FASTER)) as runner:
        kubeconfig.write_text(_leading_to(url))
        ended = runner.run(watched())
    assert asked
    assert not ended
