"""The main job, step by step, as a client would do it: a data set, a training run, a prediction.

Everything goes through the public seams: S3, the HTTP API and the commands.
"""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tools.stack import web
from tools.stack.components import BUCKET
from tools.stack.process import Command

DATASET = Path(__file__).resolve().parents[2] / "examples" / "data" / "iris.csv"
DATASET_KEY = "datasets/iris.csv"
MODEL = "iris"
FLOWERS = ((5.1, 3.5, 1.4, 0.2), (6.3, 3.3, 6.0, 2.5))
EXPECTED = ["setosa", "virginica"]
TRAINING_SECONDS = 120.0

_WAIT_SECONDS = 2
_PAUSE_SECONDS = 0.5
_RUNNING = {"queued", "started", "retrying"}


class StepError(Exception):
    """A step of the main job failed; the message says what was answered."""


@dataclass(frozen=True)
class MainJob:
    """Training and prediction through the API at `url`. `tick` is called while waiting."""

    url: str
    tick: Callable[[], None]
    patience: float = 30.0
    """For how many seconds a busy API is asked again, as its clients do."""

    def train(self) -> dict[str, Any]:
        """Submit a `train` task, wait for its end, and return its record. Raises `StepError` unless it succeeded."""
        request = {
            "task": "train",
            "args": {
                "trainer": "sklearn",
                "dataset": {"uri": f"s3://{BUCKET}/{DATASET_KEY}", "target": "species"},
                "parameters": {"estimator": "LogisticRegression", "C": 1.0},
                "model": {"name": MODEL, "promote": "accuracy >= 0.9"},
            },
        }
        answer = self._ask(202, "POST", f"{self.url}/v1/tasks", request)
        record = self._ended(answer.headers["location"])
        if record["status"] != "succeeded":
            message = f"the training run ended as {record['status']}: {json.dumps(record.get('error'))}"
            raise StepError(message)
        return record

    def predict(self) -> list[str]:
        """Return the species that the new model gives to two flowers. Raises `StepError` if they are wrong."""
        url = f"{self.url}/v1/models/{MODEL}/predict"
        answer = self._ask(web.OK, "POST", url, {"instances": FLOWERS}, timeout=30).json()
        labels = [prediction["label"] for prediction in answer["predictions"]]
        if labels != EXPECTED:
            message = f"the model says {labels}, not {EXPECTED}: {json.dumps(answer)}"
            raise StepError(message)
        return labels

    def _ask(self, status: int, method: str, url: str, body: object = None, **how: Any) -> web.Answer:  # noqa: ANN401
        """Return the answer with this status; a busy API is asked again."""
        give_up = time.monotonic() + self.patience
        while (answer := web.call(method, url, body, **how)).status != status:
            if answer.status != web.UNAVAILABLE or time.monotonic() > give_up:
                message = f"the API answers {answer.status}: {answer.body.decode(errors='replace')}"
                raise StepError(message)
            self.tick()
            time.sleep(_PAUSE_SECONDS)
        return answer

    def _ended(self, location: str) -> dict[str, Any]:
        deadline = time.monotonic() + TRAINING_SECONDS
        while True:
            self.tick()
            prefer = {"Prefer": f"wait={_WAIT_SECONDS}"}
            answer = self._ask(web.OK, "GET", f"{self.url}{location}", headers=prefer, timeout=_WAIT_SECONDS + 10)
            record: dict[str, Any] = answer.json()
            if record["status"] not in _RUNNING:
                return record
            if time.monotonic() > deadline:
                message = f"the training run has not ended after {TRAINING_SECONDS:.0f} s: {json.dumps(record)}"
                raise StepError(message)


def upload(environment: Mapping[str, str]) -> str:
    """Put the example data set into S3, making the bucket where it is missing, and return its URI."""
    s3 = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=DATASET_KEY, Body=DATASET.read_bytes(), ContentType="text/csv")
    return f"s3://{BUCKET}/{DATASET_KEY}"


def run(command: Command) -> str:
    """Run a command to its end and return what it printed. Raises `StepError` with its output when it fails."""
    result = subprocess.run(
        command.arguments,
        env=command.environment,
        cwd=command.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        message = f"{' '.join(command.arguments)} failed ({result.returncode}):\n{result.stderr or result.stdout}"
        raise StepError(message)
    return result.stdout
