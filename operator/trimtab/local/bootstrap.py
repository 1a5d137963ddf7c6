"""What a fresh local cloud holds: buckets, a network, security groups, and the Environment that names them."""

from pathlib import Path
from typing import Any

import boto3

from trimtab.local.paths import REGION

STATE_BUCKET, DATA_BUCKET = "trimtab-local-state", "trimtab-local-data"

_ENVIRONMENT = """\
# The built-in environment of the local cloud; written by `trimtab local up`.
apiVersion: trimtab.dev/v1alpha1
kind: Environment
metadata: {{name: local}}
spec:
  account: "{account}"
  region: {region}
  roles: managed
  buckets: {{state: {state}, data: {data}}}
  network:
    vpc: {vpc}
    subnets: [{subnets}]
    securityGroups: {{tasks: [{tasks}], loadBalancer: [{balancer}]}}
  images:
    training:
      pytorch: "{host}/trimtab/pytorch-training:2"
      sklearn: "{host}/trimtab/sklearn-training:1"
    serving: "{host}/trimtab/host-python:3.11"
  gateway: {{invokeUrl: "{invoke}/{{api}}/{{stage}}"}}
"""


def prepare(session: boto3.Session, endpoint: str, invoke: str, account: str, folder: Path) -> None:
    """Make what is missing and write environment.yaml. Repeats are harmless."""
    region = REGION

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint)  # pyright: ignore[reportUnknownVariableType]

    s3, ec2 = client("s3"), client("ec2")
    there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in (STATE_BUCKET, DATA_BUCKET):
        if bucket not in there:
            s3.create_bucket(Bucket=bucket)
            blocked = dict.fromkeys(
                ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
            )
            s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocked)
    vpc, subnets, groups = _network(ec2, region)
    text = _ENVIRONMENT.format(
        account=account,
        region=region,
        state=STATE_BUCKET,
        data=DATA_BUCKET,
        vpc=vpc,
        subnets=", ".join(subnets),
        tasks=groups["trimtab-tasks"],
        balancer=groups["trimtab-load-balancer"],
        host=endpoint.partition("://")[2],
        invoke=invoke,
    )
    (folder / "environment.yaml").write_text(text)


def _network(ec2: Any, region: str) -> tuple[str, list[str], dict[str, str]]:
    """(VPC, two subnets, security groups by name), found by name or made."""
    named = [{"Name": "tag:Name", "Values": ["trimtab-local"]}]
    vpcs = ec2.describe_vpcs(Filters=named)["Vpcs"]
    vpc = (
        vpcs[0]["VpcId"]
        if vpcs
        else ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=_named("vpc"))["Vpc"]["VpcId"]
    )
    within = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets(Filters=within)["Subnets"]]
    for number, zone in enumerate("ab"[len(subnets) :], len(subnets)):
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{number}.0/24", AvailabilityZone=f"{region}{zone}")
        subnets.append(made["Subnet"]["SubnetId"])
    groups = {each["GroupName"]: each["GroupId"] for each in ec2.describe_security_groups(Filters=within)["SecurityGroups"]}
    for name in ("trimtab-tasks", "trimtab-load-balancer"):
        if name not in groups:
            groups[name] = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
    return vpc, sorted(subnets), groups


def _named(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "trimtab-local"}]}]
