"""Train a small classifier and export it to ONNX: the contract that trimtab and SageMaker share.

Read data from SM_CHANNEL_<NAME>; write model.onnx, card.json and golden.json to SM_MODEL_DIR, evaluation.json to
SM_OUTPUT_DATA_DIR. The file runs on a laptop as well: python model/train.py --epochs 3
"""

import argparse
import json

import onnxruntime
import torch
from parts import accuracy, channel, folder
from torch import nn

CLASSES = ["first", "second", "third"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    given = parser.parse_known_args()[0]
    torch.manual_seed(7)
    network = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, len(CLASSES)))
    optimizer = torch.optim.Adam(network.parameters(), lr=given.learning_rate)
    values, labels = map(torch.from_numpy, channel("train"))
    for epoch in range(1, given.epochs + 1):
        for rows in torch.randperm(len(values)).split(32):
            loss = nn.functional.cross_entropy(network(values[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch={epoch}; train:loss={loss.item():.4f};", flush=True)
    served = nn.Sequential(network, nn.Softmax(dim=1)).eval()
    values, labels = map(torch.from_numpy, channel("test"))
    with torch.no_grad():
        share = accuracy(served(values).numpy(), labels.numpy())
    target = folder("SM_MODEL_DIR", "model")
    records = {"values": {0: torch.export.Dim("records", min=1)}}
    wrapped = Served(served)
    program = torch.onnx.export(
        wrapped,
        (values[:8],),
        input_names=["values"],
        output_names=["probabilities"],
        dynamic_shapes=records,
        dynamo=True,
        verbose=False,
    )
    program.save(target / "model.onnx", include_initializers=True, external_data=False)
    session = onnxruntime.InferenceSession(target / "model.onnx", providers=["CPUExecutionProvider"])
    samples = values[:4].numpy()
    answers = session.run(["probabilities"], {"values": samples})[0]
    card = {
        "format": "trimtab.card/v1",
        "name": "@NAME@",
        "input": {"name": "values", "dtype": "float32", "shape": [None, 2]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [None, len(CLASSES)]},
        "classes": CLASSES,
    }
    golden = {"inputs": samples.tolist(), "outputs": answers.tolist(), "tolerance": 1e-4}
    evaluation = {"metrics": {"test": {"accuracy": share}}}
    (target / "card.json").write_text(json.dumps(card))
    (target / "golden.json").write_text(json.dumps(golden))
    (folder("SM_OUTPUT_DATA_DIR", "output") / "evaluation.json").write_text(json.dumps(evaluation))
    print(f"test:accuracy={share:.4f};", flush=True)


class Served(nn.Module):
    """Names the input."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.inner(values)


if __name__ == "__main__":
    main()
