"""The API against its own description: requests made from OpenAPI, and answers held against it, by Schemathesis."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

CONFIGURATION = Path(__file__).with_suffix(".toml")
HOOKS = Path(__file__).with_name("openapi_hooks.py")
SEED = 4711
SECONDS = 300
REPORT = "schemathesis.json"


def check(url: str, folder: Path, *options: str) -> None:
    """Fail the test with whatever is wrong with the API at the address, or was not asked.

    The folder keeps what Schemathesis writes.
    """
    program = str(Path(sys.executable).with_name("st"))
    command = [program, "--no-color", f"--config-file={CONFIGURATION}", "run", f"{url}/openapi.json", f"--seed={SEED}"]
    command += ["--report=json", f"--report-json-path={folder / REPORT}"]
    done = subprocess.run(
        [*command, *options],
        cwd=folder, env=os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    told = json.loads((folder / REPORT).read_text())["operations"]
    assert told["tested"] == told["total"] > 0, f"not every operation was asked: {told}"


def unanswered(url: str) -> set[str]:
    """Return the operations that the description has and that did not answer with success, by the API's own figures."""
    described = httpx2.get(f"{url}/openapi.json").json()["paths"]
    counted = re.findall(
        r'^warren_http_request_seconds_count\{method="(\w+)",route="([^"]+)",status="2..".*',
        httpx2.get(f"{url}/metrics").text,
        re.MULTILINE,
    )
    known = {f"{method.upper()} {path}" for path, operations in described.items() for method in operations}
    return known - {f"{method} {path}" for method, path in counted}
