"""What API Gateway keeps: APIs, their deployments (snapshots) and stages, keys, usage plans."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Deployment:
    """A snapshot of an API: edits of the API are not served until they are deployed."""

    id: str
    created: datetime
    description: str
    body: dict[str, Any]  # the OpenAPI document as it was


@dataclass(slots=True)
class Stage:
    name: str
    deployment_id: str
    created: datetime
    updated: datetime
    description: str = ""
    variables: dict[str, str] = field(default_factory=dict[str, str])
    settings: dict[str, dict[str, Any]] = field(
        default_factory=dict[str, dict[str, Any]]
    )  # "*/*" -> {throttlingRateLimit: ...}
    tags: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Api:
    id: str
    name: str
    created: datetime
    description: str = ""
    version: str = ""
    binary: list[str] = field(default_factory=list[str])
    endpoint: dict[str, Any] = field(default_factory=lambda: {"types": ["EDGE"]})
    key_source: str = "HEADER"
    disabled: bool = False
    policy: str = ""
    minimum_compression: int | None = None
    body: dict[str, Any] = field(default_factory=lambda: {"paths": {}})
    resources: dict[str, str] = field(default_factory=dict[str, str])  # path -> id, "/" and those without methods too
    tags: dict[str, str] = field(default_factory=dict[str, str])
    deployments: dict[str, Deployment] = field(default_factory=dict[str, Deployment])
    stages: dict[str, Stage] = field(default_factory=dict[str, Stage])


@dataclass(slots=True)
class Key:
    id: str
    name: str
    value: str
    created: datetime
    updated: datetime
    description: str = ""
    enabled: bool = True
    tags: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class UsagePlan:
    id: str
    name: str
    created: datetime
    description: str = ""
    stages: list[str] = field(default_factory=list[str])  # "<api id>:<stage>"
    throttle: dict[str, Any] = field(default_factory=dict[str, Any])  # rateLimit, burstLimit
    quota: dict[str, Any] = field(default_factory=dict[str, Any])
    keys: list[str] = field(default_factory=list[str])
    tags: dict[str, str] = field(default_factory=dict[str, str])
