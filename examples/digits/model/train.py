"""Train a network on handwritten digits and export it to ONNX.

The same file runs on a laptop (`python model/train.py --epochs 1`) and as a SageMaker training job: folders come from the
SM_* variables, else from beside the document. It prints one metric line an epoch, and stops cleanly on SIGTERM.
"""

import argparse
import json
import os
import signal
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from network import Network, Served
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).resolve().parent
GOLDEN = 4  # images in the golden request
EXPORT_TOLERANCE = 1e-4


def folder(variable: str, local: Path) -> Path:
    """A folder from the platform, or beside the document."""
    path = Path(os.environ.get(variable) or local)
    path.mkdir(parents=True, exist_ok=True)
    return path


def channel(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (uint8, N x 28 x 28) and labels (int64, N) of one part of the data."""
    path = Path(os.environ.get(f"SM_CHANNEL_{name.upper()}") or HERE.parent / "data" / name)
    images = np.load(path / "images.npy", allow_pickle=False)
    labels = np.load(path / "labels.npy", allow_pickle=False)
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--shift", type=int, default=2, help="augmentation: at most so many pixels each way")
    return parser.parse_known_args()[0]


def augmented(images: torch.Tensor, shift: int, random: torch.Generator) -> torch.Tensor:
    """Each image moved by up to `shift` pixels and turned by up to 10 degrees, with a new draw for each."""
    count = len(images)
    move = (torch.rand(count, 2, generator=random) * 2 - 1) * shift * 2 / 28
    turn = (torch.rand(count, generator=random) * 2 - 1) * (10 * torch.pi / 180)
    cosine, sine = torch.cos(turn), torch.sin(turn)
    matrix = torch.stack((cosine, -sine, move[:, 0], sine, cosine, move[:, 1]), dim=1).reshape(count, 2, 3)
    grid = nn.functional.affine_grid(matrix, [count, 1, 28, 28], align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def pixels(images: torch.Tensor) -> torch.Tensor:
    """uint8 N x 28 x 28 to [0, 1] N x 1 x 28 x 28."""
    return images.to(torch.float32).unsqueeze(1) / 255.0


def train(network: Network, images: torch.Tensor, labels: torch.Tensor, given: argparse.Namespace, stop: list[bool]) -> None:
    """Train in place, with a one-cycle learning rate."""
    random = torch.Generator().manual_seed(given.seed)
    steps = -(-len(images) // given.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=given.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=given.learning_rate * 5, total_steps=max(1, steps * given.epochs)
    )
    validation = channel("validation")
    for epoch in range(1, given.epochs + 1):
        network.train()
        total = 0.0
        for rows in torch.randperm(len(images), generator=random).split(given.batch_size):
            loss = nn.functional.cross_entropy(
                network(augmented(pixels(images[rows]), given.shift, random)), labels[rows], label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
            if stop:
                return
        accuracy, loss_v = evaluate(network, *validation)
        print(
            f"epoch={epoch}; train:loss={total / len(images):.4f}; validation:loss={loss_v:.4f}; validation:accuracy={accuracy:.4f};",
            flush=True,
        )


@torch.no_grad()
def evaluate(network: Network, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """(accuracy, loss) on one part of the data."""
    network.eval()
    logits = torch.cat([network(pixels(part)) for part in images.split(500)])
    return (logits.argmax(1) == labels).float().mean().item(), nn.functional.cross_entropy(logits, labels).item()


def export(network: Network, target: Path, samples: torch.Tensor) -> np.ndarray:
    """Write model.onnx, prove that it answers as torch does on real images, and return those answers."""
    served = Served(network).eval()
    program = torch.onnx.export(
        served,
        (samples,),
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_shapes={"images": {0: torch.export.Dim("records", min=1)}},
        dynamo=True,
        verbose=False,
    )
    program.save(target / "model.onnx", include_initializers=True, external_data=False)
    onnx.checker.check_model(onnx.load(target / "model.onnx"))
    session = onnxruntime.InferenceSession(target / "model.onnx", providers=["CPUExecutionProvider"])
    answers = session.run(["probabilities"], {"images": samples.numpy()})[0]
    with torch.no_grad():
        worst = float(np.abs(answers - served(samples).numpy()).max())
    if worst > EXPORT_TOLERANCE:
        raise SystemExit(f"the exported model differs from torch by {worst:.3g}, more than {EXPORT_TOLERANCE:g}")
    print(f"exported model.onnx; it differs from torch by at most {worst:.1e}", flush=True)
    return answers


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def main() -> None:
    given, stop = arguments(), list[bool]()
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(given.seed)
    target, output = (
        folder("SM_MODEL_DIR", HERE.parent / "build" / "model"),
        folder("SM_OUTPUT_DATA_DIR", HERE.parent / "build" / "output"),
    )
    network = Network()
    train(network, *channel("train"), given, stop)
    test = channel("test")
    parts = {"validation": channel("validation"), "test": test}
    metrics = {name: dict(zip(("accuracy", "loss"), evaluate(network, *part), strict=True)) for name, part in parts.items()}
    print(f"test:accuracy={metrics['test']['accuracy']:.4f}; test:loss={metrics['test']['loss']:.4f};", flush=True)
    answers = export(network, target, test[0][:64])
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, target / "model.safetensors")
    versions = {"torch": torch.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    card = {
        "format": "trimtab.card/v1",
        "name": "digits",
        "description": "Handwritten digits, 28 x 28 grey pixels, black ground; trained on 3,500 MNIST images with small shifts and turns.",
        "input": {"name": "images", "dtype": "uint8", "shape": [None, 28, 28]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [None, 10]},
        "classes": [str(digit) for digit in range(10)],
        "metrics": metrics,
        "versions": versions,
    }
    write_json(target / "card.json", card)
    golden = {"inputs": test[0][:GOLDEN].tolist(), "outputs": answers[:GOLDEN].tolist(), "tolerance": EXPORT_TOLERANCE}
    write_json(target / "golden.json", golden)
    write_json(output / "evaluation.json", {"metrics": metrics, "dataset": {"channel": "test", "records": len(test[0])}})


if __name__ == "__main__":
    main()
