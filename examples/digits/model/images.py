"""The images: read from a channel, and varied for training."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

SIDE = 28  # pixels
TURN = 10.0  # degrees, at most, each way


def read(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (uint8, N x 28 x 28) and labels (int64, N) of one part of the data.

    Ends the program with a sentence when they are not there or not as expected.
    """
    if not (folder / "images.npy").is_file():
        raise SystemExit(f"{folder} holds no images.npy: run get_data.py first")
    images = np.load(folder / "images.npy", allow_pickle=False)
    labels = np.load(folder / "labels.npy", allow_pickle=False)
    if images.dtype != np.uint8 or images.shape != (len(labels), SIDE, SIDE) or not len(images):
        raise SystemExit(f"{folder}: {images.dtype} images of shape {images.shape} beside {len(labels)} labels")
    if labels.min() < 0 or labels.max() > 9:
        raise SystemExit(f"{folder}: labels from {labels.min()} to {labels.max()}, not 0 to 9")
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


def scaled(images: torch.Tensor) -> torch.Tensor:
    """uint8, N x 28 x 28, to [0, 1], N x 1 x 28 x 28: what the network takes."""
    return images.to(torch.float32).unsqueeze(1) / 255.0


def varied(images: torch.Tensor, shift: float, random: torch.Generator) -> torch.Tensor:
    """Each image moved by up to `shift` pixels and turned by up to 10 degrees, with a draw of its own.

    images: scaled, N x 1 x 28 x 28; what comes in at the edge is black.
    """
    count = len(images)
    move = (torch.rand(count, 2, generator=random) * 2 - 1) * shift * 2 / SIDE
    turn = torch.deg2rad((torch.rand(count, generator=random) * 2 - 1) * TURN)
    cosine, sine = torch.cos(turn), torch.sin(turn)
    matrix = torch.stack((cosine, -sine, move[:, 0], sine, cosine, move[:, 1]), dim=1).reshape(count, 2, 3)
    grid = functional.affine_grid(matrix, [count, 1, SIDE, SIDE], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)
