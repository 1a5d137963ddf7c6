"""Fit a scikit-learn model and export it to ONNX: the contract that trimtab and SageMaker share.

Read data from SM_CHANNEL_<NAME>; write model.onnx, card.json and golden.json to SM_MODEL_DIR, evaluation.json to
SM_OUTPUT_DATA_DIR. The model is served as ONNX: no pickle is made or read. The file runs on a laptop as well:
python model/train.py --regularization 0.5
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from parts import channel, folder, measured
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

CLASSES = ["first", "second", "third"]  # cultivars
TOLERANCE = 1e-4  # the most that a probability may differ from scikit-learn's: ONNX computes in float32


def export(model: Pipeline, path: Path, records: np.ndarray) -> np.ndarray:
    """Write the model as ONNX and hold it against scikit-learn on real records; returns its answers (N x 3)."""
    # Without zipmap probabilities are an array, not a list of dictionaries.
    made = to_onnx(model, records[:1], options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3})
    path.write_bytes(made.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    labels, answers = session.run(["label", "probabilities"], {session.get_inputs()[0].name: records})
    worst = np.abs(answers - model.predict_proba(records)).max()
    if not worst <= TOLERANCE or not np.array_equal(labels, model.predict(records)):
        raise SystemExit(f"the exported model differs from scikit-learn by {worst:.3g}; {TOLERANCE:g} is allowed")
    print(f"exported {path.name}; on {len(records)} records it differs from scikit-learn by at most {worst:.1e}", flush=True)
    return answers


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--regularization", type=float, default=1.0, help="C of the regression: lower is stronger")
    given = parser.parse_known_args()[0]
    values, labels = channel("train")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=given.regularization, max_iter=1000)).fit(values, labels)
    values, labels = channel("test")
    metrics = measured(model.predict_proba(values), labels)
    target = folder("SM_MODEL_DIR", "model")
    answers = export(model, target / "model.onnx", values)
    card = {
        "format": "trimtab.card/v1",
        "name": "@NAME@",
        "input": {"name": "X", "dtype": "float32", "shape": [None, values.shape[1]]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [None, len(CLASSES)]},
        "classes": CLASSES,
    }
    golden = {"inputs": values[:4].tolist(), "outputs": answers[:4].tolist(), "tolerance": TOLERANCE}
    (target / "card.json").write_text(json.dumps(card))
    (target / "golden.json").write_text(json.dumps(golden))
    (folder("SM_OUTPUT_DATA_DIR", "output") / "evaluation.json").write_text(json.dumps({"metrics": {"test": metrics}}))
    print("; ".join(f"test:{name}={value:.4f}" for name, value in metrics.items()) + ";", flush=True)


if __name__ == "__main__":
    main()
