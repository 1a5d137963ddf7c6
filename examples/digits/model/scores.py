"""How good answers are: one measure for the network in training and for a model that is there already."""

import torch
from torch.nn import functional


def scores(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Accuracy (share of right answers) and loss (mean cross-entropy).

    logits: N x 10; the logarithms of probabilities are such.
    """
    right = (logits.argmax(1) == labels).double().mean().item()
    return {"accuracy": right, "loss": functional.cross_entropy(logits.double(), labels).item()}
