"""The evaluation: the exported file is loaded and run on the held-out rows, judged, and compared with the estimator.

Metrics are those of the exported model, since that is what will answer.

Forbidden here: object storage, parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import metrics
from sklearn.base import is_classifier

from warren_consumer.handler import TaskFault
from warren_consumer.prediction.containment import ContainmentError
from warren_consumer.prediction.runtime import ModelLoadError, Session
from warren_consumer.training.comparison import Comparison, compare_classes, compare_values
from warren_consumer.training.export import LABEL, PROBABILITIES, VALUE
from warren_consumer.training.features import feeds

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from warren.model import TensorSpec
    from warren_consumer.training.estimators import Estimator
    from warren_consumer.training.problem import Problem


_Outputs = dict[str, "NDArray[Any]"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the exported model is, how good it is, and how near to its estimator."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metrics: dict[str, float]
    comparison: Comparison


def measured(estimator: Estimator) -> tuple[str, ...]:
    """Return the names of the metrics that an estimator's evaluation will hold."""
    if not is_classifier(estimator):
        return ("r2", "rmse", "mae")
    classes = ("accuracy", "f1_macro")
    return (*classes, "log_loss") if hasattr(estimator, "predict_proba") else classes


def evaluate(estimator: Estimator, problem: Problem, path: Path) -> Evaluation:
    """Run the exported model on the held-out rows.

    Raises:
        TaskFault: it does not load or run.

    """
    session, got = _run(path, feeds(problem.columns, problem.held_out))
    wrong = {name: array.shape for name, array in got.items() if array.shape[:1] != problem.held_out.shape}
    if wrong:
        detail = f"the exported model answers {len(problem.held_out)} rows with arrays of other lengths: {wrong}"
        raise TaskFault("export-unusable", detail)
    if problem.labels:
        figures, comparison = _classes(estimator, problem, got)
    else:
        figures, comparison = _values(estimator, problem, got)
    return Evaluation(session.inputs, session.outputs, figures, comparison)


def _run(path: Path, inputs: dict[str, NDArray[Any]]) -> tuple[Session, _Outputs]:
    try:
        session = Session(path)
        return session, session.run(inputs)
    except (ModelLoadError, ContainmentError) as error:
        raise TaskFault("export-unusable", f"the exported model does not load: {error}") from error
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise TaskFault("export-unusable", f"the exported model does not run: {error}") from error


def _classes(estimator: Estimator, problem: Problem, got: _Outputs) -> tuple[dict[str, float], Comparison]:
    rows, truth = problem.held_out_part
    label = got[LABEL].reshape(-1)
    figures = {
        "accuracy": float(metrics.accuracy_score(truth, label)),
        "f1_macro": float(metrics.f1_score(truth, label, average="macro")),
    }
    if PROBABILITIES not in got:
        return figures, compare_classes(estimator.predict(rows), label, None)
    probabilities = got[PROBABILITIES].astype(np.float64)
    figures["log_loss"] = _log_loss(truth, probabilities)
    return figures, compare_classes(estimator.predict(rows), label, (estimator.predict_proba(rows), probabilities))


def _values(estimator: Estimator, problem: Problem, got: _Outputs) -> tuple[dict[str, float], Comparison]:
    rows, truth = problem.held_out_part
    value = got[VALUE].reshape(-1).astype(np.float64)
    if not np.isfinite(value).all():
        raise TaskFault("export-mismatch", "the exported model answers held-out rows with numbers that are not finite")
    figures = {
        "r2": float(metrics.r2_score(truth, value)),
        "rmse": float(metrics.root_mean_squared_error(truth, value)),
        "mae": float(metrics.mean_absolute_error(truth, value)),
    }
    return figures, compare_values(np.ravel(estimator.predict(rows)), value, float(problem.target.std()))


def _log_loss(truth: NDArray[Any], probabilities: NDArray[np.float64]) -> float:
    """Return the mean negative log of the true class' probability, which is kept from 0 by float32's resolution."""
    own = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(own, np.finfo(np.float32).eps, 1.0)).mean())
