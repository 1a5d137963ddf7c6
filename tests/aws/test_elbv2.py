"""Load balancers, target groups, listeners and rules as boto3 sees them."""

import itertools
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from ecs_world import MiniCloud, Network, eventually, network

NUMBERS = itertools.count(1)
NO_BALANCER = {
    "LoadBalancerArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/none/0123456789abcdef"
}
HERE = [{"Id": "127.0.0.1"}]
NOWHERE = "arn:aws:elasticloadbalancing:us-east-1:123456789012:{}/none/0123456789abcdef"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path_factory.mktemp("cloud"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(cloud: MiniCloud) -> Network:
    return network(cloud)


@pytest.fixture(scope="module")
def elb(cloud: MiniCloud) -> Any:
    return cloud.client("elbv2")


class Maker:
    """Makes what a test stands on."""

    def __init__(self, elb: Any, place: Network) -> None:
        self.elb, self.place = elb, place

    def balancer(self, **given: Any) -> dict[str, Any]:
        defaults = {"Name": f"lb-{next(NUMBERS)}", "Subnets": list(self.place.subnets), "Scheme": "internal"}
        return self.elb.create_load_balancer(**defaults | given)["LoadBalancers"][0]

    def group(self, **given: Any) -> str:
        defaults = {
            "Name": f"tg-{next(NUMBERS)}",
            "Protocol": "HTTP",
            "Port": 8080,
            "VpcId": self.place.vpc,
            "TargetType": "ip",
        }
        return self.elb.create_target_group(**defaults | given)["TargetGroups"][0]["TargetGroupArn"]

    def listener(self, balancer: str = "", port: int = 80, actions: Any = None) -> dict[str, Any]:
        arn = balancer or self.balancer()["LoadBalancerArn"]
        default = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
        made = self.elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=port, DefaultActions=actions or default)
        return made["Listeners"][0]

    def rule(self, listener: str, priority: int, path: str, actions: Any) -> dict[str, Any]:
        conditions = [{"Field": "path-pattern", "Values": [path]}]
        made = self.elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=conditions, Actions=actions)
        return made["Rules"][0]


@pytest.fixture
def make(elb: Any, place: Network) -> Maker:
    return Maker(elb, place)


def fixed(body: str = "x", status: int = 200) -> list[dict[str, Any]]:
    given = {"StatusCode": str(status), "MessageBody": body, "ContentType": "text/plain"}
    return [{"Type": "fixed-response", "FixedResponseConfig": given}]


def forward(*arns: str) -> list[dict[str, Any]]:
    return [{"Type": "forward", "TargetGroupArn": arn} for arn in arns]


def code_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def test_a_load_balancer_becomes_active_and_is_found_by_name_and_arn(elb: Any, make: Maker) -> None:
    made = make.balancer(Tags=[{"Key": "team", "Value": "vision"}])
    assert made["State"]["Code"] == "provisioning"
    assert made["DNSName"].startswith("127.")
    elb.get_waiter("load_balancer_available").wait(
        LoadBalancerArns=[made["LoadBalancerArn"]], WaiterConfig={"Delay": 0.05, "MaxAttempts": 100}
    )
    (found,) = elb.describe_load_balancers(Names=[made["LoadBalancerName"]])["LoadBalancers"]
    assert found | {"State": 0} == made | {"State": 0}
    assert {zone["ZoneName"] for zone in found["AvailabilityZones"]} == {"us-east-1a", "us-east-1b"}


def test_the_same_create_is_idempotent_and_another_of_its_name_is_refused(elb: Any, make: Maker, place: Network) -> None:
    made = make.balancer(Name="twin")
    assert make.balancer(Name="twin")["LoadBalancerArn"] == made["LoadBalancerArn"]
    other = {"Name": "twin", "Subnets": list(place.subnets), "Scheme": "internet-facing"}
    assert code_of(elb.create_load_balancer, **other) == "DuplicateLoadBalancerName"
    group = make.group(Name="twins")
    assert make.group(Name="twins") == group
    with pytest.raises(elb.exceptions.DuplicateTargetGroupNameException, match="but with different settings"):
        make.group(Name="twins", Port=9090)


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
def test_a_protocol_version_that_is_empty_is_one_that_was_not_given(elb: Any, make: Maker) -> None:
    (group,) = elb.describe_target_groups(TargetGroupArns=[make.group(ProtocolVersion="")])["TargetGroups"]
    assert group["ProtocolVersion"] == "HTTP1"


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupStickinessConfig.html
def test_a_stickiness_that_is_off_keeps_its_duration(elb: Any, make: Maker) -> None:
    def forwarding(seconds: int) -> list[dict[str, Any]]:
        sticky = {"Enabled": False, "DurationSeconds": seconds}
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": weights, "TargetGroupStickinessConfig": sticky}}]

    weights = [{"TargetGroupArn": make.group(), "Weight": 1}]
    listener = make.listener(actions=forwarding(60))
    assert listener["DefaultActions"][0]["ForwardConfig"]["TargetGroupStickinessConfig"]["DurationSeconds"] == 60
    changes = {"ListenerArn": listener["ListenerArn"], "DefaultActions": forwarding(0)}
    assert code_of(elb.modify_listener, **changes) == "ValidationError"


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeCapacityReservation.html
def test_no_load_balancer_has_reserved_capacity(elb: Any, make: Maker) -> None:
    found = elb.describe_capacity_reservation(LoadBalancerArn=make.balancer()["LoadBalancerArn"])
    assert found["CapacityReservationState"] == []
    assert "MinimumLoadBalancerCapacity" not in found
    assert code_of(elb.describe_capacity_reservation, **NO_BALANCER) == "LoadBalancerNotFound"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Name": "-a"}, "ValidationError"),
        ({"Name": "a" * 33}, "ValidationError"),
        ({"Name": "a_b"}, "ValidationError"),
        ({"Name": "internal-a"}, "ValidationError"),
        ({"Subnets": ["subnet-0"]}, "SubnetNotFound"),
        ({"Subnets": 1}, "ValidationError"),
        ({"Type": "network"}, "ValidationError"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "DuplicateTagKeys"),
    ],
)
def test_bad_load_balancers_are_refused(elb: Any, place: Network, given: dict[str, Any], code: str) -> None:
    if isinstance(given.get("Subnets"), int):
        given = given | {"Subnets": list(place.subnets)[: given["Subnets"]]}
    assert (
        code_of(elb.create_load_balancer, **{"Name": f"lb-{next(NUMBERS)}", "Subnets": list(place.subnets)} | given) == code
    )


def test_lists_come_in_pages(elb: Any, make: Maker) -> None:
    names = {make.balancer()["LoadBalancerName"] for _ in range(3)}
    pages = list(elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 2}))
    assert len(pages) >= 2
    assert all(len(page["LoadBalancers"]) <= 2 for page in pages)
    assert names <= {each["LoadBalancerName"] for page in pages for each in page["LoadBalancers"]}


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("describe_load_balancers", {"Names": ["none"]}, "LoadBalancerNotFound"),
        ("describe_load_balancers", {"LoadBalancerArns": [NOWHERE.format("loadbalancer/app")]}, "LoadBalancerNotFound"),
        ("describe_load_balancer_attributes", NO_BALANCER, "LoadBalancerNotFound"),
        ("describe_target_groups", {"Names": ["none"]}, "TargetGroupNotFound"),
        ("describe_target_health", {"TargetGroupArn": NOWHERE.format("targetgroup")}, "TargetGroupNotFound"),
        ("register_targets", {"TargetGroupArn": NOWHERE.format("targetgroup"), "Targets": HERE}, "TargetGroupNotFound"),
        ("describe_listeners", {"ListenerArns": [NOWHERE.format("listener/app")]}, "ListenerNotFound"),
        ("describe_listeners", {}, "ValidationError"),
        ("delete_listener", {"ListenerArn": NOWHERE.format("listener/app")}, "ListenerNotFound"),
        ("describe_rules", {"RuleArns": [NOWHERE.format("listener-rule/app")]}, "RuleNotFound"),
        ("delete_rule", {"RuleArn": NOWHERE.format("listener-rule/app")}, "RuleNotFound"),
        ("describe_tags", {"ResourceArns": [NOWHERE.format("targetgroup")]}, "TargetGroupNotFound"),
        ("describe_tags", {"ResourceArns": [NOWHERE.format("targetgroup")] * 21}, "ValidationError"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_by_its_kind(elb: Any, operation: str, arguments: dict[str, Any], code: str) -> None:
    assert code_of(getattr(elb, operation), **arguments) == code


def test_deletes_of_what_is_gone_succeed_and_protection_is_honoured(elb: Any, make: Maker) -> None:
    elb.delete_load_balancer(LoadBalancerArn=NOWHERE.format("loadbalancer/app"))
    elb.delete_target_group(TargetGroupArn=NOWHERE.format("targetgroup"))
    arn = make.balancer()["LoadBalancerArn"]
    protection = {"Key": "deletion_protection.enabled", "Value": "true"}
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[protection])
    assert code_of(elb.delete_load_balancer, LoadBalancerArn=arn) == "OperationNotPermitted"
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[protection | {"Value": "false"}])
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert code_of(elb.describe_load_balancers, LoadBalancerArns=[arn]) == "LoadBalancerNotFound"


def test_attributes_have_defaults_are_changed_and_unknown_ones_refused(elb: Any, make: Maker) -> None:
    arn = make.group()
    before = {each["Key"]: each["Value"] for each in elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]}
    assert before["deregistration_delay.timeout_seconds"] == "300"
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "30"}
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
    after = {each["Key"]: each["Value"] for each in elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]}
    assert after == before | {delay["Key"]: "30"}
    for bad in (delay | {"Value": "3601"}, delay | {"Value": "x"}, {"Key": "no.such", "Value": "1"}):
        assert code_of(elb.modify_target_group_attributes, TargetGroupArn=arn, Attributes=[bad]) == "ValidationError"


@pytest.mark.parametrize(
    "given",
    [
        {"TargetType": "instance"},
        {"Protocol": "TCP"},
        {"VpcId": "vpc-0"},
        {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 5},
        {"HealthCheckPath": "ping"},
        {"HealthCheckPort": "0"},
        {"Matcher": {"HttpCode": "600"}},
        {"Name": "bad_name"},
    ],
)
def test_bad_target_groups_are_refused(elb: Any, place: Network, given: dict[str, Any]) -> None:
    defaults = {"Name": f"tg-{next(NUMBERS)}", "Protocol": "HTTP", "Port": 8080, "VpcId": place.vpc, "TargetType": "ip"}
    assert code_of(elb.create_target_group, **defaults | given) == "ValidationError"


def test_a_target_group_keeps_its_health_check_and_answers_changes(elb: Any, make: Maker) -> None:
    arn = make.group(
        HealthCheckPath="/ping", HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2
    )
    changed = elb.modify_target_group(TargetGroupArn=arn, HealthCheckPath="/health", Matcher={"HttpCode": "200-204"})
    (found,) = elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    assert found == changed["TargetGroups"][0]
    wanted = {"HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthCheckPort": "traffic-port"}
    assert wanted.items() <= found.items()
    assert found["Matcher"] == {"HttpCode": "200-204"}
    assert found["LoadBalancerArns"] == []


def test_a_target_group_in_use_stays_and_belongs_to_one_load_balancer(elb: Any, make: Maker) -> None:
    group, listener = make.group(), make.listener()
    rule = make.rule(listener["ListenerArn"], 1, "/a", forward(group))
    (found,) = elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
    assert found["LoadBalancerArns"] == [listener["LoadBalancerArn"]]
    with pytest.raises(elb.exceptions.ResourceInUseException, match="currently in use by a listener or a rule"):
        elb.delete_target_group(TargetGroupArn=group)
    with pytest.raises(elb.exceptions.TargetGroupAssociationLimitException):
        make.listener(actions=forward(group))
    elb.delete_rule(RuleArn=rule["RuleArn"])
    elb.delete_target_group(TargetGroupArn=group)


def test_a_port_has_one_listener(elb: Any, make: Maker) -> None:
    listener = make.listener()
    with pytest.raises(elb.exceptions.DuplicateListenerException, match="already exists on this port"):
        make.listener(listener["LoadBalancerArn"])
    # 80 stands on 8080 of this machine, which is then taken.
    other = {"LoadBalancerArn": listener["LoadBalancerArn"], "Protocol": "HTTP", "Port": 8080, "DefaultActions": fixed()}
    assert code_of(elb.create_listener, **other) == "InvalidConfigurationRequest"
    assert code_of(elb.create_listener, **other | {"Port": 443, "Protocol": "HTTPS"}) == "UnsupportedProtocol"


def test_rules_have_one_priority_each_which_can_be_swapped(elb: Any, make: Maker) -> None:
    listener = make.listener()["ListenerArn"]
    first, second = (make.rule(listener, priority, f"/{priority}", fixed()) for priority in (1, 2))
    with pytest.raises(elb.exceptions.PriorityInUseException, match="Priority '1' is currently in use"):
        make.rule(listener, 1, "/x", fixed())
    swapped = [{"RuleArn": first["RuleArn"], "Priority": 2}, {"RuleArn": second["RuleArn"], "Priority": 1}]
    elb.set_rule_priorities(RulePriorities=swapped)
    rules = elb.describe_rules(ListenerArn=listener)["Rules"]
    assert [(each["Priority"], each["IsDefault"]) for each in rules] == [("1", False), ("2", False), ("default", True)]
    assert rules[0]["RuleArn"] == second["RuleArn"]
    assert rules[0]["Conditions"] == [
        {"Field": "path-pattern", "Values": ["/2"], "PathPatternConfig": {"Values": ["/2"]}}
    ]  # fmt: skip
    assert code_of(elb.delete_rule, RuleArn=rules[2]["RuleArn"]) == "OperationNotPermitted"
    taken = [{"RuleArn": first["RuleArn"], "Priority": 1}]
    assert code_of(elb.set_rule_priorities, RulePriorities=taken) == "PriorityInUse"


@pytest.mark.parametrize(
    ("actions", "code"),
    [
        (forward(NOWHERE.format("targetgroup")), "TargetGroupNotFound"),
        ([{"Type": "forward"}], "ValidationError"),
        ([{"Type": "fixed-response"}], "ValidationError"),
        ([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "999"}}], "ValidationError"),
        (fixed() + fixed(), "InvalidLoadBalancerAction"),
        ([{"Type": "jwt-validation"}], "InvalidLoadBalancerAction"),
    ],
)
def test_bad_actions_are_refused(elb: Any, make: Maker, actions: Any, code: str) -> None:
    arn = make.balancer()["LoadBalancerArn"]
    call = {"LoadBalancerArn": arn, "Protocol": "HTTP", "Port": 80, "DefaultActions": actions}
    assert code_of(elb.create_listener, **call) == code
    assert elb.describe_listeners(LoadBalancerArn=arn)["Listeners"] == []


def test_a_forward_is_answered_in_both_spellings(elb: Any, make: Maker) -> None:
    one, two = make.group(), make.group()
    listener = make.listener(actions=forward(one))
    (action,) = listener["DefaultActions"]
    assert (action["TargetGroupArn"], action["ForwardConfig"]["TargetGroups"]) == (
        one,
        [{"TargetGroupArn": one, "Weight": 1}],
    )
    weighted = {"TargetGroups": [{"TargetGroupArn": one, "Weight": 9}, {"TargetGroupArn": two, "Weight": 1}]}
    changed = elb.modify_listener(
        ListenerArn=listener["ListenerArn"], DefaultActions=[{"Type": "forward", "ForwardConfig": weighted}]
    )
    (action,) = changed["Listeners"][0]["DefaultActions"]
    assert "TargetGroupArn" not in action
    assert action["ForwardConfig"]["TargetGroups"] == weighted["TargetGroups"]


def test_tags_of_every_kind_are_kept_changed_and_read_together(elb: Any, make: Maker) -> None:
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    listener = make.listener()
    rule = make.rule(listener["ListenerArn"], 1, "/a", fixed())["RuleArn"]
    arns = [listener["LoadBalancerArn"], make.group(Tags=tags), listener["ListenerArn"], rule]
    elb.add_tags(ResourceArns=arns, Tags=tags)
    elb.add_tags(ResourceArns=arns, Tags=[{"Key": "a", "Value": "3"}])
    elb.remove_tags(ResourceArns=arns, TagKeys=["b", "none"])
    read = elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
    assert [(each["ResourceArn"], each["Tags"]) for each in read] == [(arn, [{"Key": "a", "Value": "3"}]) for arn in arns]


def health(elb: Any, group: str, **given: Any) -> dict[tuple[str, int], tuple[str, str]]:
    found = elb.describe_target_health(TargetGroupArn=group, **given)["TargetHealthDescriptions"]
    return {
        (each["Target"]["Id"], each["Target"]["Port"]): (
            each["TargetHealth"]["State"],
            each["TargetHealth"].get("Reason", ""),
        )
        for each in found
    }


def test_targets_are_keyed_by_address_and_port_and_unused_until_a_listener_routes(elb: Any, make: Maker) -> None:
    group = make.group()
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.34.0.1"}, {"Id": "127.34.0.1", "Port": 9090}])
    unused = ("unused", "Target.NotInUse")
    assert health(elb, group) == {("127.34.0.1", 8080): unused, ("127.34.0.1", 9090): unused}
    assert health(elb, group, Targets=[{"Id": "127.34.0.9"}]) == {("127.34.0.9", 8080): ("unused", "Target.NotRegistered")}
    elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "127.34.0.1", "Port": 9090}])
    assert set(health(elb, group)) == {("127.34.0.1", 8080)}
    make.listener(actions=forward(group))
    eventually(lambda: health(elb, group)["127.34.0.1", 8080] == ("initial", "Elb.InitialHealthChecking"))


@pytest.mark.parametrize("id", ["8.8.8.8", "10.0.0.5", "i-0123456789abcdef0"])
def test_targets_outside_this_machine_are_refused(elb: Any, make: Maker, id: str) -> None:
    code = "InvalidTarget" if id[0].isdigit() else "ValidationError"
    assert code_of(elb.register_targets, TargetGroupArn=make.group(), Targets=[{"Id": id}]) == code


def test_a_deregistered_target_drains_for_its_delay_and_is_gone(elb: Any, make: Maker) -> None:
    group = make.group()
    make.listener(actions=forward(group))
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}
    elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[delay])
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.34.0.2"}])
    elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "127.34.0.2"}])
    assert health(elb, group) == {("127.34.0.2", 8080): ("draining", "Target.DeregistrationInProgress")}
    eventually(lambda: health(elb, group) == {})
    elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "127.34.0.2"}])  # AWS: gone already is no error


def test_listeners_answer_what_their_rules_say_and_changes_hold_at_once(cloud: MiniCloud, elb: Any, make: Maker) -> None:
    listener = make.listener(actions=fixed("default"))
    host, port = cloud.world.overlay("elbv2").route(listener["ListenerArn"])

    def answer(path: str) -> str:
        with urlopen(f"http://{host}:{port}{path}", timeout=5) as response:
            return response.read().decode()

    assert answer("/a") == "default"
    rule = make.rule(listener["ListenerArn"], 5, "/a*", fixed("rule"))
    assert (answer("/a"), answer("/b")) == ("rule", "default")
    elb.modify_rule(RuleArn=rule["RuleArn"], Actions=fixed("changed"))
    assert answer("/a") == "changed"
    elb.delete_rule(RuleArn=rule["RuleArn"])
    assert answer("/a") == "default"
    elb.modify_listener(ListenerArn=listener["ListenerArn"], Port=81)
    assert cloud.world.overlay("elbv2").route(listener["ListenerArn"]) == (host, 8081)
    with pytest.raises(OSError):
        answer("/a")
    port = 8081
    assert answer("/a") == "default"
    elb.delete_load_balancer(LoadBalancerArn=listener["LoadBalancerArn"])
    with pytest.raises(OSError):
        answer("/a")


def test_unknown_operations_are_client_errors(elb: Any) -> None:
    assert code_of(elb.describe_account_limits)
