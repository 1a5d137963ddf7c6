"""What `doctor` looks at in the account: who we are, what time it is there, the buckets, the services."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from trimtab.cli.diagnosis import finding
from trimtab.cli.diagnosis.finding import Finding
from trimtab.clients.aws import Aws
from trimtab.clients.errors import failure_from
from trimtab.core.kind import Call, Failure

_PROBES = (
    ("ecs", Call("ecs", "ListClusters", {}, pages="one")),
    ("sagemaker", Call("sagemaker", "ListTrainingJobs", {"MaxResults": 1}, pages="one")),
    ("ecr", Call("ecr", "DescribeRepositories", {"maxResults": 1}, pages="one")),
    ("load balancing", Call("elbv2", "DescribeLoadBalancers", {"PageSize": 1}, pages="one")),
    ("api gateway", Call("apigateway", "GetRestApis", {"limit": 1}, pages="one")),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who we are, as AWS says."""

    arn: str
    account: str


def caller_findings(aws: Aws, declared: str) -> tuple[Caller | None, tuple[Finding, ...]]:
    """Identity and clock, from one call: its Date header stands in a refusal too."""
    before = time.time()
    try:
        reply: Mapping[str, Any] = aws.client("sts", reading=True).get_caller_identity()
    except (ClientError, BotoCoreError, OSError) as error:
        failure = failure_from("sts", "GetCallerIdentity", error)
        answered: Mapping[str, Any] = error.response if isinstance(error, ClientError) else {}
        fix = "configure AWS credentials (aws configure, AWS_PROFILE), or bring the local cloud up"
        refused = Finding("identity", "fail", failure.reason, fix)
        return None, (refused, _clock(answered, before))
    caller = Caller(str(reply["Arn"]), str(reply["Account"]))
    return caller, (finding.identity(caller.arn, caller.account, declared), _clock(reply, before))


def service_findings(aws: Aws, buckets: Mapping[str, str]) -> Iterator[Finding]:
    """One read of each bucket and each service. buckets: name by role."""
    listed = ((f"{role} bucket", Call("s3", "ListObjectsV2", {"Bucket": name, "MaxKeys": 1}, pages="one"), name)
              for role, name in buckets.items())  # fmt: skip
    for check, call, where in (*listed, *((name, call, f"{call.operation} answers") for name, call in _PROBES)):
        try:
            aws.make(call)
        except Failure as failure:
            fix = "grant what is missing" if failure.meaning == "denied" else "correct the environment"
            yield Finding(check, "fail", failure.reason, fix)
        else:
            yield Finding(check, "ok", where)


def _clock(answered: Mapping[str, Any], before: float) -> Finding:
    """Our time is that of the middle of the call; before: when it began, in seconds since 1970."""
    headers: Mapping[str, str] = answered.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    date = headers.get("date")
    if not date:
        return finding.clock(None, "no answer had a Date header")
    ours = (before + time.time()) / 2
    return finding.clock(ours - parsedate_to_datetime(date).timestamp())
