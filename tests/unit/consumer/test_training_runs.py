"""Training runs, and predictions by what they made."""

import csv
import io
import json
import random
from pathlib import Path

import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from tests.unit.consumer.training_case import IRIS, TrainingCase, run_here
from warren.objects import ObjectUri
from warren.repository import sha256
from warren.tasks import Payload, Task

SETOSA = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture
def case() -> TrainingCase:
    return TrainingCase()


def table(rows: int = 120) -> bytes:
    """Return a table with numbers, a category and two targets that follow from them."""
    chance = random.Random(0)  # noqa: S311 - a seeded table, no secret
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["size", "colour", "flag", "price", "kind"])
    for _ in range(rows):
        size, colour, flag = chance.uniform(1, 9), chance.choice(["red", "green", "blue"]), chance.random() < 0.5
        price = 10 * size + {"red": 50, "green": 0, "blue": -30}[colour] + 5 * flag
        writer.writerow([round(size, 3), colour, str(flag).lower(), round(price, 3), "dear" if price > 50 else "cheap"])
    return text.getvalue().encode()


async def test_categories_are_part_of_the_exported_model(case: TrainingCase, tmp_path: Path) -> None:
    manifest = await case.train_here(tmp_path, table(), "price", estimator="LinearRegression", exclude=["kind"])
    assert manifest.metrics["r2"] > 0.99
    assert manifest.features == ("size", "colour", "flag")
    assert [spec.datatype for spec in manifest.inputs] == ["FP32", "BYTES", "FP32"]
    answer = await case.predict([{"size": 2.0, "colour": "blue", "flag": 1}, [2.0, "red", 0], [2.0, "purple", 0]])
    blue, red, unknown = (found.value or 0.0 for found in answer.predictions)
    assert blue == pytest.approx(-5.0, abs=0.1)
    assert red == pytest.approx(70.0, abs=0.1)
    assert blue < unknown < red


async def test_a_forest_on_parquet_with_categories(case: TrainingCase, tmp_path: Path) -> None:
    data = io.BytesIO()
    parquet.write_table(arrow_csv.read_csv(io.BytesIO(table())), data)
    manifest = await case.train_here(
        tmp_path,
        data.getvalue(),
        "kind",
        estimator="RandomForestClassifier",
        n_estimators=20,
        exclude=["price"],
        class_weight={"dear": 2.0, "cheap": 1.0},
    )
    assert manifest.metrics["accuracy"] > 0.8
    answer = await case.predict([[9.0, "red", 1], [1.0, "blue", 0]])
    assert [found.label for found in answer.predictions] == ["dear", "cheap"]


async def test_a_classifier_without_probabilities_gives_labels_alone(case: TrainingCase, tmp_path: Path) -> None:
    await case.train_here(tmp_path, IRIS.read_bytes(), "species", estimator="LinearSVC")
    found = (await case.predict([SETOSA])).predictions[0]
    assert found.label == "setosa"
    assert found.probabilities is None


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    digests = []
    for seed in (1, 1, 2):
        run_here(tmp_path, IRIS.read_bytes(), "species", estimator="RandomForestClassifier", n_estimators=5, seed=seed)
        digests.append(sha256(tmp_path / "model.onnx"))
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


@pytest.mark.parametrize("estimator", ["GradientBoostingClassifier", "SVC", "KNeighborsClassifier", "MLPClassifier"])
def test_estimators_that_the_list_holds_keep_the_tolerance(estimator: str) -> None:
    from warren_consumer.training.survey import judge  # noqa: PLC0415 - scikit-learn is for the process that runs this

    assert judge("classifier", estimator) is None


def test_the_list_excludes_for_a_reason_that_is_so() -> None:
    from warren_consumer.training.estimators import listing  # noqa: PLC0415 - see above
    from warren_consumer.training.survey import judge  # noqa: PLC0415

    assert judge("classifier", "LinearDiscriminantAnalysis") == listing().excluded["LinearDiscriminantAnalysis"]
    assert judge("regressor", "KernelRidge") == listing().excluded["KernelRidge"]


async def test_an_attempt_finds_what_an_earlier_one_made(case: TrainingCase, tmp_path: Path) -> None:
    uri = await case.store(IRIS.read_bytes())
    await case.train_here(tmp_path, IRIS.read_bytes(), "species", estimator="GaussianNB")
    version = await case.repository.resolve("model")
    payload = {
        "trainer": "sklearn",
        "dataset": {"uri": uri, "target": "species"},
        "model": {"name": "model"},
        "parameters": {"estimator": "GaussianNB"},
        "version": version,
    }
    task = Task("train", "train-cpu", Payload(json.dumps(payload).encode()))
    await case.objects.delete(ObjectUri.parse(uri))
    report = await case.train(uri, "species", task=task)
    assert report.version == version
    assert report.metrics == (await case.repository.manifest("model", version)).metrics
