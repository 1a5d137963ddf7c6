"""An autoscaler and an operator share a service for more than an hour of the cloud's time, for `make gitops`."""

from gitops_life import Served
from operating import Operator, edited, operating
from outside import Broken, Outside

# (minutes, requests a minute): at 20 for each replica that is 1, 3, 4, then 1, 3 and 1 again.
LOAD = ((6, 15), (8, 55), (8, 75), (24, 8), (8, 55), (24, 8))
SCALED = "replicas: {min: 1, max: 4, target: {metric: requests, value: 20}}"
EVERY = 4  # minutes, within which the operator looks at least once
LOOK = "DescribeTargetHealth"  # once in each pass, and by nobody else
THEIRS = ("ecs", "elbv2", "application-autoscaling", "cloudwatch")  # a service, and what scales it


def autoscaler(outside: Outside, model: Served) -> None:
    """The autoscaler follows the load; the operator sweeps on, and writes nothing."""
    with operating(outside, "autoscaler", [model.source], sweep="1s") as operator:
        model.served(operator)
        generation = model.generation()
        edited(model.document, "replicas: {min: 1}", SCALED)
        edited(model.document, "{rate: 50, burst: 100}", "{rate: 1000, burst: 1000}")  # minutes pass in no time
        model.served(operator, generation)
        since, began = outside.last_number(), outside.now()
        for minutes, requests in LOAD:
            for number in range(minutes):
                _minute(outside, model, requests)
                if number % EVERY == 0:
                    _looked(outside, operator)
            outside.say(f"{minutes} minutes with {requests} requests each: {_count(outside)} replicas are wanted")
        if operator.events("pass.failed"):
            raise Broken(f"a pass has failed: {operator.events('pass.failed')[-1]}")
    made = outside.journal(since)
    outside.result["autoscaler"] = {
        "virtual_minutes": int((outside.now() - began).total_seconds() // 60),
        "scalings": _scalings(outside),
        "operator_writes": sum(each["write"] and each["service"] in THEIRS for each in made),
        "operator_looks": sum(each["operation"] == LOOK for each in made),
    }
    outside.say(", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in outside.result["autoscaler"].items()))


def _looked(outside: Outside, operator: Operator) -> None:
    """Wait until the operator has looked once more: it is to see every count that the autoscaler chooses."""
    since = outside.last_number()
    operator.until(lambda: any(each["operation"] == LOOK for each in outside.journal(since)), "look at the service")


def _minute(outside: Outside, model: Served, requests: int) -> None:
    for _ in range(requests):
        if (status := model.ask().status) != 200:
            raise Broken(f"a request was answered with {status}")
    outside.pass_time(60)


def _count(outside: Outside) -> int:
    (target,) = outside.aws("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    ecs, (_, cluster, service) = outside.aws("ecs"), target["ResourceId"].split("/")
    return ecs.describe_services(cluster=cluster, services=[service])["services"][0]["desiredCount"]


def _scalings(outside: Outside) -> int:
    pages = outside.aws("application-autoscaling").get_paginator("describe_scaling_activities")
    found = [each for page in pages.paginate(ServiceNamespace="ecs") for each in page["ScalingActivities"]]
    return sum(each["StatusCode"] == "Successful" for each in found)
