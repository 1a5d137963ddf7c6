"""What a fresh local cloud holds: buckets, a network, security groups, and the Environment that names them."""

from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode
from xml.etree import ElementTree

from trimtab.local.paths import REGION
from trimtab.local.protocol import Response

STATE_BUCKET, DATA_BUCKET = "trimtab-local-state", "trimtab-local-data"

_VERSION = "2016-11-15"  # of EC2's API
_PRIVATE = "".join(
    f"<{each}>true</{each}>"
    for each in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
)
_BLOCK = f"<PublicAccessBlockConfiguration>{_PRIVATE}</PublicAccessBlockConfiguration>".encode()

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


class Asked(Protocol):
    """The services that hold it: trimtab.local.neighbours.Neighbours. No SDK: its models would take a second to load."""

    def ask(self, service: str, method: str, uri: str, body: bytes = b"", *, reading: bool) -> Response: ...


def prepare(services: Asked, endpoint: str, invoke: str, account: str, folder: Path) -> None:
    """Make what is missing and write environment.yaml. Repeats are harmless. Raises RuntimeError."""
    there = set(_texts(_tree(services.ask("s3", "GET", "/", reading=True)), "Bucket/Name"))
    for bucket in (STATE_BUCKET, DATA_BUCKET):
        if bucket not in there:
            _tree(services.ask("s3", "PUT", f"/{bucket}", reading=False))
            _tree(services.ask("s3", "PUT", f"/{bucket}?publicAccessBlock", _BLOCK, reading=False))
    vpc, subnets, groups = _network(services)
    text = _ENVIRONMENT.format(
        account=account,
        region=REGION,
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


def _network(services: Asked) -> tuple[str, list[str], dict[str, str]]:
    """(VPC, two subnets, security groups by name), found by name or made."""
    found = _texts(_ec2(services, "DescribeVpcs", **_filter("tag:Name", "trimtab-local")), "vpcSet/item/vpcId")
    named = {f"TagSpecification.1.{name}": value for name, value in _TAGS.items()}
    vpc = (found or _texts(_ec2(services, "CreateVpc", CidrBlock="10.20.0.0/16", **named), "vpc/vpcId"))[0]
    within = _filter("vpc-id", vpc)
    subnets = _texts(_ec2(services, "DescribeSubnets", **within), "subnetSet/item/subnetId")
    for number, zone in enumerate("ab"[len(subnets) :], len(subnets)):
        place = {"VpcId": vpc, "CidrBlock": f"10.20.{number}.0/24", "AvailabilityZone": f"{REGION}{zone}"}
        subnets += _texts(_ec2(services, "CreateSubnet", **place), "subnet/subnetId")
    listed = _ec2(services, "DescribeSecurityGroups", **within)
    names, ids = (_texts(listed, f"securityGroupInfo/item/{each}") for each in ("groupName", "groupId"))
    groups = dict(zip(names, ids, strict=True))
    for name in ("trimtab-tasks", "trimtab-load-balancer"):
        if name not in groups:
            made = _ec2(services, "CreateSecurityGroup", GroupName=name, GroupDescription=name, VpcId=vpc)
            groups[name] = _texts(made, "groupId")[0]
    return vpc, sorted(subnets), groups


_TAGS = {"ResourceType": "vpc", "Tag.1.Key": "Name", "Tag.1.Value": "trimtab-local"}


def _filter(name: str, value: str) -> dict[str, str]:
    return {"Filter.1.Name": name, "Filter.1.Value.1": value}


def _ec2(services: Asked, action: str, **fields: str) -> ElementTree.Element:
    body = urlencode({"Action": action, "Version": _VERSION, **fields}).encode()
    return _tree(services.ask("ec2", "POST", "/", body, reading=action.startswith("Describe")))


def _tree(response: Response) -> ElementTree.Element:
    """What was answered, without its namespaces. Raises RuntimeError for a refusal."""
    if response.status >= 400:
        raise RuntimeError(f"the local cloud could not be prepared: {response.body.decode(errors='replace')}")
    tree = ElementTree.fromstring(response.body or b"<none/>")  # noqa: S314 - moto's own answer
    for each in tree.iter():
        each.tag = each.tag.rpartition("}")[2]
    return tree


def _texts(tree: ElementTree.Element, path: str) -> list[str]:
    return [each.text or "" for each in tree.findall(f".//{path}")]
