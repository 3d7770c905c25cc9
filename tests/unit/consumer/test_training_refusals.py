"""What a training run refuses, and how it says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.consumer.training_case import IRIS, TrainingCase, run_here
from warren.errors import StorageUnavailableError
from warren.objects import ObjectUri
from warren.objects.memory import MemoryObjects
from warren.tasks import Payload, Task
from warren_consumer.handler import TaskFault
from warren_consumer.training.job import Failed


@pytest.fixture
def case() -> TrainingCase:
    return TrainingCase()


async def refusal(case: TrainingCase, payload: Any) -> TaskFault:
    """Return why a payload is refused."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with pytest.raises(TaskFault) as caught:
        await case.trainer(case.context(Task("train", "train-cpu", Payload(body))))
    return caught.value


def payload(**changes: Any) -> dict[str, Any]:
    return {
        "trainer": "sklearn",
        "dataset": {"uri": "s3://warren/datasets/table.csv", "target": "species"},
        "parameters": {"estimator": "LogisticRegression"},
        "model": {"name": "model"},
    } | changes


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"not json", ["payload: ", "JSON"]),
        ({"trainer": "sklearn"}, ["dataset: Field required", "model: Field required"]),
        (payload(dataset={"uri": "http://x/y.csv", "target": ""}), ["dataset.uri", "dataset.target"]),
        (payload(datset={}), ["datset: Extra inputs"]),
        (
            payload(model={"name": "Iris!", "promote": "accuracy is good"}),
            ["model.name", "model.promote", "accuracy >= 0.9"],
        ),
        (payload(dataset={"uri": "s3://warren/a/../b.csv", "target": "y"}), ["parts . and .."]),
        (payload(version="aliases"), ["'aliases' cannot be a version"]),
        (payload(dataset={"uri": "s3://warren/datasets/table.xls", "target": "y"}), ["dataset.format", "table.xls"]),
    ],
)
async def test_a_malformed_payload_names_its_fields(case: TrainingCase, body: Any, said: list[str]) -> None:
    fault = await refusal(case, body)
    assert fault.code == "invalid-payload"
    assert not fault.retryable
    for words in said:
        assert words in fault.message


async def test_what_is_not_there_is_named(case: TrainingCase) -> None:
    fault = await refusal(case, payload())
    assert fault.code == "dataset-not-found"
    assert "s3://warren/datasets/table.csv" in fault.message
    fault = await refusal(case, payload(trainer="sklern"))
    assert fault.code == "unknown-trainer"
    assert "sklearn" in fault.message


@pytest.mark.parametrize(
    ("estimator", "known"),
    [("LogisticRegression", "accuracy, f1_macro, log_loss"), ("SVC", "accuracy, f1_macro"), ("Ridge", "r2, rmse, mae")],
)
def test_a_condition_on_a_metric_that_is_not_measured_is_refused_before_training(
    tmp_path: Path, estimator: str, known: str
) -> None:
    event = run_here(tmp_path, IRIS.read_bytes(), "species", metric="acuracy", estimator=estimator)
    assert isinstance(event, Failed), event
    assert (event.code, event.retryable) == ("invalid-parameter", False)
    assert event.message == f"model.promote: there is no metric 'acuracy'; {estimator} is judged by {known}"
    assert not (tmp_path / "model.onnx").exists()


async def test_data_sets_come_from_allowed_prefixes_alone(case: TrainingCase) -> None:
    dataset = {"uri": "s3://secrets/table.csv", "target": "species"}
    fault = await refusal(case, payload(dataset=dataset))
    assert fault.code == "dataset-forbidden"
    assert "s3://secrets/table.csv" in fault.message
    assert "s3://warren/" in fault.message


class AbsentObjects(MemoryObjects):
    """Storage that does not answer."""

    async def get(self, uri: ObjectUri) -> bytes:
        raise StorageUnavailableError(f"no answer for {uri}")


async def test_storage_that_is_away_is_worth_another_attempt() -> None:
    fault = await refusal(TrainingCase(objects=AbsentObjects()), payload())
    assert fault.code == "storage-unavailable"
    assert fault.retryable


@pytest.mark.parametrize(
    ("parameters", "code", "said"),
    [
        ({"C": 1.0}, "invalid-parameter", ["'estimator'", "is required"]),
        ({"estimator": "LogisticRegresion"}, "unknown-estimator", ["did you mean LogisticRegression"]),
        ({"estimator": "KernelRidge"}, "unknown-estimator", ["KernelRidge cannot be used", "skl2onnx"]),
        ({"estimator": "LogisticRegression", "c": 1}, "invalid-parameter", ["'c'", "did you mean C"]),
        ({"estimator": "LogisticRegression", "C": -1}, "invalid-parameter", ["'C'", "-1", "(0.0, inf]"]),
        ({"estimator": "LogisticRegression", "solver": "magic"}, "invalid-parameter", ["'solver'", "'magic'", "lbfgs"]),
        (
            {"estimator": "LogisticRegression", "held_out_fraction": 2},
            "invalid-parameter",
            ["'held_out_fraction'", "2"],
        ),
        ({"estimator": "LogisticRegression", "exclude": ["nope"]}, "invalid-parameter", ["'nope'", "sepal_length"]),
        ({"estimator": "LogisticRegression", "class_weight": {"rose": 1}}, "invalid-parameter", ["'rose'", "setosa"]),
        ({"estimator": "LinearRegression"}, "invalid-target", ["'species'", "regressor"]),
    ],
)
def test_parameters_are_checked(tmp_path: Path, parameters: dict[str, Any], code: str, said: list[str]) -> None:
    fault = run_here(tmp_path, IRIS.read_bytes(), "species", **parameters)
    assert isinstance(fault, Failed)
    assert fault.code == code, fault.message
    assert not fault.retryable
    for words in said:
        assert words in fault.message


def test_an_estimator_that_refuses_the_data_is_heard(tmp_path: Path) -> None:
    data = b"x,species\n" + b"".join(f"{n - 15},{'ab'[n % 2]}\n".encode() for n in range(30))
    fault = run_here(tmp_path, data, "species", estimator="MultinomialNB")
    assert isinstance(fault, Failed)
    assert fault.code == "fit-failed"
    assert "Negative values" in fault.message
