"""Verdicts of doctor: over plain values, and over canned answers of an account."""

import json
from typing import Any

import pytest

import samples_compile as samples
from trimtab.cli.diagnosis import account, finding
from trimtab.cli.diagnosis.finding import Denial
from trimtab.cli.diagnosis.quotas import quota_findings
from trimtab.cli.diagnosis.rights import Question, questions, rights_finding, rights_of
from trimtab.core.kind import Call, Failure
from trimtab.model.load import load
from trimtab.resources import KINDS
from trimtab.resources.beside import BESIDE

GIB = 1 << 30


@pytest.mark.parametrize(
    ("skew_s", "verdict"),
    [
        (0.4, "ok"),
        (-60, "ok"),
        (61, "warn"),
        (-61, "warn"),
        (300, "warn"),
        (301, "fail"),
        (-301, "fail"),
        (None, "not checked"),
    ],
)
def test_a_clock_that_is_off_is_warned_of_and_fails_where_signatures_do(skew_s, verdict):
    found = finding.clock(skew_s)
    assert found.verdict == verdict
    assert bool(found.fix) == (verdict in ("warn", "fail"))


def test_a_clock_says_which_way_it_is_off():
    assert finding.clock(90).found == "90 s ahead of the endpoint's"
    assert finding.clock(-90).found == "90 s behind the endpoint's"


@pytest.mark.parametrize(
    ("used", "verdict"), [(0, "ok"), (39, "ok"), (40, "warn"), (49, "warn"), (50, "fail"), (51, "fail")]
)
def test_a_quota_warns_before_it_is_full(used, verdict):
    assert finding.quota("quota: x", used, 50, "there").verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(1 * GIB, "fail"), (5 * GIB, "warn"), (10 * GIB, "ok")])
def test_a_disk_that_is_nearly_full_is_told(free, verdict):
    assert finding.disk("disk", "/x", free, "needs").verdict == verdict


@pytest.mark.parametrize(("version", "verdict"), [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((4, 0, 0), "ok")])
def test_an_old_python_fails(version, verdict):
    assert finding.python(version).verdict == verdict


def test_credentials_of_another_account_fail():
    assert finding.identity("arn:x", "1", "1").verdict == "ok"
    assert finding.identity("arn:x", "1", "2").verdict == "fail"


def test_a_region_that_nobody_knows_is_warned_of_and_another_in_the_shell_is_only_told():
    assert finding.region("eu-west-9", ["eu-west-1"], None).verdict == "warn"
    told = finding.region("eu-west-1", ["eu-west-1"], "us-east-1")
    assert (told.verdict, "us-east-1" in told.found) == ("ok", True)


@pytest.mark.parametrize(("holder", "verdict"), [(None, "ok"), ("the local cloud, pid 7", "ok"), ("", "fail")])
def test_a_port_that_another_program_has_fails(holder, verdict):
    assert finding.port(4566, holder).verdict == verdict


@pytest.mark.parametrize(
    ("actions", "denied", "unchecked", "verdict"),
    [
        (9, [], {}, "ok"),
        (9, [Denial("ecs:CreateService", "arn:s", "implicitDeny")], {}, "fail"),
        (9, [], {"arn:s": "throttled"}, "warn"),
        (0, [], {"arn:s": "policy simulation is not answered: denied"}, "not checked"),
    ],
)
def test_rights_are_ok_only_when_all_were_asked_for_and_allowed(actions, denied, unchecked, verdict):
    assert finding.rights(actions, denied, unchecked).verdict == verdict


class Account:
    """Answers calls from a table; what is not in it is denied."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.made = answers, list[Call]()

    def make(self, call: Call) -> Any:
        self.made.append(call)
        answer = self.answers.get(call.operation)
        if answer is None:
            raise Failure("denied", f"{call.service}:{call.operation} is denied")
        return answer(call) if callable(answer) else answer


def quotas(answers: dict[str, Any], balancer: str | None = "shared") -> dict[str, tuple[str, str]]:
    return {each.check: (each.verdict, each.found) for each in quota_findings(Account(answers), balancer)}  # type: ignore[arg-type]


LIMITS = {
    "Limits": [
        {"Name": "application-load-balancers", "Max": "50"},
        {"Name": "target-groups", "Max": "3000"},
        {"Name": "rules-per-application-load-balancer", "Max": "100"},
    ]
}
FULL = {
    "DescribeAccountLimits": LIMITS,
    "DescribeLoadBalancers": {
        "LoadBalancers": [
            {"Type": "application", "LoadBalancerArn": "arn:b"},
            {"Type": "network", "LoadBalancerArn": "arn:n"},
        ]
    },
    "DescribeTargetGroups": {"TargetGroups": [{}] * 2990},
    "DescribeListeners": {"Listeners": [{"ListenerArn": "arn:l"}]},
    "DescribeRules": {"Rules": [{"IsDefault": True}, *[{"IsDefault": False}] * 50]},
    "ListServiceQuotas": {
        "Quotas": [
            {"QuotaName": "Regional APIs", "Value": 600.0},
            {"QuotaName": "Usage plans per API key", "Value": 10.0},
            {"QuotaName": "Usage plans", "Value": 300.0},
        ]
    },
    "GetRestApis": {"items": [{}] * 600},
    "GetUsagePlans": {"items": [{}]},
    "GetAccountSummary": {"SummaryMap": {"Roles": 12, "RolesQuota": 1000}},
}


def test_every_quota_is_compared_with_what_is_used():
    assert quotas(FULL) == {
        "quota: load balancers": ("ok", "1 of 50 used"),
        "quota: target groups": ("warn", "2990 of 3000 used"),
        "quota: listener rules": ("fail", "100 of 100 used: no more can be made"),
        "quota: REST APIs": ("fail", "600 of 600 used: no more can be made"),
        "quota: usage plans": ("ok", "1 of 300 used"),
        "quota: roles": ("ok", "12 of 1000 used"),
    }


@pytest.mark.parametrize("operation", FULL)
def test_a_quota_that_cannot_be_read_is_never_ok(operation):
    whole = quotas(FULL)
    partial = quotas({name: answer for name, answer in FULL.items() if name != operation})
    changed = {check for check in whole if whole[check] != partial[check]}
    assert changed
    assert all(partial[check][0] == "not checked" and "denied" in partial[check][1] for check in changed)


def test_a_quota_that_is_not_listed_is_not_checked():
    found = quotas({**FULL, "ListServiceQuotas": {"Quotas": []}})
    assert found["quota: REST APIs"] == ("not checked", "no such quota is listed")


def environment(**spec: Any) -> Any:
    document = {**samples.ENVIRONMENT, "spec": {**samples.ENVIRONMENT["spec"], **spec}}
    return load(json.dumps(document).encode(), "e.json")[0].value


ALL = tuple(rights_of(KINDS.values(), BESIDE))


def test_every_right_of_every_kind_and_beside_them_is_asked_for():
    asked = questions(ALL, environment())
    actions = {action for each in asked for action in each.actions}
    assert actions == {right.action for right in ALL}
    assert {"cloudtrail:LookupEvents", "ecs:ListTasks", "logs:GetLogEvents", "iam:PassRole"} <= actions
    state = [each for each in asked if each.resource == f"arn:aws:s3:::{environment().spec.buckets.state}/*"]
    assert state[0].actions == ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
    assert not [each for each in asked if "{" in each.resource or any("{" in value for _, value in each.context)]


def test_passing_a_role_that_is_not_declared_is_not_asked_for():
    roles = {"training": "arn:aws:iam::123456789012:role/t", "execution": "arn:aws:iam::123456789012:role/e"}
    passed = {each.resource for each in questions(ALL, environment(roles=roles)) if "iam:PassRole" in each.actions}
    assert passed == set(roles.values())


ASKED = (Question("arn:a", (("aws:RequestTag/t", "v"),), ("x:One", "x:Two")), Question("arn:b", (), ("x:Three",)))


def simulated(call: Call) -> Any:
    return {
        "EvaluationResults": [
            {
                "EvalActionName": action,
                "EvalResourceName": call.arguments["ResourceArns"][0],
                "EvalDecision": "implicitDeny" if action == "x:Two" else "allowed",
            }
            for action in call.arguments["ActionNames"]
        ]
    }


def test_what_a_simulation_refuses_is_named():
    aws = Account({"SimulatePrincipalPolicy": simulated})
    row, denied = rights_finding(aws, "arn:aws:iam::1:user/u", ASKED)  # type: ignore[arg-type]
    assert (row.verdict, denied) == ("fail", (Denial("x:Two", "arn:a", "implicitDeny"),))
    assert aws.made[0].arguments["ContextEntries"] == [
        {"ContextKeyName": "aws:RequestTag/t", "ContextKeyValues": ["v"], "ContextKeyType": "string"}
    ]


def test_a_session_is_asked_for_by_its_role_with_the_path():
    aws = Account({"SimulatePrincipalPolicy": simulated, "GetRole": {"Role": {"Arn": "arn:aws:iam::1:role/ci/deploy"}}})
    rights_finding(aws, "arn:aws:sts::123456789012:assumed-role/deploy/session", ASKED)  # type: ignore[arg-type]
    assert aws.made[-1].arguments["PolicySourceArn"] == "arn:aws:iam::1:role/ci/deploy"


def test_a_simulation_that_is_denied_leaves_rights_not_checked_after_one_call():
    aws = Account({})
    row, _ = rights_finding(aws, "arn:aws:iam::1:user/u", ASKED)  # type: ignore[arg-type]
    assert (row.verdict, len(aws.made)) == ("not checked", 1)
    assert "SimulatePrincipalPolicy is denied" in row.found


class Sts:
    """An Aws whose sts answers, or refuses, with a Date."""

    def __init__(self, date: str, refusal: str = "") -> None:
        self.date, self.refusal = date, refusal

    def client(self, service: str, *, reading: bool) -> "Sts":
        return self

    def get_caller_identity(self) -> Any:
        from botocore.exceptions import ClientError

        answered = {"ResponseMetadata": {"HTTPHeaders": {"date": self.date}, "RequestId": "r"}}
        if self.refusal:
            raise ClientError({**answered, "Error": {"Code": self.refusal, "Message": "expired"}}, "GetCallerIdentity")  # type: ignore[arg-type]
        return {"Arn": "arn:x", "Account": "1", **answered}


@pytest.mark.parametrize("refusal", ["", "SignatureDoesNotMatch"])
def test_the_clock_is_read_from_a_refusal_too(monkeypatch, refusal):
    monkeypatch.setattr(account.time, "time", lambda: 1_800_000_400.0)
    caller, (who, clock) = account.caller_findings(Sts("Fri, 15 Jan 2027 08:00:00 GMT", refusal), "1")  # type: ignore[arg-type]
    assert (clock.verdict, clock.found) == ("fail", "400 s ahead of the endpoint's")
    assert (who.verdict, caller is None) == (("fail", True) if refusal else ("ok", False))
