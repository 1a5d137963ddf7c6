"""OperatorConfig, trimtab.dev/v1alpha1: what `trimtab run` watches, and how. Flags and environment variables override it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trimtab.model.base import API_VERSION, LABEL, Metadata, Model, field, rule
from trimtab.model.values import BUCKET, Duration, duration

Interval = Annotated[Duration, duration(1, 86_400)]
Namespace = Annotated[str, Field(max_length=63, pattern=LABEL)]
_REF = r"^[^\s~^:?*\[\\-][^\s~^:?*\[\\]*$"  # git-check-ref-format(1)
EnvironmentName = Annotated[str, Field(max_length=63, pattern=LABEL)]


class FolderConfig(Model):
    """A folder of documents on this machine."""

    path: str = field(
        "none", "The folder; relative to the file that this stands in.", min_length=1, max_length=4096, examples=["./models"]
    )


class GitConfig(Model):
    """A Git repository: the commit that a ref stands for."""

    repository: str = field(
        "none",
        "Its URL (https, http, ssh, file), user@host:path, or a path. Credentials come from the URL or from ssh's agent.",
        min_length=1,
        max_length=2048,
        examples=["https://git.example.com/team/models.git"],
    )
    ref: str = field("none", "A branch or a tag.", "main", min_length=1, max_length=255, pattern=_REF)
    path: str = field(
        "none", "Folder of the repository to read; all of it when left out.", "", max_length=1024, pattern=r"^([^/\s].*)?$"
    )
    status_branch: str | None = field(
        "none",
        "A branch of its own that the status of each document is pushed to; none when left out.",
        None,
        max_length=255,
        pattern=_REF,
        examples=["trimtab-status"],
    )
    allowed_signers: str | None = field(
        "none",
        "A file in the form of OpenSSH's allowed_signers: only commits that one of them signed are taken.",
        None,
        max_length=4096,
        examples=["./allowed_signers"],
    )

    @model_validator(mode="after")
    def _two_branches(self) -> Self:
        if self.status_branch == self.ref:
            raise rule("is the branch that documents are read from", at="statusBranch", fix="name a branch of its own")
        return self


class S3Config(Model):
    """A prefix of an S3 bucket."""

    bucket: str = field("none", "The bucket.", min_length=3, max_length=63, pattern=BUCKET, examples=["team-models"])
    prefix: str = field(
        "none", "Where its keys begin; the whole bucket when left out.", "", max_length=900, pattern=r"^([^/].*)?$"
    )
    environment: EnvironmentName | None = field(
        "none", "The environment whose account it is read with; the first that is served when left out.", None
    )
    manifest: str = field(
        "none",
        "An object below the prefix that is written last and lists what belongs to the set, a path a line, or as md5sum "
        "does. Without it a set is whole once two listings in a row are equal.",
        "",
        max_length=255,
        examples=["MANIFEST"],
    )
    queue: str | None = field(
        "none",
        "URL of an SQS queue of its own that hears of its objects: a hint to look at once.",
        None,
        max_length=512,
        pattern=r"^https?://[^\s]+$",
    )


class SourceConfig(Model):
    """Where documents come from: one of `folder`, `git` and `s3`."""

    folder: FolderConfig | None = field("none", "A folder of documents on this machine.", None)
    git: GitConfig | None = field("none", "A Git repository.", None)
    s3: S3Config | None = field("none", "A prefix of an S3 bucket.", None)
    namespaces: tuple[Namespace, ...] = field(
        "none", "Namespaces that it may speak for; all when left out.", (), max_length=100, examples=[["vision"]]
    )
    interval: Interval | None = field(
        "none",
        "How often it is looked at where nothing says that it changed; 2s for a folder, 5s for Git, 10s for S3.",
        None,
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        given = [name for name in ("folder", "git", "s3") if getattr(self, name) is not None]
        if len(given) != 1:
            said = f"names {' and '.join(given)}" if given else "names nothing to read"
            raise rule(said, at=given[-1] if given else "", fix="name one of folder, git, s3 in each source")
        return self


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
    traces: str | None = field(
        "none",
        "Base URL of an OpenTelemetry collector that takes OTLP over HTTP: a span for each pass, its calls beneath. "
        "OTEL_* variables override it.",
        None,
        max_length=2048,
        pattern=r"^https?://[^\s@]+$",
        examples=["http://collector:4318"],
    )
    logs: LogConfig = field("none", "What it writes on stderr.", LogConfig)


class OperatorConfig(Model):
    """Configuration of `trimtab run`."""

    api_version: Literal["trimtab.dev/v1alpha1"] = field("none", "Version of the API.", API_VERSION)
    kind: Literal["OperatorConfig"] = field("none", "Kind of the document.", "OperatorConfig")
    metadata: Metadata = field("none", "Who it is.")
    spec: OperatorSpec = field("none", "What the operator does.")
