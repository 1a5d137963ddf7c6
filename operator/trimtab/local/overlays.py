"""The overlays, by service: each owns its service whole."""

from collections.abc import Callable
from typing import Any

from trimtab.local.apigateway import ApiGateway
from trimtab.local.apigatewayv2 import ApiGatewayV2
from trimtab.local.autoscaling import AutoScaling
from trimtab.local.cloudtrail import CloudTrail
from trimtab.local.cloudwatch import CloudWatch
from trimtab.local.ecr import Ecr
from trimtab.local.ecs import Ecs
from trimtab.local.elbv2 import Elbv2
from trimtab.local.events import Events
from trimtab.local.identity import Identity
from trimtab.local.logs import Logs
from trimtab.local.notifications import Notifications
from trimtab.local.overlay import World
from trimtab.local.sagemaker import SageMaker
from trimtab.local.sqs import Sqs
from trimtab.local.tagging import Tagging

# In the order in which they recover and tick: what others stand on comes first. Alarms come before the services that they
# scale, so that time never goes on between a decision and what it starts.
OVERLAYS: tuple[Callable[[World], Any], ...] = (
    Logs,
    Sqs,
    Events,
    CloudTrail,
    Notifications,
    Ecr,
    Elbv2,
    CloudWatch,
    AutoScaling,
    Ecs,
    ApiGatewayV2,
    ApiGateway,
    SageMaker,
    Identity,
    Tagging,
)
