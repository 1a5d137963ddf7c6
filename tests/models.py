"""A small real model folder, made without training: two numbers in, three probabilities out."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.array([[2.0, -1.0, 0.5], [-0.5, 1.0, 3.0]], dtype=np.float32)


def write_model(folder: Path) -> None:
    """model.onnx, card.json and golden.json."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("MatMul", ["values", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    values = helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n", 2])
    answers = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "small", [values], [answers], [numpy_helper.from_array(WEIGHTS, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    samples = np.array([[0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    card = {
        "format": "trimtab.card/v1",
        "name": "small",
        "input": {"name": "values", "dtype": "float32", "shape": [None, 2]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [None, 3]},
        "classes": ["a", "b", "c"],
    }
    golden = {"inputs": samples.tolist(), "outputs": session.run(None, {"values": samples})[0].tolist(), "tolerance": 1e-4}
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "golden.json").write_text(json.dumps(golden))
