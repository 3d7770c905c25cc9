"""The handler of `train` tasks with its real child process."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.unit.consumer.training_case import IRIS, TrainingCase
from warren.objects import ObjectUri
from warren.tasks import Payload, Task
from warren_consumer.handler import TaskFault

SETOSA = [5.1, 3.5, 1.4, 0.2]


def training(uri: str, task_id: str, **changes: Any) -> Task:
    payload = {
        "trainer": "sklearn",
        "dataset": {"uri": uri, "target": "species"},
        "parameters": {"estimator": "LogisticRegression"},
        "model": {"name": "model"},
    }
    return Task("train", "train-cpu", Payload(json.dumps(payload | changes).encode()), id=task_id)


async def refusal(case: TrainingCase, task: Task) -> TaskFault:
    with pytest.raises(TaskFault) as caught:
        await case.trainer(case.context(task))
    return caught.value


async def test_iris_is_trained_promoted_and_answers() -> None:
    case = TrainingCase()
    uri = await case.store(IRIS.read_bytes())
    report = await case.train(uri, "species", promote="accuracy >= 0.9", estimator="LogisticRegression", C=1.0)
    assert report.promoted
    assert report.metrics["accuracy"] >= 0.9
    assert set(report.metrics) == {"accuracy", "f1_macro", "log_loss"}
    file = await case.objects.get(ObjectUri.parse(report.uri))
    assert hashlib.sha256(file).hexdigest() == report.sha256
    assert report.sha256 in report.uri
    fractions = [step.fraction for step in case.progress]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 4
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    answer = await case.predict([SETOSA, dict(zip(names, SETOSA, strict=True))])
    assert answer.version == report.version
    assert answer.predictions[0] == answer.predictions[1]
    assert answer.predictions[0].label == "setosa"
    assert sum((answer.predictions[0].probabilities or {}).values()) == pytest.approx(1.0, abs=1e-5)


async def test_a_version_that_another_task_made_is_no_result() -> None:
    case = TrainingCase()
    uri = await case.store(IRIS.read_bytes())
    for _ in range(2):
        await case.trainer(case.context(training(uri, "first", version="v1")))
    fault = await refusal(case, training(uri, "second", version="v1", parameters={"estimator": "SVC"}))
    assert fault.code == "version-exists"
    assert "the task first made" in fault.message


async def test_what_the_child_refuses_is_the_tasks_fault() -> None:
    case = TrainingCase()
    uri = await case.store(IRIS.read_bytes())
    model = {"name": "model", "promote": "acuracy >= 0.9"}
    fault = await refusal(case, training(uri, "first", model=model))
    assert fault.code == "invalid-parameter"
    assert not fault.retryable
    assert "there is no metric 'acuracy'" in fault.message
