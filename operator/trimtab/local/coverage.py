"""What the local cloud has of each service, by operation, and where it differs: docs/local-cloud.md is made of it.

An operation is simulated when an overlay has it, recorded when only moto does, and else refused.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, cast

import botocore.session

from trimtab.local.overlay import method_name
from trimtab.local.overlays import OVERLAYS

Standing = Literal["simulated", "recorded", "refused"]
_ALIASES = {  # deprecated names of one path
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
_RECORDED = ("s3", "iam", "sts", "ec2")  # services that are moto's, and that deployments need

DEVIATIONS: Mapping[str, tuple[str, ...]] = {
    "apigateway": (
        "REST APIs are invoked on a loopback port of their own: `http://127.0.0.1:<port>/<api>/<stage>/...`.",
        "Integrations `HTTP_PROXY` and `MOCK`; parameters are static values, or a variable of the path by its own name.",
        "Gateway responses set headers of `DEFAULT_4XX` and `DEFAULT_5XX`.",
        "A resource policy, a minimum compression size and the quota of a usage plan are kept, and change nothing.",
        "Lambda, Cognito and IAM authorisation, domains, certificates, models and validators are refused.",
    ),
    "apigatewayv2": ("VPC links only, for REST APIs.",),
    "cloudtrail": (
        "Event history only: trails, event data stores and Insights are refused.",
        "An event is there after 5 minutes, or what `local up --trail-delay` says; AWS: within about 15 minutes.",
        "`responseElements` is always null; `environment` and what a service model calls sensitive is hidden.",
        "Resources are named for the services below only, by the parameters that name them.",
        "At most 200,000 events are kept, and none longer than 90 days.",
    ),
    "application-autoscaling": (
        "ECS services only; predictive scaling, metric math and predefined metrics of other services are refused.",
        "What ECS cannot fulfil leaves its activity InProgress.",
    ),
    "cloudwatch": (
        "JSON and query protocols. No composite alarms, metric math, anomaly bands, dashboards or metric streams.",
        "EventBridge hears of each change of an alarm's state; of its settings only by `AWS API Call via CloudTrail`.",
        "Actions on SNS topics are kept in the alarm's history as not carried out; the history goes with its alarm.",
        "CPUUtilization is measured from the real processes, which nothing limits: it may pass 100 %.",
    ),
    "ec2": ("A network of names: nothing is routed, filtered or isolated by it.",),
    "ecr": (
        "The registry is this cloud's own port; a repository policy, a lifecycle policy and scan settings change nothing.",
        "Layers are uploaded by the registry's protocol only.",
    ),
    "ecs": (
        "Fargate only, as processes of this machine: no isolation, no limits of cpu and memory, no read-only root, no user.",
        "Strategy ROLLING only; no container health checks, Service Connect, ExecuteCommand, and no volumes but empty ones.",
        "Starts that keep failing are spaced out to 15 s, not to 27 minutes.",
        "A deployment with alarms bakes for the longest time that one of them looks back over; ECS does not tell its own.",
        "Service action events: `SERVICE_STEADY_STATE` and `SERVICE_TASK_START_IMPAIRED`, each said once.",
    ),
    "elbv2": (
        "Application load balancers only, on loopback addresses; TLS and authentication actions are refused.",
    ),
    "events": (
        "The default bus and rules with patterns only: schedules, other buses, archives and pipes are refused.",
        "Targets are SQS queues of this cloud, and need no policy. `Input` and `InputPath` work, transformers are refused.",
        "Delivery is at once, in order and not repeated: what a queue cannot take goes to the dead-letter queue, if any.",
        "`AWS API Call via CloudTrail` needs no trail, and comes at once.",
    ),
    "iam": (
        "Kept and answered; what a policy allows is not enforced. Access keys sign, until they are inactive or deleted.",
    ),
    "logs": ("Subscriptions, metric filters and Insights queries are refused.",),
    "resourcegroupstaggingapi": ("What moto keeps (buckets, networks) is not listed, and what is deleted is gone at once.",),
    "s3": (
        "Objects, versions and multipart uploads are real and kept, by moto; access is not checked beyond the signature.",
        "Notifications go to SQS and EventBridge, at once and in order; forms, restores and lifecycle are not told.",
    ),
    "sagemaker": (
        "Training and processing jobs on one host; instance types are names. Nothing is isolated or billed.",
        "EventBridge hears of training and processing jobs. Models are kept and answered; no endpoint serves them.",
    ),
    "sqs": (
        "Standard queues only, delivered in order. FIFO, message moves and permissions by label are refused.",
        "A queue takes 100,000 messages. 32 long polls wait at once; more of them are answered at once.",
        "A deleted queue can be made again at once.",
    ),
    "sts": ("Sessions of roles sign, and do not expire.",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coverage:
    """One service."""

    service: str  # botocore's name
    title: str
    operations: Mapping[str, Standing]  # by name, sorted
    deviations: tuple[str, ...]

    def of(self, standing: Standing) -> list[str]:
        return [name for name, each in self.operations.items() if each == standing]


def coverage() -> list[Coverage]:
    """Every service that has an overlay, and those of moto's that deployments need, by name."""
    overlays: tuple[Any, ...] = OVERLAYS
    owned: dict[str, Any] = {str(each.service): each for each in overlays}
    return [_covered(service, owned.get(service)) for service in sorted([*{*owned, *_RECORDED}])]


def _covered(service: str, overlay: Any) -> Coverage:
    model: Any = botocore.session.get_session().get_service_model(service)
    nothing: frozenset[str] = frozenset()
    behind = nothing if overlay is not None and overlay.whole else _recorded(service)
    title = str(model.metadata["serviceFullName"])
    return Coverage(service, title, dict(_standing(model, overlay, behind)), DEVIATIONS.get(service, ()))


def _standing(model: Any, overlay: Any, behind: frozenset[str]) -> Iterator[tuple[str, Standing]]:
    for name in sorted(str(each) for each in model.operation_names):
        method = method_name(_ALIASES.get(name, name))
        yield name, "simulated" if hasattr(overlay, method) else "recorded" if method in behind else "refused"


def _recorded(service: str) -> frozenset[str]:
    """What moto has of a service: methods of its backend, and those of its responses that do not refuse."""
    from moto.backends import get_backend
    from moto.core.responses import BaseResponse

    backends: Any = cast(Any, get_backend)(service)
    module: Any = import_module(f"moto.{service}.responses")
    answered = {name for response in _classes(module, BaseResponse) for name in dir(response) if _answers(response, name)}
    return frozenset({*answered, *dir(backends.backend)})


def _classes(module: Any, base: type) -> list[type]:
    return [each for _, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, base)]


def _answers(response: type, name: str) -> bool:
    method: Any = getattr(response, name)
    return inspect.isfunction(method) and "NotImplementedError" not in inspect.getsource(method)
