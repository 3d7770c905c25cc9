"""Estimators by name: those of scikit-learn that export to ONNX, their parameters checked by scikit-learn's own rules.

Which they are is the committed list `estimators.json`, written by `survey`, recomputed by a test.

Forbidden here: data sets, ONNX.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module, resources
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

from pydantic import BaseModel, ConfigDict
from sklearn.utils._param_validation import InvalidParameterError

from warren_consumer.handler import TaskFault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

FILE: Final = "estimators.json"


class Listing(BaseModel):
    """What the survey found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    versions: dict[str, str]
    """Of the libraries that the survey ran with."""
    classifiers: dict[str, str]
    """The module that each comes from, by its name."""
    regressors: dict[str, str]
    excluded: dict[str, str]
    """Estimators that cannot be used, and why."""


class Estimator(Protocol):
    """What a run needs of scikit-learn's estimators."""

    def fit(self, matrix: NDArray[Any], target: NDArray[Any]) -> Self:
        """Learn from rows and their targets."""

    def predict(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return a number or a class for each row."""

    def predict_proba(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return the probability of each class for each row; not every classifier can."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - scikit-learn's signature
        """Return the parameters."""

    def set_params(self, **parameters: Any) -> Self:  # noqa: ANN401 - a parameter is of any type
        """Set parameters."""


def listing() -> Listing:
    """Return the committed list."""
    return Listing.model_validate_json(resources.files(__package__).joinpath(FILE).read_text())


def build(name: str, parameters: dict[str, Any], seed: int) -> Estimator:
    """Return the unfitted estimator with its parameters set, and its random state where it has one.

    Raises:
        TaskFault: no such estimator, or a parameter is unknown or out of its range.

    """
    estimator: Any = kind(name)()
    known = estimator.get_params(deep=False)
    _check_names(name, parameters, known)
    defaults = {"random_state": seed} if "random_state" in known else {}
    estimator.set_params(**(defaults | parameters))
    try:
        estimator._validate_params()  # noqa: SLF001 - the rules that fit() itself applies, before data is read
    except InvalidParameterError as error:
        raise TaskFault("invalid-parameter", str(error)) from error
    return cast("Estimator", estimator)


def kind(name: str) -> type[Estimator]:
    """Return the class of a listed estimator.

    Raises:
        TaskFault: it is not listed; the message says why, or which names are close.

    """
    known = listing()
    modules = known.classifiers | known.regressors
    if name in modules:
        found: type[Estimator] = getattr(import_module(modules[name]), name)
        return found
    if name in known.excluded:
        raise TaskFault("unknown-estimator", f"{name} cannot be used: {known.excluded[name]}")
    hint = _meant(name, modules) or f"known are {', '.join(modules)}"
    raise TaskFault("unknown-estimator", f"there is no estimator {name!r}; {hint}")


def _check_names(estimator: str, given: dict[str, Any], known: dict[str, Any]) -> None:
    for name, value in given.items():
        if name not in known:
            said = f"{estimator} has no parameter {name!r} (given as {value!r})"
            hints = (_meant(name, known), f"it has {', '.join(sorted(known))}")
            raise TaskFault("invalid-parameter", "; ".join([said, *filter(None, hints)]))


def _meant(name: str, known: Iterable[str]) -> str:
    """Ask after the names that are close, whatever their case; empty if none is."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=3)]
    return f"did you mean {' or '.join(close)}?" if close else ""
