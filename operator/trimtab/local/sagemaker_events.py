"""What SageMaker says on EventBridge: (detail-type, resources, detail) of each event. Pure.

Source: Amazon SageMaker AI Developer Guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast


def job_changed(noun: str, shown: Mapping[str, Any], tags: Mapping[str, str]) -> tuple[str, list[str], dict[str, Any]]:
    """noun: "training" or "processing". shown: as its Describe operation answers it; times become milliseconds."""
    name = noun.capitalize()
    detail: dict[str, Any] = {**_timed(shown), "Tags": dict(tags)}
    return f"SageMaker {name} Job State Change", [detail[f"{name}JobArn"]], detail


def _timed(value: Any) -> Any:
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, Mapping):
        return {name: _timed(each) for name, each in cast(Mapping[str, Any], value).items()}
    return [_timed(each) for each in cast(list[Any], value)] if isinstance(value, list) else value
