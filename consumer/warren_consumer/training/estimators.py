"""Estimators by name: those of scikit-learn that export to ONNX, their parameters checked by scikit-learn's own rules.

Which they are is the committed list `estimators.json`, written by `survey`, recomputed by a test.

Forbidden here: data sets, ONNX.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module, resources
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from sklearn.utils._param_validation import InvalidParameterError

from warren_consumer.handler import TaskFault

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


def listing() -> Listing:
    """Return the committed list."""
    return Listing.model_validate_json(resources.files(__package__).joinpath(FILE).read_text())


def build(name: str, parameters: dict[str, Any], seed: int) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    """Return the unfitted estimator with its parameters set, and its random state where it has one.

    Raises:
        TaskFault: no such estimator, or a parameter is unknown or out of its range.

    """
    estimator = _class(name)()
    known = estimator.get_params(deep=False)
    _check_names(name, parameters, known)
    defaults = {"random_state": seed} if "random_state" in known else {}
    estimator.set_params(**(defaults | parameters))
    try:
        estimator._validate_params()  # noqa: SLF001 - the rules that fit() itself applies, before data is read
    except InvalidParameterError as error:
        raise TaskFault("invalid-parameter", str(error)) from error
    return estimator


def _class(name: str) -> type[Any]:
    known = listing()
    modules = known.classifiers | known.regressors
    if name in modules:
        found: type[Any] = getattr(import_module(modules[name]), name)
        return found
    if name in known.excluded:
        raise TaskFault("unknown-estimator", f"{name} cannot be used: {known.excluded[name]}")
    lowered = {candidate.lower(): candidate for candidate in modules}
    close = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=3)]
    hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(modules)}"
    raise TaskFault("unknown-estimator", f"there is no estimator {name!r}; {hint}")


def _check_names(estimator: str, given: dict[str, Any], known: dict[str, Any]) -> None:
    for name, value in given.items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            detail = f"{estimator} has no parameter {name!r} (given as {value!r}); {hint}It has {', '.join(sorted(known))}"
            raise TaskFault("invalid-parameter", detail)
