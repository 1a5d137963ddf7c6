"""Environment, trimtab.dev/v1alpha1: what a platform team owns, so that a ModelDeployment is the same in every account."""

from typing import Annotated, Literal

from pydantic import Field

from trimtab.model.base import API_VERSION, LABEL, Metadata, Model, field

_ROLE = r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$"
_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
Id = Annotated[str, Field(min_length=4, max_length=64)]


class Roles(Model):
    """Roles that exist already."""

    training: str = field("run", "Role of training jobs.", pattern=_ROLE)
    execution: str = field("result", "Role with which ECS starts tasks.", pattern=_ROLE)
    task: str | None = field("result", "Role of the serving code.", None, pattern=_ROLE)


class Buckets(Model):
    """Buckets of the environment; trimtab never deletes one."""

    state: str = field("none", "For trimtab's ledgers.", pattern=_BUCKET)
    data: str = field("none", "For datasets, code and models.", pattern=_BUCKET)


class Logs(Model):
    """How long logs stay."""

    retention_days: int | None = field("none", "Days, one of those CloudWatch Logs takes; null keeps them for ever.", 30)


class SecurityGroups(Model):
    """Security groups by who carries them."""

    tasks: tuple[Id, ...] = field("run", "Of serving tasks.")
    load_balancer: tuple[Id, ...] = field("run", "Of the load balancer and the VPC link.")


class LoadBalancer(Model):
    """The internal load balancer."""

    kind: Literal["shared", "own"] = field("none", "One for all deployments of the environment, or one each.", "shared")
    port: int = field("none", "Port of its listener.", 80, ge=1, le=65535)


class Network(Model):
    """Where tasks and balancers live."""

    vpc: Id = field("run", "VPC.")
    subnets: tuple[Id, ...] = field("run", "Private subnets, in two zones or more.", min_length=2)
    security_groups: SecurityGroups = field("run", "Security groups.")
    load_balancer: LoadBalancer = field("none", "The internal load balancer.", LoadBalancer)


class Images(Model):
    """Images to start from."""

    training: dict[str, str] = field("none", "By framework: its training image.", dict)
    serving: str = field("none", "Base of serving images.", max_length=255)


class EnvironmentGateway(Model):
    """How endpoints are reached."""

    invoke_url: str | None = field(
        "none", "URL with {api}, {region} and {stage}; by default AWS's own.", None, max_length=512
    )
    certificate: str | None = field("none", "Certificate for domains.", None, max_length=255)
    domain: str | None = field("none", "Domain under which deployments get names.", None, max_length=253)


class AssumeRole(Model):
    """A role to take for a namespace."""

    namespace: str = field("none", "Namespace.", pattern=LABEL)
    role: str = field("none", "Role.", pattern=_ROLE)
    external_id: str | None = field("none", "External id.", None, max_length=1224)


class Kubernetes(Model):
    """A cluster."""

    context: str = field("none", "Context of the kubeconfig.", max_length=255)
    gateway_integration: str | None = field("none", "How auth and throttle are done there.", None, max_length=63)


class TakeOver(Model):
    """What `adoption: takeOver` may take."""

    prefixes: tuple[str, ...] = field("none", "Prefixes of names.", ())
    namespaces: tuple[str, ...] = field("none", "Namespaces that may.", ())


class EnvironmentSpec(Model):
    """What is declared."""

    account: str = field("none", "AWS account, twelve digits.", pattern=r"^\d{12}$")
    region: str = field("none", "AWS region.", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    roles: Literal["managed"] | Roles = field(
        "run", "managed: trimtab makes them; or the ARNs of roles that exist.", "managed"
    )
    permissions_boundary: str | None = field("none", "ARN of the policy that bounds managed roles.", None, max_length=255)
    assume_roles: tuple[AssumeRole, ...] = field("none", "Roles to take, by namespace.", ())
    buckets: Buckets = field("none", "Buckets.")
    kms_key: str | None = field("none", "KMS key for what is stored.", None, max_length=255)
    logs: Logs = field("none", "How long logs stay.", Logs)
    network: Network = field("run", "Where tasks and balancers live.")
    images: Images = field("none", "Images to start from.")
    gateway: EnvironmentGateway = field("none", "How endpoints are reached.", EnvironmentGateway)
    kubernetes: Kubernetes | None = field("none", "A cluster.", None)
    tags: dict[Annotated[str, Field(max_length=128)], Annotated[str, Field(max_length=256)]] = field(
        "none", "Tags for everything.", dict, max_length=40
    )
    namespaces: tuple[str, ...] = field("none", "Namespaces it serves; all when empty.", ())
    take_over: TakeOver = field("none", "What may be taken over.", TakeOver)


class Environment(Model):
    """Account, region, roles, buckets and network."""

    api_version: Literal["trimtab.dev/v1alpha1"] = field("none", "Version of the API.", API_VERSION)
    kind: Literal["Environment"] = field("none", "Kind of the document.", "Environment")
    metadata: Metadata = field("none", "Who it is.")
    spec: EnvironmentSpec = field("none", "What is declared.")
