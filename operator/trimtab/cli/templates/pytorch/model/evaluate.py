"""Measure a model that is there already: the champion, where a new model is measured on other test data.

The model is in SM_MODEL_DIR, the data in SM_CHANNEL_TEST; evaluation.json goes to SM_OUTPUT_DATA_DIR. The file runs on a
laptop as well, after model/train.py: python model/evaluate.py
"""

import json

import onnxruntime
from parts import accuracy, channel, folder


def main() -> None:
    values, labels = channel("test")
    session = onnxruntime.InferenceSession(
        folder("SM_MODEL_DIR", "model") / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (answers,) = session.run(["probabilities"], {"values": values})
    evaluation = {"metrics": {"test": {"accuracy": accuracy(answers, labels)}}}
    (folder("SM_OUTPUT_DATA_DIR", "output") / "evaluation.json").write_text(json.dumps(evaluation))
    print(json.dumps(evaluation), flush=True)


if __name__ == "__main__":
    main()
