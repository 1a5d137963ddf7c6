"""A load balancer's listener. What no rule takes is answered with 404.

Identity: "<load balancer ARN>|<port>". Create: same settings (one listener per port). Cost of observe: 1
DescribeListeners per load balancer.
Source: Elastic Load Balancing v2 API, CreateListener, DescribeListeners.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
    Kind,
    Ref,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
    tag_list,
)
from trimtab.resources.balancing import read_tags, retag
from trimtab.resources.shared import WHEN_OURS, WHEN_TAGGED_SO, allow, ask, grouped, known, paths, unknown, without_empty

PROTOCOL, CERTIFICATE, DEFAULT = "Protocol", "Certificates", "DefaultActions"
_ARN = "arn:{partition}:elasticloadbalancing:{region}:{account}:listener/app/{name}/*"
_LOAD_BALANCER = "arn:{partition}:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/*"
NOT_FOUND: Mapping[str, str] = {
    "StatusCode": "404",
    "ContentType": "application/json",
    "MessageBody": '{"message":"Not Found"}',
}


@dataclass(frozen=True, slots=True)
class Desired:
    load_balancer_arn: str | Ref
    tags: Mapping[str, str]
    port: int = 80
    certificate_arn: str = ""  # HTTPS where given

    @property
    def protocol(self) -> str:
        return "HTTPS" if self.certificate_arn else "HTTP"


@dataclass(frozen=True, slots=True)
class Observed:
    arn: str
    load_balancer_arn: str
    port: int
    protocol: str
    certificate_arn: str
    default: Mapping[str, Any]  # the fixed response; empty for any other default action
    tags: Mapping[str, str] | None = None


class Listener:
    name = "elbv2.Listener"
    rank = 80
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeTags"),
        "create": allow(_LOAD_BALANCER, "elasticloadbalancing:CreateListener", when=WHEN_OURS)
        + allow(_ARN, "elasticloadbalancing:AddTags", when=WHEN_TAGGED_SO),
        "update": allow(
            _ARN,
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
            when=WHEN_OURS,
        ),
        "delete": allow(_ARN, "elasticloadbalancing:DeleteListener", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return f"{desired.load_balancer_arn}|{desired.port}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        groups = grouped(wanted)
        replies = yield from ask(Call("elbv2", "DescribeListeners", {"LoadBalancerArn": arn}) for arn in groups)
        seen: dict[str, Observed | Unknown] = {}
        for (arn, ports), reply in zip(groups.items(), replies, strict=True):
            if isinstance(reply, Failure):
                if reply.meaning != "absent":  # no load balancer, no listeners
                    seen |= {f"{arn}|{port}": unknown(reply) for port in ports}
                continue
            found = {str(item["Port"]): item for item in reply.get("Listeners", ())}
            seen |= {f"{arn}|{port}": _seen(arn, found[port]) for port in ports if port in found}
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return read_tags([each.arn for each in observed])

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences(
            (PROTOCOL, observed.protocol, desired.protocol),
            (CERTIFICATE, observed.certificate_arn, desired.certificate_arn),
            (DEFAULT, dict(observed.default), dict(NOT_FOUND)),
        )

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {
            "LoadBalancerArn": known(desired.load_balancer_arn),
            "Port": desired.port,
            **_settings(desired),
            "Tags": tag_list(desired.tags),
        }
        yield Call("elbv2", "CreateListener", arguments, repeat="safe")

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if paths(drift) - {"tags"}:
            yield Call("elbv2", "ModifyListener", {"ListenerArn": observed.arn, **_settings(desired)}, repeat="safe")
        yield from retag(observed.arn, drift)

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call("elbv2", "DeleteListener", {"ListenerArn": observed.arn}, repeat="safe")


def _settings(desired: Desired) -> dict[str, Any]:
    certificates = [{"CertificateArn": desired.certificate_arn}] if desired.certificate_arn else []
    return without_empty(
        {
            "Protocol": desired.protocol,
            "Certificates": certificates,
            "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": dict(NOT_FOUND)}],
        }
    )


def _seen(load_balancer_arn: str, item: Reply) -> Observed:
    actions = item.get("DefaultActions", ())
    only: Mapping[str, Any] = actions[0] if len(actions) == 1 else {}
    return Observed(
        arn=item["ListenerArn"],
        load_balancer_arn=load_balancer_arn,
        port=item["Port"],
        protocol=item["Protocol"],
        certificate_arn=next((each["CertificateArn"] for each in item.get("Certificates", ())), ""),
        default=dict(only.get("FixedResponseConfig", {})),
    )


KIND: Kind[Desired, Observed] = Listener()
