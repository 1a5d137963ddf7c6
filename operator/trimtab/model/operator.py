"""OperatorConfig, trimtab.dev/v1alpha1: what `trimtab run` watches, and how. Flags and environment variables override it."""

from typing import Annotated, Literal

from pydantic import Field

from trimtab.model.base import API_VERSION, LABEL, Metadata, Model, field
from trimtab.model.values import Duration, duration

Interval = Annotated[Duration, duration(1, 86_400)]
Namespace = Annotated[str, Field(max_length=63, pattern=LABEL)]
EnvironmentName = Annotated[str, Field(max_length=63, pattern=LABEL)]


class FolderConfig(Model):
    """A folder of documents on this machine."""

    path: str = field(
        "none", "The folder; relative to the file that this stands in.", min_length=1, max_length=4096, examples=["./models"]
    )


class SourceConfig(Model):
    """Where documents come from."""

    folder: FolderConfig = field("none", "A folder of documents on this machine.")
    namespaces: tuple[Namespace, ...] = field(
        "none", "Namespaces that it may speak for; all when left out.", (), max_length=100, examples=[["vision"]]
    )
    interval: Interval = field("none", "How often it is looked at where nothing says that it changed.", "2s")


class EventsConfig(Model):
    """A queue that EventBridge delivers to: what moves is looked at in seconds, not with the next sweep."""

    environment: EnvironmentName = field("none", "The environment whose account and region it is in.", examples=["local"])
    queue: str = field(
        "none",
        "URL of the SQS queue. One for each operator: what one takes, no other hears.",
        max_length=512,
        pattern=r"^https?://[^\s]+$",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/trimtab-events"],
    )


class LogConfig(Model):
    """What the operator writes on stderr."""

    format: Literal["console", "json"] = field("none", "For people, or one JSON object a line.", "console")
    level: Literal["debug", "info", "warning", "error"] = field("none", "What is left out is below it.", "info")


class OperatorSpec(Model):
    """What the operator does."""

    sources: tuple[SourceConfig, ...] = field("none", "Where documents come from.", min_length=1, max_length=50)
    environments: tuple[EnvironmentName, ...] = field(
        "none", "Names of the environments that it serves.", ("local",), min_length=1, max_length=20
    )
    events: tuple[EventsConfig, ...] = field("none", "Queues of events; without one it only polls.", (), max_length=20)
    workers: int = field("none", "Passes at a time; a pass never waits for a job.", 8, ge=1, le=256)
    sweep: Interval = field("none", "How often everything is looked at where nothing says that it moved.", "60s")
    listen: str | None = field(
        "none",
        "Address and port of /healthz, /readyz and /metrics; null opens none.",
        "127.0.0.1:8081",
        max_length=261,
        pattern=r"^[^\s:]+:[0-9]{1,5}$",
    )
    logs: LogConfig = field("none", "What it writes on stderr.", LogConfig)


class OperatorConfig(Model):
    """Configuration of `trimtab run`."""

    api_version: Literal["trimtab.dev/v1alpha1"] = field("none", "Version of the API.", API_VERSION)
    kind: Literal["OperatorConfig"] = field("none", "Kind of the document.", "OperatorConfig")
    metadata: Metadata = field("none", "Who it is.")
    spec: OperatorSpec = field("none", "What the operator does.")
