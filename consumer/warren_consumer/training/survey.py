"""The survey: which of scikit-learn's estimators export to an ONNX file that answers as they do.

`python -m warren_consumer.training.survey` writes `estimators.json`. An estimator is listed if, with its defaults,
it fits a problem of two classes and one of three (a classifier) or a regression, and each export keeps the tolerance.

Forbidden here: anything that a run does not do; the survey goes through the same functions.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from sklearn import datasets
from sklearn.preprocessing import minmax_scale
from sklearn.utils import Bunch, all_estimators

from warren_consumer.handler import TaskFault
from warren_consumer.training import problem
from warren_consumer.training.estimators import FILE, Listing
from warren_consumer.training.evaluation import evaluate
from warren_consumer.training.export import export
from warren_consumer.training.sklearn import fit
from warren_consumer.training.table import Column, Table

Kind = Literal["classifier", "regressor"]
KINDS: Final[tuple[Kind, ...]] = ("classifier", "regressor")
SPLIT: Final = problem.Split(held_out_fraction=0.2, seed=0)
_PROCESSES: Final = 2
_REASONS: Final = {
    "export-failed": "skl2onnx cannot convert it",
    "export-unusable": "onnxruntime cannot run what skl2onnx makes of it",
    "export-mismatch": "what skl2onnx makes of it answers differently",
}


def main() -> None:
    """Write the list."""
    Path(__file__).with_name(FILE).write_text(survey().model_dump_json(indent=1) + "\n")


def survey() -> Listing:
    """Judge every estimator, in processes of their own since some are slow."""
    jobs = [(kind, name) for kind in KINDS for name in classes(kind)]
    with multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool:
        return listing_of(zip(jobs, pool.starmap(judge, jobs, chunksize=1), strict=True))


def listing_of(verdicts: Iterable[tuple[tuple[Kind, str], str | None]]) -> Listing:
    """Return the list that follows from the verdicts."""
    found = list(verdicts)
    usable = {kind: [name for (of, name), reason in found if of == kind and reason is None] for kind in KINDS}
    return Listing(
        versions={library: version(library) for library in ("scikit-learn", "skl2onnx")},
        classifiers=_modules("classifier", usable["classifier"]),
        regressors=_modules("regressor", usable["regressor"]),
        excluded={name: reason for (_, name), reason in sorted(found) if reason is not None},
    )


def classes(kind: Kind) -> dict[str, type[Any]]:
    """Return scikit-learn's estimators of a kind by name."""
    return dict(all_estimators(type_filter=kind))


def judge(kind: Kind, name: str) -> str | None:
    """Return why the estimator cannot be used; None if it can."""
    try:
        for label, task in tasks(kind).items():
            reason = _judge(classes(kind)[name], task)
            if reason is not None:
                return f"{label}: {reason}"
    except TypeError:
        return "it needs another estimator as a parameter"
    return None


def tasks(kind: Kind) -> dict[str, problem.Problem]:
    """Return the problems that an estimator of the kind must solve."""
    if kind == "regressor":
        return {"regression": problem.regression(_table(datasets.load_diabetes()), "target", SPLIT)}
    return {
        "two classes": problem.classification(_table(datasets.load_wine(), classes=2), "target", SPLIT),
        "three classes": problem.classification(_table(datasets.load_iris()), "target", SPLIT),
    }


def _modules(kind: Kind, names: list[str]) -> dict[str, str]:
    """Return the public module of each estimator, so that a run need not import all of scikit-learn to find it."""
    found = classes(kind)
    return {name: ".".join(takewhile(lambda part: part[0] != "_", found[name].__module__.split("."))) for name in names}


def _judge(kind: type[Any], task: problem.Problem) -> str | None:
    estimator = kind()
    if "random_state" in estimator.get_params(deep=False):
        estimator.set_params(random_state=SPLIT.seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit(estimator, task)
            export(estimator, task.columns, Path(folder, "model.onnx"))
            evaluate(estimator, task, Path(folder, "model.onnx")).comparison.check()
        except TaskFault as fault:
            return _REASONS.get(fault.code, " ".join(fault.message.split()))
    return None


def _table(bunch: Bunch, classes: int | None = None) -> Table:
    rows = slice(None) if classes is None else bunch.target < classes
    # On one scale, and not negative: what estimators of every kind take.
    data = minmax_scale(bunch.data[rows]).astype(np.float32).astype(np.float64)
    columns = tuple(Column(f"x{index}", values) for index, values in enumerate(data.T))
    return Table(columns, bunch.target[rows].astype(np.float64))


if __name__ == "__main__":
    main()
