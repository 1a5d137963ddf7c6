"""How the model serves: image, resources, replicas, rollout, gateway."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from trimtab.core.quantities import cpu_millicores, ecs_units, memory_mib, nearest_fargate
from trimtab.model.base import Model, field
from trimtab.model.training import FILE, Duration

_SERVING_FILES = ("serve/", "inference.py", "!*.md", "!__pycache__/")
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"


def _cpu(text: str | int | float) -> str | int | float:
    cpu_millicores(text)
    return text


def _memory(text: str) -> str:
    memory_mib(text)
    return text


class Image(Model):
    """The image that serves."""

    dockerfile: str = field(
        "result", "Dockerfile inside the code folder, for builders that use one.", "Dockerfile", pattern=FILE
    )
    builder: Literal["auto", "layers", "docker", "codebuild"] = field("run", "What builds it; auto needs no daemon.", "auto")
    packaging: Literal["baked", "fetched"] = field(
        "result", "The model inside the image, or fetched from S3 at start.", "baked"
    )


class Resources(Model):
    """What one replica gets."""

    cpu: Annotated[str | int | float, AfterValidator(_cpu)] = field(
        "result", "Kubernetes millicores.", "500m", examples=["500m", 1]
    )
    memory: Annotated[str, AfterValidator(_memory)] = field("result", "Memory.", "1Gi", examples=["1Gi"])
    gpu: int = field("result", "GPUs.", 0, ge=0, le=8)

    @property
    def cpu_millicores(self) -> int:
        return cpu_millicores(self.cpu)

    @property
    def memory_mib(self) -> int:
        return memory_mib(self.memory)


class ScalingTarget(Model):
    """What autoscaling holds."""

    metric: str = field("none", "cpu, memory, requests, or a custom metric.", "cpu", max_length=255)
    value: float = field("none", "Value to hold.", 60, gt=0)


class Replicas(Model):
    """How many replicas."""

    min: int = field("none", "The fewest.", 2, ge=1, le=1000)
    max: int | None = field("none", "The most; as many as min when left out.", None, ge=1, le=1000)
    target: ScalingTarget | None = field("none", "What autoscaling holds between the two.", None)

    @model_validator(mode="after")
    def _ordered(self) -> "Replicas":
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max {self.max} is below min {self.min}")
        return self

    @property
    def most(self) -> int:
        return self.max if self.max is not None else self.min


class Rollout(Model):
    """How a new release takes over."""

    strategy: Literal["rolling", "noSurge", "blueGreen", "canary", "linear"] = field("none", "How traffic moves.", "rolling")
    alarms: tuple[str, ...] = field("none", "CloudWatch alarms that roll back.", ())
    bake: Duration = field("none", "How long both releases stay before the old one goes.", "0s")


class Throttle(Model):
    """How fast the endpoint may be called."""

    rate: float = field("none", "Requests a second.", 50, gt=0, le=10_000)
    burst: int = field("none", "Requests at once.", 100, ge=1, le=5_000)


class Cors(Model):
    """Which web pages may call the endpoint."""

    allow_origins: tuple[str, ...] = field("none", "Origins, or *.", (), max_length=20, examples=[["https://example.com"]])


class Gateway(Model):
    """The public way in."""

    kind: Literal["apigateway"] = field("none", "What answers.", "apigateway")
    auth: Literal["apiKey", "iam", "jwt", "none"] = field(
        "none", "How callers prove who they are; none must be written out.", "apiKey"
    )
    throttle: Throttle = field("none", "How fast it may be called.", Throttle)
    cors: Cors = field("none", "Which web pages may call it.", Cors)
    domain: str | None = field("none", "Domain name of its own.", None, max_length=253)
    key_secret: str | None = field("none", "Secret to copy the API key into.", None, max_length=512)


class Volume(Model):
    """An EFS access point."""

    access_point: str = field("result", "ARN of the access point.", max_length=255)
    path: str = field("result", "Where it is mounted.", pattern=r"^/", max_length=255)


class Binding(Model):
    """A secret or database, by reference."""

    name: str = field("result", "Environment variable that holds it.", pattern=_VARIABLE, max_length=255)
    secret: str = field("result", "ARN of the secret.", max_length=2048)
    on_rotation: Literal["ignore", "roll"] = field("none", "What a rotation does.", "ignore")


class Serving(Model):
    """How the model serves."""

    target: Literal["ecs", "kubernetes", "sagemaker"] = field("none", "Where it serves.", "ecs")
    files: tuple[str, ...] = field(
        "result", "Patterns of the code files that serving uses; the last that matches wins.", _SERVING_FILES
    )
    resources: Resources = field("result", "What one replica gets.", Resources)
    env: dict[Annotated[str, Field(pattern=_VARIABLE, max_length=255)], Annotated[str, Field(max_length=1024)]] = field(
        "result", "Plain environment variables; secrets are bindings.", dict, max_length=50
    )
    replicas: Replicas = field("none", "How many replicas.", Replicas)
    rollout: Rollout = field("none", "How a new release takes over.", Rollout)
    gateway: Gateway = field("none", "The public way in.", Gateway)
    volumes: tuple[Volume, ...] = field("result", "EFS access points.", ())
    bindings: tuple[Binding, ...] = field("result", "Secrets and databases, by reference.", ())

    @model_validator(mode="after")
    def _offered(self) -> "Serving":
        """Fargate offers pairs of cpu and memory, not any."""
        if self.target == "ecs":
            millicores, mib = self.resources.cpu_millicores, self.resources.memory_mib
            near = nearest_fargate(ecs_units(millicores), mib)
            if len(near) > 1:
                words = " and ".join(f"cpu {cpu}m with memory {memory}Mi" for cpu, memory in near)
                raise ValueError(f"Fargate does not offer cpu {millicores}m with memory {mib}Mi; the nearest are {words}")
        return self
