"""Environment, trimtab.dev/v1alpha1: what a platform team owns, so that a ModelDeployment is the same in every account."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from trimtab.model.base import API_VERSION, LABEL, Metadata, Model, field, rule
from trimtab.model.values import BUCKET, DOMAIN, distinct

ACCOUNT = r"^[0-9]{12}$"
REGION = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$"
_ROLE = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9_+=,.@/-]+$"
_POLICY = r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[a-zA-Z0-9_+=,.@/-]+$"
_IMAGE = r"^[^\s]+$"
# Source: Amazon CloudWatch Logs API, PutRetentionPolicy.
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)

RoleArn = Annotated[str, Field(max_length=2048, pattern=_ROLE)]
Namespace = Annotated[str, Field(max_length=63, pattern=LABEL)]
SecurityGroupId = Annotated[str, Field(max_length=32, pattern=r"^sg-[0-9a-z]+$")]
SubnetId = Annotated[str, Field(max_length=32, pattern=r"^subnet-[0-9a-z]+$")]
SecurityGroupIds = Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=5), AfterValidator(distinct)]
TagKey = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w .:/=+@-]*$")]
TagValue = Annotated[str, Field(max_length=256, pattern=r"^[\w .:/=+@-]*$")]


def _retention(days: int) -> int:
    if days not in RETENTIONS:
        near = sorted(RETENTIONS, key=lambda each: abs(each - days))[:2]
        raise rule(f"CloudWatch Logs keeps no logs for {days} days", fix=f"use one it has, {near[0]} or {near[1]}")
    return days


def _not_reserved(key: str) -> str:
    if key.lower().startswith(("aws:", "trimtab.dev/")):
        raise rule(f"{key!r} is a reserved tag", fix="choose another key")
    return key


Retention = Annotated[int, AfterValidator(_retention), WithJsonSchema({"type": "integer", "enum": list(RETENTIONS)})]


class Roles(Model):
    """Roles that exist already."""

    training: RoleArn = field("run", "Role of training jobs.", examples=["arn:aws:iam::123456789012:role/platform/training"])
    execution: RoleArn = field("result", "Role with which ECS pulls the image and writes logs.")
    task: RoleArn | None = field("result", "Role of the serving code; none when left out.", None)


class Buckets(Model):
    """Buckets of the environment. trimtab writes in them and never deletes one."""

    state: str = field("none", "Bucket of the ledgers.", pattern=BUCKET, examples=["example-trimtab-state"])
    data: str = field(
        "none", "Bucket of datasets, code, training output and models.", pattern=BUCKET, examples=["example-trimtab-data"]
    )


class Logs(Model):
    """How long logs stay."""

    retention_days: Retention | None = field(
        "none", "Days, one of those that CloudWatch Logs has; null keeps logs for ever.", 30, examples=[90]
    )


class SecurityGroups(Model):
    """Security groups by who carries them."""

    tasks: SecurityGroupIds = field("run", "Of serving tasks; they take port 8080 from the load balancer's.")
    load_balancer: SecurityGroupIds = field("run", "Of the load balancer and the VPC link.")


class LoadBalancer(Model):
    """The internal load balancer."""

    kind: Literal["shared", "own"] = field("none", "One for all deployments of the environment, or one each.", "shared")
    port: int = field("none", "Port of its listener.", 80, ge=1, le=65535)


class Network(Model):
    """Where tasks and balancers live."""

    vpc: Annotated[str, Field(max_length=32, pattern=r"^vpc-[0-9a-z]+$")] = field(
        "run", "The VPC.", examples=["vpc-0a1b2c3d"]
    )
    subnets: Annotated[tuple[SubnetId, ...], AfterValidator(distinct)] = field(
        "run", "Private subnets, in two availability zones or more.", min_length=2, max_length=16
    )
    security_groups: SecurityGroups = field("run", "Security groups by who carries them.")
    load_balancer: LoadBalancer = field("none", "The internal load balancer.", LoadBalancer)
    vpc_link: str | None = field(
        "none", "Id of a VPC link that exists; trimtab makes one when left out.", None, max_length=64, pattern=r"^[a-z0-9]+$"
    )


class CapacityProvider(Model):
    """A share of the tasks on one kind of capacity."""

    name: str = field("run", "Capacity provider of the cluster.", min_length=1, max_length=255, examples=["FARGATE_SPOT"])
    weight: int = field("run", "Its share among the providers.", 1, ge=0, le=1000)
    base: int = field("run", "How many tasks it has before shares count.", 0, ge=0, le=100_000)


class Ecs(Model):
    """The ECS cluster of the environment."""

    cluster: str | None = field(
        "none",
        "Name of a cluster that exists; trimtab makes one for the environment when left out.",
        None,
        max_length=255,
        pattern=r"^[a-zA-Z0-9_-]+$",
        examples=["platform"],
    )
    capacity_providers: tuple[CapacityProvider, ...] = field(
        "run", "Capacity to run tasks on; Fargate when left out.", (), max_length=20
    )


class Images(Model):
    """Images to start from."""

    training: dict[Namespace, Annotated[str, Field(max_length=255, pattern=_IMAGE)]] = field(
        "none",
        "By framework: its training image. The digest behind a tag is taken once, and again on a refresh.",
        dict,
        max_length=32,
        examples=[{"pytorch": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2"}],
    )
    serving: str = field("none", "Base of serving images: Python 3.11, without a model.", max_length=255, pattern=_IMAGE)


class EnvironmentGateway(Model):
    """How endpoints are reached."""

    together = {"domain": ("certificate",)}

    invoke_url: str | None = field(
        "none",
        "URL of an endpoint, with {api}, {region} and {stage}; AWS's own when left out.",
        None,
        max_length=512,
        pattern=r"^https?://[^\s]+$",
        examples=["http://127.0.0.1:4567/{api}/{stage}"],
    )
    certificate: str | None = field(
        "none", "ARN of the certificate of `domain`.", None, max_length=2048, pattern=r"^arn:aws[a-z-]*:acm:.+$"
    )
    domain: str | None = field(
        "none",
        "Domain under which deployments get names.",
        None,
        max_length=253,
        pattern=DOMAIN,
        examples=["ml.example.com"],
    )


class AssumeRole(Model):
    """A role to take for the deployments of a namespace."""

    namespace: Namespace = field("none", "Namespace whose deployments are made with it.", examples=["vision"])
    role: RoleArn = field("none", "Role to take.")
    external_id: str | None = field(
        "none",
        "External id that the role's trust asks for.",
        None,
        min_length=2,
        max_length=1224,
        pattern=r"^[\w+=,.@:/-]*$",
    )


class Kubernetes(Model):
    """A cluster."""

    context: str = field("none", "Context of the kubeconfig.", min_length=1, max_length=255)
    gateway_integration: str | None = field(
        "none", "What does auth and throttle there, apigateway for one.", None, min_length=1, max_length=63
    )


class TakeOver(Model):
    """What `adoption: takeOver` may take. Nothing, until both are named."""

    prefixes: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = field(
        "none", "Prefixes of the names of resources that may be taken over.", (), max_length=50
    )
    namespaces: tuple[Namespace, ...] = field("none", "Namespaces whose deployments may take over.", (), max_length=200)


def _roles(value: object) -> str:
    return "word" if isinstance(value, str) else "roles"


class EnvironmentSpec(Model):
    """What is declared."""

    account: str = field(
        "none",
        "AWS account, twelve digits; quote it, or YAML takes it for a number.",
        pattern=ACCOUNT,
        examples=["123456789012"],
    )
    region: str = field("none", "AWS region.", max_length=32, pattern=REGION, examples=["eu-west-1"])
    roles: Annotated[Annotated[Literal["managed"], Tag("word")] | Annotated[Roles, Tag("roles")], Discriminator(_roles)] = (
        field(
            "run", "managed: trimtab makes roles under /trimtab/<environment>/; or the ARNs of roles that exist.", "managed"
        )
    )
    permissions_boundary: str | None = field(
        "none", "ARN of the policy that bounds managed roles.", None, max_length=2048, pattern=_POLICY
    )
    assume_roles: tuple[AssumeRole, ...] = field("none", "Roles to take, by namespace.", (), max_length=200)
    buckets: Buckets = field("none", "Buckets of the environment.")
    kms_key: str | None = field(
        "none",
        "ARN of the KMS key for what is stored; the services' own when left out.",
        None,
        max_length=2048,
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/.+$",
    )
    logs: Logs = field("none", "How long logs stay.", Logs)
    ecs: Ecs = field("none", "The ECS cluster of the environment.", Ecs)
    network: Network = field("run", "Where tasks and balancers live.")
    images: Images = field("none", "Images to start from.")
    gateway: EnvironmentGateway = field("none", "How endpoints are reached.", EnvironmentGateway)
    kubernetes: Kubernetes | None = field("none", "A Kubernetes cluster, for deployments whose target it is.", None)
    tags: dict[Annotated[TagKey, AfterValidator(_not_reserved)], TagValue] = field(
        "none", "Tags for everything that trimtab makes here.", dict, max_length=40, examples=[{"cost-centre": "1234"}]
    )
    namespaces: tuple[Namespace, ...] = field("none", "Namespaces that it serves; all when empty.", (), max_length=200)
    take_over: TakeOver = field("none", "What `adoption: takeOver` may take.", TakeOver)

    @model_validator(mode="after")
    def _roles_of_the_account(self) -> Self:
        """ECS and SageMaker take roles of their own account only."""
        if not isinstance(self.roles, str):
            for name in ("training", "execution", "task"):
                arn: str | None = getattr(self.roles, name)
                if arn and arn.split(":")[4] != self.account:
                    message = f"is a role of account {arn.split(':')[4]}, and the environment's is {self.account}"
                    raise rule(message, at=f"roles.{name}", fix="name a role of the environment's account")
        return self


class Environment(Model):
    """Account, region, roles, buckets and network."""

    api_version: Literal["trimtab.dev/v1alpha1"] = field("none", "Version of the API.", API_VERSION)
    kind: Literal["Environment"] = field("none", "Kind of the document.", "Environment")
    metadata: Metadata = field("none", "Who it is. Namespaces do not apply: an environment's name is unique.")
    spec: EnvironmentSpec = field("none", "What is declared.")
