"""The API against its own description: requests made from OpenAPI, and answers held against it, by Schemathesis."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFIGURATION = Path(__file__).with_suffix(".toml")
SEED = 4711
SECONDS = 300


def check(url: str, folder: Path, *options: str) -> None:
    """Fail the test with whatever is wrong with the API at the address; the folder keeps what Schemathesis writes."""
    program = str(Path(sys.executable).with_name("st"))
    command = [program, "--no-color", f"--config-file={CONFIGURATION}", "run", f"{url}/openapi.json", f"--seed={SEED}"]
    done = subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
