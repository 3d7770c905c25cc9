"""Small ONNX models made by hand, and how they get into a repository."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from warren.model import Manifest, TensorSpec
from warren.repository import Repository

OPSETS = [helper.make_opsetid("", 21)]


def affine(weights: Any = ((1.0,), (2.0,)), name: str = "rows") -> bytes:
    """Return a model that multiplies rows by the weights."""
    matrix = np.asarray(weights, dtype=np.float32)
    width, outputs = matrix.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", [name, "weights"], ["value"])],
        "affine",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, outputs])],
        [numpy_helper.from_array(matrix, "weights")],
    )
    return _bytes(graph)


def brightness(channels: int = 3, size: int = 4) -> bytes:
    """Return a model of images that answers with the mean of each channel."""
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["image", "axes"], ["scores"], keepdims=0)],
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, channels, size, size])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, channels])],
        [numpy_helper.from_array(np.array([2, 3]), "axes")],
    )
    return _bytes(graph)


def _bytes(graph: onnx.GraphProto) -> bytes:
    return bytes(helper.make_model(graph, opset_imports=OPSETS, ir_version=10).SerializeToString())


async def publish(
    repository: Repository, folder: Path, content: bytes, *, name: str = "model", version: str = "v1", **facts: Any
) -> Manifest:
    """Publish a model file."""
    digest = hashlib.sha256(content).hexdigest()
    file = folder / digest
    file.write_bytes(content)
    inputs = facts.pop("inputs", (TensorSpec(name="rows", datatype="FP32", shape=(None, 2)),))
    manifest = Manifest(
        name=name,
        version=version,
        file=f"{digest}.onnx",
        sha256=digest,
        size=len(content),
        framework="test",
        inputs=inputs,
        outputs=(),
        created_at=datetime.now(UTC),
        **facts,
    )
    return await repository.publish(manifest, file)
