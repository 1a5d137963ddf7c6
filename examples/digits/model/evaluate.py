"""Measure a model that is there already: the champion, on test data that it was not measured on.

It knows the model as it is served, model.onnx alone, so that a champion of another network is measured too. The model is in
SM_MODEL_DIR, the data in SM_CHANNEL_TEST; evaluation.json goes to SM_OUTPUT_DATA_DIR. On a laptop: python model/evaluate.py
"""

import json

import job
import onnxruntime
import torch
from images import read
from scores import scores


def main() -> None:
    images, labels = read(job.channel("test"))
    session = onnxruntime.InferenceSession(job.model_folder() / "model.onnx", providers=["CPUExecutionProvider"])
    (answers,) = session.run(["probabilities"], {"images": images.numpy()})
    found = scores(torch.from_numpy(answers).double().clamp(min=1e-12).log(), labels)
    dataset = {"channel": "test", "records": len(images), "digest": job.digest(job.channel("test"))}
    (job.output_folder() / "evaluation.json").write_text(json.dumps({"metrics": {"test": found}, "dataset": dataset}))
    print(f"test:accuracy={found['accuracy']:.4f}; test:loss={found['loss']:.4f};", flush=True)


if __name__ == "__main__":
    main()
