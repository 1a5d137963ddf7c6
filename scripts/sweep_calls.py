"""The calls of a sweep that finds nothing to do, as docs/internals/sweep.md states them. Pure."""

from collections.abc import Mapping
from math import ceil

# Resources that one call reads, by the read: page and batch limits of the services' own models.
PAGES: Mapping[str, int] = {
    "s3:ListObjectsV2": 1000,  # of the ledgers
    "ecr:DescribeRepositories": 1000,
    "iam:GetAccountAuthorizationDetails": 1000,
    "logs:DescribeLogGroups": 50,
    "ecs:DescribeClusters": 100,
    "ecs:DescribeServices": 10,
    "ecs:ListTaskDefinitionFamilies": 100,
    "ecs:ListTasks": 100,
    "ecs:DescribeTasks": 100,
    "elbv2:DescribeLoadBalancers": 400,
    "elbv2:DescribeListeners": 1,
    "elbv2:DescribeRules": 400,
    "elbv2:DescribeTargetGroups": 400,
    "application-autoscaling:DescribeScalableTargets": 50,
    "application-autoscaling:DescribeScalingPolicies": 10,
    "application-autoscaling:DescribeScheduledActions": 50,
    "cloudwatch:DescribeAlarms": 100,
    "apigateway:GetRestApis": 500,
    "apigateway:GetApiKeys": 500,
    "apigateway:GetUsagePlans": 500,
    "apigatewayv2:GetVpcLinks": 100,
}
BY_TURNS_PER_S = 2.0  # of each service: reads without a bulk form


def calls_by_read(bulk: Mapping[str, int]) -> dict[str, int]:
    """Calls of each read that lists. bulk: resources that are there, by the read."""
    return {read: max(1, ceil(count / PAGES[read])) for read, count in bulk.items()}


def sweep_calls(bulk: Mapping[str, int], by_turns: Mapping[str, int], interval_s: float) -> int:
    """How many calls a sweep makes at most.

    bulk: resources that are there, by the read that lists them. by_turns: reads that take one call each, by service.
    interval_s: seconds between two sweeps.
    """
    turns = max(1, int(BY_TURNS_PER_S * interval_s))
    return sum(calls_by_read(bulk).values()) + sum(min(count, turns) for count in by_turns.values())
