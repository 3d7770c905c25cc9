"""The inputs of a prediction: a payload becomes the arrays that the model takes.

Forbidden here: I/O, running models.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import ValidationError

from warren.prediction import IMAGE_KEY, Instance, PredictRequest
from warren.tasks import JSON, is_json
from warren_consumer.handler import TaskFault
from warren_consumer.prediction import image
from warren_consumer.prediction.runtime import dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from warren.model import Manifest, Preprocessing, TensorSpec
    from warren.tasks import Payload

Inputs = dict[str, "NDArray[Any]"]

_SHOWN: Final = 40
_TEXT: Final = "BYTES"


def read(payload: Payload, manifest: Manifest) -> Inputs:
    """Return the model's inputs, one instance a row.

    Raises:
        TaskFault: the payload is not what the model takes; the message says which instance, and what is expected.

    """
    if payload.content_type.startswith("image/"):
        return _images([payload.body], manifest)
    if not is_json(payload.content_type):
        detail = f"a prediction's payload is {JSON} or image/*, not {payload.content_type!r}"
        raise TaskFault("invalid-payload", detail)
    instances = _instances(payload.body)
    if manifest.preprocessing is not None:
        return _images([_file(index, instance) for index, instance in enumerate(instances)], manifest)
    return _table(instances, manifest)


def _instances(body: bytes) -> list[Instance]:
    try:
        return PredictRequest.model_validate_json(body).instances
    except ValidationError as error:
        problems = {".".join(map(str, item["loc"][:3])): item["msg"] for item in reversed(error.errors()[:_SHOWN])}
        said = "; ".join(f"{where or 'payload'}: {what}" for where, what in reversed(problems.items()))
        raise TaskFault("invalid-payload", said) from error


def _images(files: Sequence[bytes], manifest: Manifest) -> Inputs:
    preprocessing: Preprocessing | None = manifest.preprocessing
    if preprocessing is None:
        raise TaskFault("invalid-payload", f"the model {manifest.name!r} takes rows, not images; {_expected(manifest)}")
    if preprocessing.model_extra:  # prepared without it, an image would be predicted as another
        unknown = ", ".join(map(repr, sorted(preprocessing.model_extra)))
        raise TaskFault("model-invalid", f"the model {manifest.name!r} is for a newer release: preprocessing {unknown}")
    return {manifest.inputs[0].name: np.stack([image.tensor(file, preprocessing) for file in files])}


def _file(index: int, instance: Instance) -> bytes:
    text = instance.get(IMAGE_KEY) if isinstance(instance, dict) and len(instance) == 1 else None
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except ValueError as error:  # of letters that are none of ASCII, too
        raise TaskFault("invalid-payload", f"instances.{index}.{IMAGE_KEY}: not base64: {error}") from error
    detail = f"instances.{index}: the model takes images: {{{IMAGE_KEY!r}: '<base64 of the file>'}}"
    raise TaskFault("invalid-payload", detail)


def _table(instances: Sequence[Instance], manifest: Manifest) -> Inputs:
    rows = [_row(index, instance, manifest) for index, instance in enumerate(instances)]
    if len(manifest.inputs) == 1:
        return {manifest.inputs[0].name: _array(rows, manifest.inputs[0], manifest)}
    columns = [[[row[position]] for row in rows] for position in range(len(manifest.inputs))]
    return {spec.name: _array(column, spec, manifest) for spec, column in zip(manifest.inputs, columns, strict=True)}


def _row(index: int, instance: Instance, manifest: Manifest) -> list[Any]:
    """Return an instance as a list in the order of the features."""
    if isinstance(instance, dict):
        return _ordered(index, instance, manifest)
    width = _width(manifest)
    if width is not None and len(instance) != width:
        raise TaskFault("invalid-payload", f"instances.{index}: {len(instance)} values; {_expected(manifest)}")
    return instance


def _ordered(index: int, instance: dict[str, Any], manifest: Manifest) -> list[Any]:
    missing = [name for name in manifest.features if name not in instance]
    unknown = [name for name in instance if name not in manifest.features]
    if missing or unknown:
        problems = (("misses", missing), ("does not know", unknown))
        said = "; ".join(f"{what} {', '.join(map(repr, names))}" for what, names in problems if names)
        raise TaskFault("invalid-payload", f"instances.{index}: {said}; {_expected(manifest)}")
    return [instance[name] for name in manifest.features]


def _width(manifest: Manifest) -> int | None:
    if manifest.features:
        return len(manifest.features)
    return manifest.inputs[0].shape[-1] if len(manifest.inputs) == 1 else len(manifest.inputs)


def _array(rows: Sequence[Sequence[Any]], spec: TensorSpec, manifest: Manifest) -> NDArray[Any]:
    text = spec.datatype == _TEXT
    for index, row in enumerate(rows):
        wrong = [value for value in row if isinstance(value, str) is not text]
        if wrong:
            kind = "a number" if text else "a text"
            raise TaskFault("invalid-payload", f"instances.{index}: {wrong[0]!r} is {kind}; {_expected(manifest)}")
    try:
        with np.errstate(over="ignore"):
            array = np.array(rows, dtype=dtype(spec.datatype))
    except (ValueError, OverflowError) as error:
        raise TaskFault("invalid-payload", f"instances: {error}; {_expected(manifest)}") from error
    if not text and not np.isfinite(array).all():
        detail = f"instances: a number is too large for {spec.datatype}; {_expected(manifest)}"
        raise TaskFault("invalid-payload", detail)
    return array


def _expected(manifest: Manifest) -> str:
    """Say what a row is."""
    if not manifest.features:
        return f"each row is {_width(manifest) or 'some'} numbers"
    texts = {spec.name for spec in manifest.inputs if spec.datatype == _TEXT}
    names = ", ".join(f"{name} (text)" if name in texts else name for name in manifest.features)
    return f"each row is {len(manifest.features)} values: {names}"
