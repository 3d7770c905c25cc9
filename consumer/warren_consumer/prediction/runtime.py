"""The adapter of onnxruntime: a model file becomes a session that maps named arrays to named arrays.

Forbidden here: object storage, manifests, what inputs and outputs mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import onnxruntime

from warren.model import TensorSpec
from warren_consumer.prediction.containment import check_contained

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_DATATYPES: Final = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(float16)": "FP16",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
    "tensor(int16)": "INT16",
    "tensor(int8)": "INT8",
    "tensor(uint8)": "UINT8",
    "tensor(bool)": "BOOL",
    "tensor(string)": "BYTES",
}
_DTYPES: Final[dict[str, type[Any]]] = {
    "FP32": np.float32,
    "FP64": np.float64,
    "FP16": np.float16,
    "INT64": np.int64,
    "INT32": np.int32,
    "INT16": np.int16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
    "BYTES": np.object_,
}
_PREFERRED: Final = ("CUDAExecutionProvider", "CPUExecutionProvider")
_ERRORS_ONLY: Final = 3


class ModelLoadError(Exception):
    """The file is no model that this onnxruntime can run; the message says why."""


class Session:
    """A loaded model. Its `run` may be called from several threads at once."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Load a model file that refers to nothing outside itself.

        Raises:
            ModelLoadError: it cannot be loaded.

        """
        check_contained(path)
        try:
            self._session = onnxruntime.InferenceSession(path, _options(threads), providers=providers())
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise ModelLoadError(f"onnxruntime {onnxruntime.__version__} cannot load the model: {error}") from error
        self.inputs = tuple(_spec(value) for value in self._session.get_inputs())
        self.outputs = tuple(_spec(value) for value in self._session.get_outputs())

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name."""
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, cast("list[NDArray[Any]]", self._session.run(names, dict(inputs))), strict=True))


def providers() -> list[str]:
    """Return what executes models here, the best first."""
    available = onnxruntime.get_available_providers()
    return [name for name in _PREFERRED if name in available]


def dtype(datatype: str) -> type[Any]:
    """Return numpy's type for a name of the Open Inference Protocol."""
    return _DTYPES[datatype]


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Spinning tripled the CPU time of paced inferences.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _spec(value: onnxruntime.NodeArg) -> TensorSpec:
    if value.type not in _DATATYPES:
        raise ModelLoadError(f"{value.name!r} is a {value.type}; inputs and outputs must be tensors")
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in value.shape)
    return TensorSpec(name=value.name, datatype=_DATATYPES[value.type], shape=shape)
