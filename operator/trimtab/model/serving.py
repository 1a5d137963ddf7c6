"""How the model serves: image, resources, replicas, rollout, gateway."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from trimtab.core.quantities import cpu_millicores, fargate_fits, memory_mib
from trimtab.model.base import Model, field, rule
from trimtab.model.replicas import Replicas
from trimtab.model.values import DOMAIN, FILE, ORIGIN, VARIABLE, Cpu, Duration, Memory, Patterns, distinct, duration

_SERVING_FILES = ("serve/", "inference.py", "!*.md", "!__pycache__/")
_OURS = ("TRIMTAB_", "SAGEMAKER_BASE_DIR", "SAGEMAKER_BIND_TO_PORT")


def _not_ours(name: str) -> str:
    if name.startswith(_OURS):
        raise rule(f"{name} is set by trimtab itself", fix="choose another name")
    return name


VariableName = Annotated[str, Field(max_length=255, pattern=VARIABLE), AfterValidator(_not_ours)]
Arn = Annotated[str, Field(max_length=2048, pattern=r"^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:.+$")]


class Image(Model):
    """The image that serves."""

    dockerfile: str = field(
        "result",
        "Dockerfile inside the model's folder, for a server of one's own; in the code folder, for builders that use one. "
        "Its content is part of the image's key.",
        "Dockerfile",
        max_length=255,
        pattern=FILE,
    )
    builder: Literal["auto", "layers", "docker", "codebuild"] = field(
        "run", "What builds the image; layers needs no daemon, and auto takes it.", "auto"
    )
    packaging: Literal["baked", "fetched"] = field(
        "result", "The model inside the image, or fetched from S3 when a replica starts.", "baked"
    )


class Resources(Model):
    """What one replica gets."""

    cpu: Cpu = field("result", "Kubernetes millicores, or cores. On ECS 1000m are 1024 units.", "500m", examples=["500m", 1])
    memory: Memory = field("result", "Memory, a whole number of MiB.", "1Gi", examples=["1Gi"])
    gpu: int = field("result", "How many GPUs.", 0, ge=0, le=8)

    @property
    def cpu_millicores(self) -> int:
        return cpu_millicores(self.cpu)

    @property
    def memory_mib(self) -> int:
        return memory_mib(self.memory)


_ALARM = re.compile(r"(?:arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:[0-9]{12}:alarm:)?(?P<name>.{1,255})", re.DOTALL)


def _alarm(given: str) -> str:
    match = _ALARM.fullmatch(given)
    if match is None or match["name"].startswith("arn:"):
        raise rule(f"{given!r} is no name of a CloudWatch alarm", fix="write its name (at most 255 characters), or its ARN")
    return given


def _names_once(given: tuple[str, ...]) -> tuple[str, ...]:
    """No alarm twice, also where one is named by its ARN."""
    distinct(tuple(match["name"] for each in given if (match := _ALARM.fullmatch(each))))
    return given


AlarmName = Annotated[str, Field(min_length=1, max_length=1600), AfterValidator(_alarm)]


class Rollout(Model):
    """How a new release takes over. A release that served before, and comes back, is not baked again."""

    strategy: Literal["rolling", "noSurge", "blueGreen", "canary", "linear"] = field(
        "none", "How traffic moves from the old release to the new one.", "rolling"
    )
    alarms: Annotated[tuple[AlarmName, ...], AfterValidator(_names_once)] = field(
        "none",
        "CloudWatch metric alarms, by name or ARN, that roll a release back: ECS watches them while it takes over and for a "
        "while that ECS chooses, trimtab for as long as it bakes. They must exist. One that is in ALARM already when a "
        "release takes over is not counted against it.",
        (),
        max_length=10,
        examples=[["digits-errors"]],
    )
    bake: Annotated[Duration, duration(0, 24 * 3600)] = field(
        "none",
        "How long a new release has to serve before it counts: Ready comes afterwards. When one of the alarms goes off "
        "meanwhile the release is given up, and the last one is brought back by a roll-out of its own.",
        "0s",
        examples=["5m"],
    )


class Throttle(Model):
    """How fast the endpoint may be called, all keys together."""

    rate: float = field("none", "Requests a second, over time.", 50, gt=0, le=10_000)
    burst: int = field("none", "Requests at once.", 100, ge=1, le=5_000)


class Cors(Model):
    """Which web pages may call the endpoint."""

    allow_origins: Annotated[tuple[Annotated[str, Field(max_length=255, pattern=ORIGIN)], ...], AfterValidator(distinct)] = (
        field(
            "none", "Origins of the pages, or *; none when left out.", (), max_length=20, examples=[["https://example.com"]]
        )
    )


class Gateway(Model):
    """The public way in."""

    kind: Literal["apigateway"] = field("none", "What answers.", "apigateway")
    auth: Literal["apiKey", "iam", "jwt", "none"] = field(
        "none", "How callers prove who they are. `none` lets anybody call, and must be written out.", "apiKey"
    )
    throttle: Throttle = field("none", "How fast the endpoint may be called.", Throttle)
    cors: Cors = field("none", "Which web pages may call the endpoint.", Cors)
    domain: str | None = field(
        "none", "Domain name of its own.", None, max_length=253, pattern=DOMAIN, examples=["digits.example.com"]
    )
    key_secret: str | None = field(
        "none", "Name or ARN of the secret to copy the API key into.", None, min_length=1, max_length=512
    )


class Volume(Model):
    """An EFS access point."""

    access_point: Arn = field("result", "ARN of the EFS access point.")
    path: str = field("result", "Where it is mounted.", pattern=r"^/[^\x00]+$", max_length=255, examples=["/mnt/features"])


class Binding(Model):
    """A secret or a database, by reference: its value never stands in a document."""

    exactly_one = (("secret", "database"),)

    name: VariableName = field("result", "Environment variable that holds it.", examples=["FEATURES_TOKEN"])
    secret: Arn | None = field("result", "ARN of a secret of Secrets Manager.", None)
    database: Arn | None = field("result", "ARN of an RDS database; its connection secret is bound.", None)
    on_rotation: Literal["ignore", "roll"] = field("none", "What a rotation of the secret does to replicas.", "ignore")


class Serving(Model):
    """How the model serves."""

    target: Literal["ecs", "kubernetes", "sagemaker"] = field("none", "Where the model serves.", "ecs")
    files: Patterns = field(
        "result",
        "Patterns of the code files that serving uses, as in training.files; the last that matches wins.",
        _SERVING_FILES,
    )
    resources: Resources = field("result", "What one replica gets.", Resources)
    env: dict[VariableName, Annotated[str, Field(max_length=1024)]] = field(
        "result",
        "Plain environment variables. Secrets are bindings.",
        dict,
        max_length=64,
        examples=[{"LOG_LEVEL": "info"}],
    )
    replicas: Replicas = field(
        "none",
        "How many replicas serve. With max above min an autoscaler chooses, and every edit keeps its choice.",
        Replicas,
    )
    rollout: Rollout = field("none", "How a new release takes over.", Rollout)
    gateway: Gateway = field("none", "The public way in.", Gateway)
    volumes: tuple[Volume, ...] = field("result", "EFS access points that replicas mount.", (), max_length=10)
    bindings: tuple[Binding, ...] = field("result", "Secrets and databases, by reference.", (), max_length=50)

    @model_validator(mode="after")
    def _offered(self) -> Self:
        """Fargate offers pairs of cpu and memory, not any."""
        if self.target == "ecs":
            near = fargate_fits(self.resources.cpu_millicores, self.resources.memory_mib)
            if near:
                words = " or ".join(f"cpu {cpu} with memory {memory}" for cpu, memory in near)
                given = f"cpu {self.resources.cpu} with memory {self.resources.memory}"
                raise rule(f"Fargate does not offer {given}; the nearest are {words}", at="resources", fix=f"use {words}")
        return self

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for index, binding in enumerate(self.bindings):
            if binding.name in self.env or binding.name in [each.name for each in self.bindings[:index]]:
                raise rule(f"{binding.name} stands twice", at=f"bindings[{index}].name", fix="choose another name")
        return self
