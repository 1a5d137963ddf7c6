"""Every kind of outside resource, by name. A new kind adds its file and a line here."""

from collections.abc import Mapping
from types import MappingProxyType

from trimtab.core.kind import AnyKind
from trimtab.resources import (
    api_key,
    artifact,
    cloudwatch_alarm,
    deployment_alarm,
    ecr_image,
    ecr_repository,
    ecs_cluster,
    ecs_service,
    ecs_task_definition,
    gate,
    iam_role,
    listener,
    listener_rule,
    load_balancer,
    log_group,
    processing_job,
    rest_api,
    s3_content,
    scalable_target,
    scaling_policy,
    scheduled_action,
    stage,
    target_group,
    training_job,
    usage_plan,
    vpc_link,
)

_MODULES = (
    api_key,
    artifact,
    cloudwatch_alarm,
    deployment_alarm,
    ecr_image,
    ecr_repository,
    ecs_cluster,
    ecs_service,
    ecs_task_definition,
    gate,
    iam_role,
    listener,
    listener_rule,
    load_balancer,
    log_group,
    processing_job,
    rest_api,
    s3_content,
    scalable_target,
    scaling_policy,
    scheduled_action,
    stage,
    target_group,
    training_job,
    usage_plan,
    vpc_link,
)

KINDS: Mapping[str, AnyKind] = MappingProxyType({module.KIND.name: module.KIND for module in _MODULES})
