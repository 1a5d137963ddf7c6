"""A small convolutional network for 28 x 28 digits."""

import torch
from images import scaled
from torch import nn

CLASSES = tuple(str(digit) for digit in range(10))


class Network(nn.Module):
    """Scaled images, N x 1 x 28 x 28, to logits, N x 10. 156,490 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(32 * 7 * 7, 96), nn.ReLU(), nn.Dropout(0.25), nn.Linear(96, len(CLASSES))
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))


class Served(nn.Module):
    """What is exported: raw pixels (uint8, N x 28 x 28) to probabilities (N x 10). A client needs to know no scaling."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.network(scaled(images)), dim=1)
