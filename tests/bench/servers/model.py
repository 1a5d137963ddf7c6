"""A model folder of the digits example's shape, with random weights: made in a moment, and as costly to run."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def write(folder: Path) -> None:
    """model.onnx, card.json and golden.json: uint8 N x 28 x 28 to probabilities N x 10, 156,362 weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(_model().SerializeToString(deterministic=True))
    images = np.random.default_rng(1).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    answers = session.run(["probabilities"], {"images": images})[0]
    card = {
        "format": "trimtab.card/v1",
        "name": "bench",
        "input": {"name": "images", "dtype": "uint8", "shape": [None, 28, 28]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [None, 10]},
        "classes": [str(digit) for digit in range(10)],
    }
    (folder / "card.json").write_text(json.dumps(card))
    golden = {"inputs": images.tolist(), "outputs": answers.tolist(), "tolerance": 1e-4}
    (folder / "golden.json").write_text(json.dumps(golden))


def _model() -> onnx.ModelProto:
    random = np.random.default_rng(7)
    shapes = {
        "kernel1": (16, 1, 3, 3),
        "bias1": (16,),
        "kernel2": (32, 16, 3, 3),
        "bias2": (32,),
        "dense1": (1568, 96),
        "offset1": (96,),
        "dense2": (96, 10),
        "offset2": (10,),
    }
    weights = [
        numpy_helper.from_array((random.standard_normal(shape) * 0.05).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    weights += [
        numpy_helper.from_array(np.array(255, np.float32), "white"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["numbers", "white"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "axis"], ["planes"]),
        *_convolution("planes", "1", "half"),
        *_convolution("half", "2", "quarter"),
        helper.make_node("Flatten", ["quarter"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense1", "offset1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "dense2", "offset2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["records", 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["records", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def _convolution(source: str, number: str, target: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node(
            "Conv", [source, f"kernel{number}", f"bias{number}"], [f"conv{number}"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", [f"conv{number}"], [f"relu{number}"]),
        helper.make_node("MaxPool", [f"relu{number}"], [target], kernel_shape=[2, 2], strides=[2, 2]),
    ]
