"""The overlays, by service: each owns its service whole."""

from collections.abc import Callable
from typing import Any

from trimtab.local.apigateway import ApiGateway
from trimtab.local.apigatewayv2 import ApiGatewayV2
from trimtab.local.ecr import Ecr
from trimtab.local.ecs import Ecs
from trimtab.local.elbv2 import Elbv2
from trimtab.local.identity import Identity
from trimtab.local.logs import Logs
from trimtab.local.overlay import World
from trimtab.local.sagemaker import SageMaker

# In the order in which they recover: what others stand on comes first.
OVERLAYS: tuple[Callable[[World], Any], ...] = (Logs, Ecr, Elbv2, Ecs, ApiGatewayV2, ApiGateway, SageMaker, Identity)
