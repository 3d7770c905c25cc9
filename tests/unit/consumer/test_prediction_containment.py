"""ONNX files that point outside themselves are refused before anything loads them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.unit.consumer.onnx_case import affine
from warren_consumer.prediction.containment import ContainmentError, check_contained


def external(location: str = "../../etc/passwd") -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(4, dtype=np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def written(tmp_path: Path, graph: onnx.GraphProto, **parts: object) -> Path:
    model = helper.make_model(graph, **parts)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def graph(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = ()) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "graph", [], [], list(tensors))


def test_a_file_that_keeps_to_itself_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(affine(np.random.default_rng(0).random((300, 300))))
    check_contained(path)


def test_an_initializer_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContainmentError, match="another file"):
        check_contained(written(tmp_path, graph(tensors=(external(),))))


def test_so_is_one_in_an_attribute_a_subgraph_or_a_function(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["c"], value=external())
    branch = helper.make_node("If", ["x"], ["y"], then_branch=graph(constant), else_branch=graph())
    function = helper.make_function("d", "f", [], ["c"], [constant], [helper.make_opsetid("", 21)])
    for path in (
        written(tmp_path, graph(constant)),
        written(tmp_path, graph(branch)),
        written(tmp_path, graph(), functions=[function]),
    ):
        with pytest.raises(ContainmentError, match="another file"):
            check_contained(path)


def test_so_is_one_whose_place_is_given_without_the_flag(tmp_path: Path) -> None:
    tensor = external()
    tensor.ClearField("data_location")
    with pytest.raises(ContainmentError, match="another file"):
        check_contained(written(tmp_path, graph(tensors=(tensor,))))


def test_so_is_a_sparse_one(tmp_path: Path) -> None:
    sparse = onnx.SparseTensorProto(values=external(), indices=numpy_helper.from_array(np.zeros(4, dtype=np.int64)))
    model = graph()
    model.sparse_initializer.append(sparse)
    with pytest.raises(ContainmentError, match="another file"):
        check_contained(written(tmp_path, model))


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x3a\xff\x01abc", b"PK\x03\x04 a zip", b"\x3a"])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ContainmentError):
        check_contained(path)
