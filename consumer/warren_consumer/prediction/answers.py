"""The answers of a model: its outputs become predictions.

Forbidden here: I/O, running models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import ValidationError

from warren.prediction import Prediction
from warren_consumer.handler import TaskFault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from warren.model import Manifest

LABEL: Final = "label"
"""The output that holds a classifier's class, by index into the manifest's labels."""
PROBABILITIES: Final = "probabilities"
"""The output that holds the probability of each class."""


def predictions(outputs: Mapping[str, NDArray[Any]], manifest: Manifest) -> list[Prediction]:
    """Return one prediction for each row of the outputs.

    Raises:
        TaskFault: an output is not finite, or has not the form that the manifest promises.

    """
    try:
        return _predictions(outputs, manifest)
    except ValueError as error:
        said = "NaN or infinity" if isinstance(error, ValidationError) else error
        detail = f"the model {manifest.name}@{manifest.version} answered with what is no prediction: {said}"
        raise TaskFault("invalid-output", detail) from error


def _predictions(outputs: Mapping[str, NDArray[Any]], manifest: Manifest) -> list[Prediction]:
    labels = manifest.labels
    if LABEL in outputs:
        names = [labels[index] for index in outputs[LABEL].reshape(-1).tolist()]
        each = _by_class(outputs[PROBABILITIES], labels) if PROBABILITIES in outputs else [None] * len(names)
        return [Prediction(label=name, probabilities=row) for name, row in zip(names, each, strict=True)]
    first = np.asarray(next(iter(outputs.values())), dtype=np.float64)
    rows = first.reshape(len(first), -1)
    if labels:
        best = [labels[index] for index in rows.argmax(axis=1).tolist()]
        return [Prediction(label=name, scores=row) for name, row in zip(best, _by_class(rows, labels), strict=True)]
    if rows.shape[1] == 1:
        return [Prediction(value=row[0]) for row in rows.tolist()]
    return [Prediction(values=row) for row in rows.tolist()]


def _by_class(rows: NDArray[Any], labels: Sequence[str]) -> list[dict[str, float]]:
    return [dict(zip(labels, row, strict=True)) for row in rows.astype(np.float64).tolist()]
