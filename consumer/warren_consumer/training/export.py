"""The export: an estimator becomes an ONNX file that onnxruntime loads, with opset and IR pinned.

Forbidden here: data sets, object storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import onnx
import skl2onnx
from onnx import TensorProto, helper
from skl2onnx._supported_operators import get_model_alias
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import is_classifier

from warren_consumer.handler import TaskFault
from warren_consumer.training.features import MATRIX_INPUT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from warren_consumer.training.estimators import Estimator
    from warren_consumer.training.table import Column

OPSET: Final = 21
ML_OPSET: Final = 3
IR_VERSION: Final = 10
"""onnx 1.23 would write opset 28 and IR 14, which onnxruntime 1.31 refuses; these load from onnxruntime 1.20 on."""

LABEL: Final = "label"
"""The output that holds a classifier's class, by index."""
PROBABILITIES: Final = "probabilities"
VALUE: Final = "value"
"""The output that holds a regressor's number."""

_PREFIX: Final = "model/"


def export(estimator: Estimator, columns: Sequence[Column], path: Path) -> None:
    """Write the fitted estimator, and the encoding of its features, as one ONNX file.

    Raises:
        TaskFault: skl2onnx cannot convert it.

    """
    width = sum(len(column.categories) or 1 for column in columns)
    model = _convert(estimator, width)
    model.ir_version = IR_VERSION
    _name_outputs(model.graph, _outputs(estimator))
    if any(column.categories for column in columns):
        model = _with_encoding(model, columns)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _convert(estimator: Estimator, width: int) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = skl2onnx.convert_sklearn(
            estimator,
            name="model",  # by default it is random, and the same run would give another file each time
            initial_types=[(MATRIX_INPUT, FloatTensorType([None, width]))],
            options=_conversion_options(estimator),
            target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
        )
    except Exception as error:  # skl2onnx raises whatever its converters raise
        detail = f"{type(estimator).__name__} cannot be exported to ONNX: {type(error).__name__}: {error}"
        raise TaskFault("export-failed", detail) from error
    return model


def _conversion_options(estimator: Estimator) -> dict[int, dict[str, bool]] | None:
    """Ask for probabilities as one tensor, of the converters that would give a list of maps."""
    known = get_converter(get_model_alias(type(estimator))).get_allowed_options()
    return {id(estimator): {"zipmap": False}} if known and "zipmap" in known else None


def _outputs(estimator: Estimator) -> list[str]:
    if not is_classifier(estimator):
        return [VALUE]
    return [LABEL, PROBABILITIES] if hasattr(estimator, "predict_proba") else [LABEL]


def _name_outputs(graph: onnx.GraphProto, names: list[str]) -> None:
    """Give the outputs their names here, and drop those that have none (scores that are no probabilities)."""
    old = [output.name for output in graph.output][: len(names)]
    for before, after in zip(old, names, strict=True):
        for node in graph.node:
            node.output[:] = [after if name == before else name for name in node.output]
            node.input[:] = [after if name == before else name for name in node.input]
    del graph.output[len(names) :]
    for output, name in zip(graph.output, names, strict=True):
        output.name = name


def _with_encoding(model: onnx.ModelProto, columns: Sequence[Column]) -> onnx.ModelProto:
    """Put the encoding of the columns before the model: one input each, joined into its matrix."""
    onnx.compose.add_prefix(model, _PREFIX, rename_outputs=False, inplace=True)
    graph = model.graph
    nodes: list[onnx.NodeProto] = []
    blocks: list[str] = []
    for index, column in enumerate(columns):
        blocks.append(_encode(graph, nodes, column, index) if column.categories else column.name)
    nodes.append(helper.make_node("Concat", blocks, [f"{_PREFIX}{MATRIX_INPUT}"], axis=1))
    body = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*nodes, *body])
    graph.input.extend(_input(column) for column in columns)
    if all(entry.domain != "ai.onnx.ml" for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    return model


def _encode(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], column: Column, index: int) -> str:
    """Add the one-hot encoding of a column; return the name of its block, of shape (rows, categories)."""
    one_hot, shape, block = (f"{_PREFIX}column{index}/{part}" for part in ("one_hot", "shape", "block"))
    nodes.append(
        helper.make_node(
            "OneHotEncoder",
            [column.name],
            [one_hot],
            domain="ai.onnx.ml",
            cats_strings=list(column.categories),
            zeros=1,
        )
    )
    graph.initializer.append(helper.make_tensor(shape, TensorProto.INT64, [2], [-1, len(column.categories)]))
    nodes.append(helper.make_node("Reshape", [one_hot, shape], [block]))
    return block


def _input(column: Column) -> onnx.ValueInfoProto:
    kind = TensorProto.STRING if column.categories else TensorProto.FLOAT
    return helper.make_tensor_value_info(column.name, kind, [None, 1])
