"""How often AWS lets an account ask, by class of operations: its published token buckets, and a bucket as a value.

All are of an account and region. A refused request takes no token. What a service counts by class and in all is counted
twice.
Sources: Amazon ECS API Reference, "Request throttling for the Amazon ECS API"; Elastic Load Balancing User Guide, "Request
throttling for the ELB API"; CloudWatch and CloudWatch Logs service quotas; API Gateway Developer Guide, "Amazon API Gateway
quotas"; aws-solutions/deepracer-on-aws#87 (ListTrainingJobs).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

_LEAST = 1e-9  # of a token: sums of parts of it are not exact


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a class of operations."""

    burst: float  # calls at once
    rate: float  # calls a second, sustained


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens that were there at a time. Times are seconds; one that goes back fills nothing."""

    limit: Limit
    tokens: float
    at: float

    def filled(self, now: float) -> "Bucket":
        """As it is then."""
        at = max(now, self.at)
        return replace(self, tokens=min(self.limit.burst, self.tokens + (at - self.at) * self.limit.rate), at=at)

    def taken(self, now: float) -> tuple["Bucket", float]:
        """(without one more token; seconds until there is one, 0 where it was taken)."""
        here = self.filled(now)
        if here.tokens < 1.0 - _LEAST:
            return here, (1.0 - here.tokens) / self.limit.rate
        return replace(here, tokens=here.tokens - 1.0), 0.0


Table: TypeAlias = Mapping[str, tuple[Limit, frozenset[str]]]  # by "service: class"; "*" is all of a service

# Classes that a loop over many deployments would reach.
LIMITS: Table = {
    "ecs: services read": (Limit(100, 20), frozenset({"DescribeServices", "ListServices"})),
    "ecs: services written": (Limit(50, 5), frozenset({"CreateService", "DeleteService", "UpdateService"})),
    "ecs: tasks read": (
        Limit(100, 20),
        frozenset({"DescribeContainerInstances", "DescribeTasks", "ListAttributes", "ListContainerInstances", "ListTasks"}),
    ),
    "ecs: definitions read": (
        Limit(50, 20),
        frozenset({"DescribeTaskDefinition", "ListTaskDefinitionFamilies", "ListTaskDefinitions"}),
    ),
    "ecs: definitions written": (Limit(20, 1), frozenset({"DeregisterTaskDefinition", "RegisterTaskDefinition"})),
    "ecs: definitions deleted": (Limit(5, 1), frozenset({"DeleteTaskDefinitions"})),
    "ecs: clusters read": (Limit(50, 20), frozenset({"DescribeClusters", "ListClusters"})),
    "ecs: clusters written": (
        Limit(20, 1),
        frozenset(
            {"CreateCluster", "DeleteCluster", "PutClusterCapacityProviders", "UpdateCluster", "UpdateClusterSettings"}
        ),
    ),
    "ecs: deployments read": (Limit(50, 20), frozenset({"DescribeServiceDeployments", "ListServiceDeployments"})),
    "ecs: revisions read": (Limit(50, 20), frozenset({"DescribeServiceRevisions"})),
    "ecs: tags read": (Limit(50, 20), frozenset({"ListTagsForResource"})),
    "ecs: tags written": (Limit(20, 10), frozenset({"TagResource", "UntagResource"})),
    "cloudwatch: alarms read": (Limit(9, 9), frozenset({"DescribeAlarms"})),
    "cloudwatch: alarms written": (Limit(3, 3), frozenset({"PutMetricAlarm"})),
    "cloudwatch: data read": (Limit(50, 50), frozenset({"GetMetricData"})),
    "cloudwatch: metrics read": (Limit(25, 25), frozenset({"ListMetrics"})),
    "logs: groups read": (Limit(5, 5), frozenset({"DescribeLogGroups"})),
    "logs: groups made": (Limit(10, 10), frozenset({"CreateLogGroup"})),
    "logs: streams read": (Limit(25, 25), frozenset({"DescribeLogStreams"})),
    "sagemaker: jobs listed": (Limit(2, 2), frozenset({"ListTrainingJobs"})),
    "elbv2: all": (Limit(40, 10), frozenset({"*"})),  # reads have the same limit of their own
    "elbv2: balancers made": (Limit(10, 0.2), frozenset({"CreateLoadBalancer", "SetSubnets"})),
    "elbv2: targets written": (Limit(20, 4), frozenset({"DeregisterTargets", "RegisterTargets"})),
    "elbv2: written": (
        Limit(20, 3),
        frozenset(
            {
                "AddListenerCertificates",
                "AddTags",
                "CreateListener",
                "CreateRule",
                "CreateTargetGroup",
                "DeleteListener",
                "DeleteLoadBalancer",
                "DeleteRule",
                "DeleteTargetGroup",
                "ModifyListener",
                "ModifyListenerAttributes",
                "ModifyLoadBalancerAttributes",
                "ModifyRule",
                "ModifyTargetGroup",
                "ModifyTargetGroupAttributes",
                "RemoveListenerCertificates",
                "RemoveTags",
                "SetIpAddressType",
                "SetRulePriorities",
                "SetSecurityGroups",
            }
        ),
    ),
    "apigateway: all": (Limit(40, 10), frozenset({"*"})),
}
# Of single operations of API Gateway, beside its total: "1 request every 3 seconds". No burst is published.
SLOW: Table = {
    "apigateway: apis made": (Limit(1, 1 / 3), frozenset({"CreateRestApi"})),
    "apigateway: apis put": (Limit(1, 1), frozenset({"PutRestApi"})),
    "apigateway: apis imported": (Limit(1, 1 / 3), frozenset({"ImportRestApi"})),
    "apigateway: apis deleted": (Limit(1, 1 / 30), frozenset({"DeleteRestApi"})),
    "apigateway: deployments made": (Limit(1, 1 / 5), frozenset({"CreateDeployment"})),
    "apigateway: keys made": (Limit(5, 5), frozenset({"CreateApiKey"})),
    "apigateway: keys deleted": (Limit(5, 5), frozenset({"DeleteApiKey"})),
    "apigateway: plans updated": (Limit(1, 1 / 20), frozenset({"UpdateUsagePlan"})),
    "apigateway: account updated": (Limit(1, 1 / 20), frozenset({"UpdateAccount"})),
    "apigateway: resources read": (Limit(5, 2.5), frozenset({"GetResources"})),
    "apigateway: resources made": (Limit(5, 5), frozenset({"CreateResource"})),
    "apigateway: resources deleted": (Limit(5, 5), frozenset({"DeleteResource"})),
    "apigatewayv2: links made": (Limit(1, 1 / 15), frozenset({"CreateVpcLink"})),
    "apigatewayv2: links deleted": (Limit(1, 1 / 30), frozenset({"DeleteVpcLink"})),
}
_TOTAL_OF = {"apigatewayv2": "apigateway"}  # a service that is counted in the total of another


class Classes:
    """Which classes of a table a call is of."""

    def __init__(self, table: Table) -> None:
        self._names = {
            (name.partition(":")[0], operation): name for name, (_, operations) in table.items() for operation in operations
        }

    def of(self, service: str, operation: str) -> tuple[str, ...]:
        """Their names, the narrower first; none where nothing is published."""
        own = self._names.get((service, operation))
        total = self._names.get((_TOTAL_OF.get(service, service), "*"))
        return tuple(name for name in (own, total) if name is not None)
