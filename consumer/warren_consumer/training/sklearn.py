"""The trainer `sklearn`: scikit-learn's classifiers and regressors on tables, exported to ONNX.

Forbidden here: object storage, the wire.
"""

from __future__ import annotations

import time
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sklearn.base import is_classifier

from warren_consumer.handler import TaskFault
from warren_consumer.training import estimators, problem, table
from warren_consumer.training.evaluation import Evaluation, evaluate, measured
from warren_consumer.training.export import export
from warren_consumer.training.job import Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from warren_consumer.training.estimators import Estimator
    from warren_consumer.training.job import Job
    from warren_consumer.training.problem import Problem

LIBRARIES: Final = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")
"""Their versions are part of a model's provenance."""

_MAX_WARNINGS: Final = 5


class Parameters(BaseModel):
    """The parameters of a run; those not named here are the estimator's own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    estimator: str
    held_out_fraction: float = Field(0.2, gt=0.0, lt=1.0)
    """The share of rows that are kept from the training; metrics are computed on them."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Decides the split, and the estimator's random state."""
    exclude: list[str] = Field(default_factory=list)
    """Columns that are no features."""


class SklearnTrainer:
    """Fits the estimator that the parameter `estimator` names."""

    def train(self, job: Job, report: Callable[[float, str], None]) -> Product:
        """Fit, export and compare; see `Trainer`."""
        parameters = read_parameters(job.parameters)
        estimator = estimators.build(parameters.estimator, parameters.model_extra or {}, parameters.seed)
        _check_metric(job.metric, parameters.estimator, measured(estimator))
        report(0.15, "reading the data set")
        task = _problem(job, parameters, classes=is_classifier(estimator))
        report(0.25, f"fitting {parameters.estimator} on {len(task.train)} rows")
        facts = fit(estimator, task)
        report(0.7, "exporting to ONNX")
        export(estimator, task.columns, job.output)
        report(0.85, f"comparing on {len(task.held_out)} held-out rows")
        evaluation = evaluate(estimator, task, job.output)
        evaluation.comparison.check()
        return _product(task, evaluation, facts)


trainer: Final = SklearnTrainer()
"""The entry point's object."""


def read_parameters(given: dict[str, Any]) -> Parameters:
    """Return the run's parameters.

    Raises:
        TaskFault: one of the trainer's own is missing or out of its range.

    """
    try:
        return Parameters.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        said = "is required" if first["type"] == "missing" else f"{first['msg']}. Got {first['input']!r}"
        raise TaskFault("invalid-parameter", f"the parameter {name!r} of the trainer sklearn: {said}") from error


def _check_metric(wanted: str | None, estimator: str, known: tuple[str, ...]) -> None:
    if wanted is not None and wanted not in known:
        detail = f"model.promote: there is no metric {wanted!r}; {estimator} is judged by {', '.join(known)}"
        raise TaskFault("invalid-parameter", detail)


def fit(estimator: Estimator, task: Problem) -> dict[str, Any]:
    """Fit the estimator and return what is worth remembering of it: seconds, and what it warned of.

    Raises:
        TaskFault: the estimator refuses the data.

    """
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.set_params(**_class_weight(estimator, task)).fit(*task.train_part)
        except ValueError as error:
            detail = f"{type(estimator).__name__} cannot be fitted to the data: {error}"
            raise TaskFault("fit-failed", detail) from error
    said = list(dict.fromkeys(f"{warning.category.__name__}: {warning.message}" for warning in caught))
    return {"fit_seconds": round(time.perf_counter() - started, 3), "warnings": said[:_MAX_WARNINGS]}


def _problem(job: Job, parameters: Parameters, *, classes: bool) -> Problem:
    data = table.read(job.dataset, job.format, job.target, parameters.exclude)
    split = problem.Split(parameters.held_out_fraction, parameters.seed)
    return (problem.classification if classes else problem.regression)(data, job.target, split)


def _class_weight(estimator: Estimator, task: Problem) -> dict[str, Any]:
    """Return the parameter `class_weight` by the classes' indexes, where it was given by their names."""
    given = getattr(estimator, "class_weight", None)
    if not isinstance(given, dict):
        return {}
    unknown = sorted(set(given) - set(task.labels))
    if unknown:
        detail = f"class_weight: there is no class {unknown[0]!r}; the classes are {', '.join(map(repr, task.labels))}"
        raise TaskFault("invalid-parameter", detail)
    return {"class_weight": {task.labels.index(name): weight for name, weight in given.items()}}


def _product(task: Problem, evaluation: Evaluation, facts: dict[str, Any]) -> Product:
    return Product(
        framework="sklearn",
        inputs=evaluation.inputs,
        outputs=evaluation.outputs,
        features=tuple(column.name for column in task.columns),
        labels=task.labels,
        metrics=evaluation.metrics,
        provenance=facts
        | {
            "rows": {"train": len(task.train), "held_out": len(task.held_out)},
            "categories": {column.name: list(column.categories) for column in task.columns if column.categories},
            "export": {"agreement": evaluation.comparison.agreement, "deviation": evaluation.comparison.deviation},
            "libraries": {name: version(name) for name in LIBRARIES},
        },
    )
