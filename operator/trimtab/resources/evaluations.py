"""What an evaluation.json says: one reading for the model that a job made and for one that was evaluated again. Pure."""

from collections.abc import Mapping
from typing import Any, cast


def read_evaluation(evaluation: Any) -> tuple[dict[str, float], Mapping[str, Any], str]:
    """(values by "<channel>:<metric>", what it was evaluated on, what is wrong with it).

    evaluation: `{"metrics": {"accuracy": 0.97}, "dataset": {"channel": "test"}}`, or with metrics by channel,
    `{"metrics": {"test": {"accuracy": 0.97}}}`, as the user's code wrote it: any value; None where there is none.
    """
    if evaluation is None:
        return {}, {}, "there is no evaluation.json"
    body = _mapping(evaluation)
    dataset, metrics = _mapping(body.get("dataset")), _mapping(body.get("metrics"))
    if not metrics:
        return {}, dataset, "evaluation.json holds no metrics"
    channel = dataset.get("channel", "test")
    flat: dict[str, Any] = {}
    for name, value in metrics.items():
        nested = _mapping(value)
        flat |= {f"{name}:{inner}": each for inner, each in nested.items()} if nested else {f"{channel}:{name}": value}
    values = numbers(flat)
    odd = sorted(name for name in flat if name not in values)
    problem = f"evaluation.json: {', '.join(odd)} is no number" if odd else ""
    return values, dataset, problem


def numbers(value: Any) -> dict[str, float]:
    """Those entries of a mapping that are numbers; none of what is no mapping."""
    return {
        name: float(each)
        for name, each in _mapping(value).items()
        if isinstance(each, (int, float)) and not isinstance(each, bool)
    }


def _mapping(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
