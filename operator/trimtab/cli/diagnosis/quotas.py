"""How much of each quota is used: of what a deployment takes from an account.

Limits come from the service that keeps them: Elastic Load Balancing's DescribeAccountLimits, IAM's GetAccountSummary, and
Service Quotas for API Gateway. One that cannot be read is `not checked`, never ok.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trimtab.cli.diagnosis import finding
from trimtab.cli.diagnosis.finding import Finding
from trimtab.clients.aws import Aws
from trimtab.core.kind import Call, Failure, Reply

_BALANCERS, _TARGETS, _RULES = "application-load-balancers", "target-groups", "rules-per-application-load-balancer"
_CONSOLE = "https://console.aws.amazon.com/servicequotas/home/services"
# Names as Service Quotas lists them; words between them have changed over the years.
_REST_APIS, _USAGE_PLANS = r"(?i)^regional apis\b", r"(?i)^usage plans\b(?!.*\bper (api )?key)"


def quota_findings(aws: Aws, balancer: str | None) -> Iterator[Finding]:
    """balancer: name of the environment's load balancer; None where there is none yet."""
    yield from _load_balancing(aws, balancer)
    yield from _api_gateway(aws)
    yield from _roles(aws)


def _load_balancing(aws: Aws, balancer: str | None) -> Iterator[Finding]:
    limits, why = _asked(aws, Call("elbv2", "DescribeAccountLimits", {}), _limits)
    where = f"{_CONSOLE}/elasticloadbalancing"
    for check, name, call, count in (
        ("load balancers", _BALANCERS, Call("elbv2", "DescribeLoadBalancers", {}), _applications),
        ("target groups", _TARGETS, Call("elbv2", "DescribeTargetGroups", {}), _counted("TargetGroups")),
    ):
        yield _compared(aws, f"quota: {check}", limits.get(name), why, call, count, where)
    check = "quota: listener rules"
    if balancer is None:
        yield finding.not_checked(check, "the environment has no load balancer yet")
        return
    used, denied = _asked(
        aws, Call("elbv2", "DescribeLoadBalancers", {"Names": [balancer]}), lambda reply: _rules(aws, reply)
    )
    limit = limits.get(_RULES)
    if limit is None or denied:
        yield finding.not_checked(check, why or denied or "no such limit is listed")
    else:
        yield finding.quota(check, used.get("rules", 0), limit, where)


def _api_gateway(aws: Aws) -> Iterator[Finding]:
    limits, why = _asked(aws, Call("service-quotas", "ListServiceQuotas", {"ServiceCode": "apigateway"}), _quotas)
    where = f"{_CONSOLE}/apigateway"
    for check, pattern, call in (
        ("REST APIs", _REST_APIS, Call("apigateway", "GetRestApis", {})),
        ("usage plans", _USAGE_PLANS, Call("apigateway", "GetUsagePlans", {})),
    ):
        limit = next((value for name, value in limits.items() if re.search(pattern, name)), None)
        yield _compared(aws, f"quota: {check}", limit, why, call, _counted("items"), where)


def _roles(aws: Aws) -> Iterator[Finding]:
    summary, why = _asked(aws, Call("iam", "GetAccountSummary", {}), lambda reply: dict(reply["SummaryMap"]))
    check, limit = "quota: roles", summary.get("RolesQuota")
    if limit is None:
        yield finding.not_checked(check, why or "the account's summary holds no quota of roles")
    else:
        yield finding.quota(check, int(summary.get("Roles", 0)), float(limit), f"{_CONSOLE}/iam")


def _compared(
    aws: Aws,
    check: str,
    limit: float | None,
    why: str,
    call: Call,
    count: Callable[[Reply], Mapping[str, float]],
    where: str,
) -> Finding:
    if limit is None:
        return finding.not_checked(check, why or "no such quota is listed")
    used, denied = _asked(aws, call, count)
    if denied:
        return finding.not_checked(check, denied)
    return finding.quota(check, int(used["used"]), limit, where)


def _asked(aws: Aws, call: Call, read: Callable[[Reply], Mapping[str, Any]]) -> tuple[Mapping[str, Any], str]:
    """(what was read, "") or (nothing, why not)."""
    try:
        return read(aws.make(call)), ""
    except Failure as failure:
        return {}, failure.reason


def _limits(reply: Reply) -> dict[str, float]:
    return {each["Name"]: float(each["Max"]) for each in reply["Limits"]}


def _quotas(reply: Reply) -> dict[str, float]:
    return {each["QuotaName"]: float(each["Value"]) for each in reply["Quotas"]}


def _applications(reply: Reply) -> dict[str, float]:
    return {"used": sum(each["Type"] == "application" for each in reply["LoadBalancers"])}


def _counted(member: str) -> Callable[[Reply], Mapping[str, float]]:
    return lambda reply: {"used": len(reply.get(member, ()))}


def _rules(aws: Aws, reply: Reply) -> dict[str, int]:
    """Rules of all listeners of a balancer; the default ones do not count."""
    found = 0
    for each in reply["LoadBalancers"]:
        listeners = aws.make(Call("elbv2", "DescribeListeners", {"LoadBalancerArn": each["LoadBalancerArn"]}))
        for listener in listeners["Listeners"]:
            rules = aws.make(Call("elbv2", "DescribeRules", {"ListenerArn": listener["ListenerArn"]}))
            found += sum(not rule["IsDefault"] for rule in rules["Rules"])
    return {"rules": found}
