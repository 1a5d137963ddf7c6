"""Clusters, task definitions and refusals of ECS as boto3 sees them. No task is started here."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_world import MiniCloud, Network, network

NUMBERS = itertools.count(1)
TAGS = [{"key": "team", "value": "vision"}]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path_factory.mktemp("cloud"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def ecs(cloud: MiniCloud) -> Any:
    return cloud.client("ecs")


@pytest.fixture(scope="module")
def place(cloud: MiniCloud) -> Network:
    return network(cloud)


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    """Code and message of the error that a call ends in."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def container(**given: Any) -> dict[str, Any]:
    return {"name": "model", "image": "web:1", "portMappings": [{"containerPort": 8080}]} | given


def definition(**given: Any) -> dict[str, Any]:
    return {
        "family": f"family-{next(NUMBERS)}",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [container()],
    } | given


def register(ecs: Any, **given: Any) -> dict[str, Any]:
    return ecs.register_task_definition(**definition(**given))["taskDefinition"]


# --- clusters ---


def test_creating_a_cluster_twice_answers_the_first(ecs: Any) -> None:
    settings = [{"name": "containerInsights", "value": "enabled"}]
    made = ecs.create_cluster(clusterName="twice", settings=settings, tags=TAGS)["cluster"]
    again = ecs.create_cluster(clusterName="twice")["cluster"]
    assert (again["clusterArn"], again["settings"], again["tags"]) == (made["clusterArn"], settings, TAGS)


def test_a_deleted_cluster_is_inactive_describable_and_not_listed(ecs: Any) -> None:
    arn = ecs.create_cluster(clusterName="gone")["cluster"]["clusterArn"]
    assert arn in ecs.list_clusters()["clusterArns"]
    assert ecs.delete_cluster(cluster="gone")["cluster"]["status"] == "INACTIVE"
    assert arn not in ecs.list_clusters()["clusterArns"]
    assert ecs.describe_clusters(clusters=[arn])["clusters"][0]["status"] == "INACTIVE"
    assert ecs.create_cluster(clusterName="gone")["cluster"]["status"] == "ACTIVE"


def test_missing_clusters_are_failures_or_errors(ecs: Any) -> None:
    (failure,) = ecs.describe_clusters(clusters=["none"])["failures"]
    assert failure == {"arn": "arn:aws:ecs:us-east-1:123456789012:cluster/none", "reason": "MISSING"}
    assert refused(ecs.delete_cluster, cluster="none") == ("ClusterNotFoundException", "Cluster not found.")
    assert refused(ecs.list_services, cluster="none")[0] == "ClusterNotFoundException"
    assert refused(ecs.create_cluster, clusterName="bad name")[0] == "InvalidParameterException"
    assert refused(ecs.create_cluster, capacityProviders=["mine"])[0] == "InvalidParameterException"


def test_cluster_tags_come_when_asked_for(ecs: Any) -> None:
    ecs.create_cluster(clusterName="tagged", tags=TAGS)
    assert ecs.describe_clusters(clusters=["tagged"])["clusters"][0]["tags"] == []
    assert ecs.describe_clusters(clusters=["tagged"], include=["TAGS"])["clusters"][0]["tags"] == TAGS


# --- task definitions ---


def test_a_definition_is_answered_as_it_was_given_with_aws_defaults(ecs: Any) -> None:
    given = definition(
        containerDefinitions=[
            container(
                user="10001", readonlyRootFilesystem=True, command=["serve"], environment=[{"name": "A", "value": "1"}]
            )
        ],
        tags=TAGS,
    )
    made = ecs.register_task_definition(**given)
    assert made["tags"] == TAGS
    read = ecs.describe_task_definition(taskDefinition=given["family"], include=["TAGS"])
    assert read["taskDefinition"] == made["taskDefinition"]
    assert read["tags"] == TAGS
    (found,) = read["taskDefinition"]["containerDefinitions"]
    assert found["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert (found["essential"], found["user"], found["readonlyRootFilesystem"]) == (True, "10001", True)
    assert read["taskDefinition"]["status"] == "ACTIVE"
    assert read["taskDefinition"]["registeredBy"].startswith("arn:aws:iam::")
    assert "tags" not in ecs.describe_task_definition(taskDefinition=given["family"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"family": "bad family:1"}, "Family contains invalid characters"),
        ({"networkMode": "bridge"}, "awsvpc"),
        ({"requiresCompatibilities": ["EC2"]}, "FARGATE"),
        ({"cpu": "300"}, "No Fargate configuration exists for given values: 300 CPU, 512 memory"),
        ({"memory": "4096"}, "No Fargate configuration exists for given values: 256 CPU, 4096 memory"),
        ({"cpu": "1024", "memory": "2500"}, "No Fargate configuration"),
        ({"cpu": "lots"}, "Invalid 'cpu' or 'memory'"),
        ({"containerDefinitions": []}, "Container list cannot be empty"),
        ({"containerDefinitions": [container(essential=False)]}, "essential"),
        ({"containerDefinitions": [container(), container()]}, "unique"),
        ({"containerDefinitions": [container(name="")]}, "Container.name should not be null or empty"),
        ({"containerDefinitions": [container(image="")]}, "Container.image should not be null or empty"),
        ({"containerDefinitions": [container(portMappings=[{"containerPort": 80, "hostPort": 81}])]}, "must match"),
        ({"containerDefinitions": [container(secrets=[{"name": "A", "valueFrom": "arn"}])]}, "secrets"),
        (
            {"containerDefinitions": [container(logConfiguration={"logDriver": "awslogs"})]},
            "requires options: awslogs-group",
        ),
        ({"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]}, "volume v"),
        ({"volumes": [{"name": "v", "host": {"sourcePath": "/srv"}}]}, "volume v"),
        ({"volumes": [{"name": "v", "configuredAtLaunch": True}]}, "volume v"),
        (
            {"containerDefinitions": [container(mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}])]},
            "Unknown volume",
        ),
    ],
)
def test_definitions_that_fargate_refuses_are_refused(ecs: Any, given: dict[str, Any], message: str) -> None:
    code, said = refused(ecs.register_task_definition, **definition(**given))
    assert code == "ClientException"
    assert message in said


# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HostVolumeProperties.html
@pytest.mark.parametrize("settings", [{}, {"host": {}}, {"host": {}, "configuredAtLaunch": False}])
def test_a_volume_of_the_task_may_say_that_it_is_one(ecs: Any, settings: dict[str, Any]) -> None:
    mounted = container(mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}])
    given = definition(volumes=[{"name": "v", **settings}], containerDefinitions=[mounted])
    made = ecs.register_task_definition(**given)["taskDefinition"]
    assert made["volumes"] == [{"name": "v", **settings}]


@pytest.mark.parametrize(
    ("cpu", "memory", "kept"),
    [
        ("256", "2048", ("256", "2048")),
        ("1 vCPU", "2 GB", ("1024", "2048")),
        (".5 vCPU", "1GB", None),
        ("0.5vcpu", "1GB", ("512", "1024")),
    ],
)
def test_sizes_are_kept_in_units_and_mebibytes(ecs: Any, cpu: str, memory: str, kept: tuple[str, str] | None) -> None:
    if kept is None:
        assert refused(ecs.register_task_definition, **definition(cpu=cpu, memory=memory))[0] == "ClientException"
    else:
        made = register(ecs, cpu=cpu, memory=memory)
        assert (made["cpu"], made["memory"]) == kept


def test_a_revision_number_is_never_given_out_twice(ecs: Any) -> None:
    family = "numbered"
    numbers = [register(ecs, family=family)["revision"] for _ in range(2)]
    newest = f"{family}:2"
    ecs.deregister_task_definition(taskDefinition=newest)
    ecs.delete_task_definitions(taskDefinitions=[newest])
    assert [*numbers, register(ecs, family=family)["revision"]] == [1, 2, 3]


def test_the_life_of_a_revision_is_active_inactive_and_delete_in_progress(ecs: Any) -> None:
    made = register(ecs, family="mortal")
    name = "mortal:1"

    def listed(status: str) -> list[str]:
        return ecs.list_task_definitions(familyPrefix="mortal", status=status)["taskDefinitionArns"]

    (failure,) = ecs.delete_task_definitions(taskDefinitions=[name])["failures"]
    assert "ACTIVE" in failure["reason"]
    gone = ecs.deregister_task_definition(taskDefinition=name)["taskDefinition"]
    assert (gone["status"], "deregisteredAt" in gone) == ("INACTIVE", True)
    assert (listed("ACTIVE"), listed("INACTIVE")) == ([], [made["taskDefinitionArn"]])
    assert refused(ecs.describe_task_definition, taskDefinition="mortal")[0] == "ClientException"
    (deleted,) = ecs.delete_task_definitions(taskDefinitions=[name])["taskDefinitions"]
    assert deleted["status"] == "DELETE_IN_PROGRESS"
    assert ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]["status"] == "DELETE_IN_PROGRESS"
    assert listed("DELETE_IN_PROGRESS") == [made["taskDefinitionArn"]]


def test_missing_and_too_many_definitions(ecs: Any) -> None:
    expected = ("ClientException", "Unable to describe task definition.")
    assert refused(ecs.describe_task_definition, taskDefinition="none") == expected
    assert refused(ecs.deregister_task_definition, taskDefinition="none:1")[0] == "ClientException"
    eleven = [f"none:{number}" for number in range(1, 12)]
    assert refused(ecs.delete_task_definitions, taskDefinitions=eleven)[0] == "InvalidParameterException"


def test_definitions_are_listed_in_pages_and_in_order(ecs: Any) -> None:
    arns = [register(ecs, family="paged")["taskDefinitionArn"] for _ in range(12)]
    pages = list(ecs.get_paginator("list_task_definitions").paginate(familyPrefix="paged", PaginationConfig={"PageSize": 5}))
    assert [len(page["taskDefinitionArns"]) for page in pages] == [5, 5, 2]
    assert [arn for page in pages for arn in page["taskDefinitionArns"]] == arns
    assert ecs.list_task_definitions(familyPrefix="paged", sort="DESC")["taskDefinitionArns"] == arns[::-1]
    assert refused(ecs.list_task_definitions, nextToken="forged")[0] == "InvalidParameterException"


# --- services: what is refused, and what is kept, with no task ---


@pytest.fixture(scope="module")
def base(ecs: Any, place: Network) -> dict[str, Any]:
    """A service of no task."""
    ecs.create_cluster(clusterName="services")
    return {
        "cluster": "services",
        "taskDefinition": register(ecs, family="served")["taskDefinitionArn"],
        "desiredCount": 0,
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": list(place.subnets)}},
    }


NO_GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/0123456789abcdef"


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"cluster": "none"}, "ClusterNotFoundException", "Cluster not found."),
        ({"taskDefinition": "none"}, "ClientException", "TaskDefinition not found."),
        ({"serviceName": "bad name"}, "InvalidParameterException", "Service name"),
        ({"desiredCount": -1}, "InvalidParameterException", "negative"),
        ({"networkConfiguration": {}}, "InvalidParameterException", "Network Configuration must be provided"),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0"]}}},
            "InvalidParameterException",
            "InvalidSubnetID.NotFound",
        ),
        ({"launchType": "EC2"}, "InvalidParameterException", "FARGATE"),
        ({"schedulingStrategy": "DAEMON"}, "InvalidParameterException", "daemon"),
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "UnsupportedFeatureException", "ECS only"),
        ({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}, "UnsupportedFeatureException", "BLUE_GREEN"),
        (
            {"deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 100}},
            "InvalidParameterException",
            "no room",
        ),
        (
            {"loadBalancers": [{"targetGroupArn": NO_GROUP, "containerName": "model", "containerPort": 8080}]},
            "InvalidParameterException",
            "does not exist",
        ),
        ({"tags": TAGS + TAGS}, "InvalidParameterException", "Duplicate"),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}, "InvalidParameterException", "both"),
    ],
)
def test_services_that_cannot_be_are_refused(
    ecs: Any, base: dict[str, Any], given: dict[str, Any], code: str, message: str
) -> None:
    name = f"refused-{next(NUMBERS)}"
    got, said = refused(ecs.create_service, **base | {"serviceName": name} | given)
    assert (got, message in said) == (code, True), said
    assert ecs.describe_services(cluster="services", services=[name])["services"] == []


def test_an_inactive_definition_starts_no_service(ecs: Any, base: dict[str, Any]) -> None:
    arn = register(ecs, family="retired")["taskDefinitionArn"]
    ecs.deregister_task_definition(taskDefinition=arn)
    expected = ("ClientException", "TaskDefinition is inactive")
    assert refused(ecs.create_service, **base | {"serviceName": "late", "taskDefinition": arn}) == expected


def test_target_group_and_port_of_a_service_are_checked(
    cloud: MiniCloud, ecs: Any, place: Network, base: dict[str, Any]
) -> None:
    elb = cloud.client("elbv2")
    made = elb.create_target_group(Name="checked", Protocol="HTTP", Port=8080, VpcId=place.vpc, TargetType="ip")
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    behind = {"targetGroupArn": arn, "containerName": "model", "containerPort": 8080}
    call = base | {"serviceName": "behind", "loadBalancers": [behind]}
    assert "does not have an associated load balancer" in refused(ecs.create_service, **call)[1]
    balancer = elb.create_load_balancer(Name="checked", Subnets=list(place.subnets))["LoadBalancers"][0]["LoadBalancerArn"]
    actions = [{"Type": "forward", "TargetGroupArn": arn}]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=actions)
    wrong_port = base | {"serviceName": "behind", "loadBalancers": [behind | {"containerPort": 9090}]}
    assert "did not have a container port 9090 defined" in refused(ecs.create_service, **wrong_port)[1]
    wrong_name = base | {"serviceName": "behind", "loadBalancers": [behind | {"containerName": "other"}]}
    assert "The container other does not exist" in refused(ecs.create_service, **wrong_name)[1]
    assert ecs.create_service(**call)["service"]["loadBalancers"] == [behind]


def test_every_field_of_a_service_is_kept_and_answered(ecs: Any, base: dict[str, Any]) -> None:
    given = base | {
        "serviceName": "full",
        "platformVersion": "1.4.0",
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {
                "enable": True,
                "rollback": True,
                "resetOnHealthyTask": False,
                "thresholdConfiguration": {"type": "COUNT", "value": 5},
            },
            "maximumPercent": 150,
            "minimumHealthyPercent": 50,
        },
        "healthCheckGracePeriodSeconds": 60,
        "propagateTags": "SERVICE",
        "enableECSManagedTags": True,
        "enableExecuteCommand": True,
        "availabilityZoneRebalancing": "DISABLED",
    }
    ecs.create_service(**given, tags=TAGS)
    (found,) = ecs.describe_services(cluster="services", services=["full"], include=["TAGS"])["services"]
    for key in set(given) - {"cluster", "deploymentConfiguration", "networkConfiguration"}:
        assert found[key] == given[key], key
    assert given["deploymentConfiguration"].items() <= found["deploymentConfiguration"].items()
    network = found["networkConfiguration"]["awsvpcConfiguration"]
    assert network == given["networkConfiguration"]["awsvpcConfiguration"] | {
        "securityGroups": [],
        "assignPublicIp": "DISABLED",
    }
    assert found["tags"] == TAGS
    assert "tags" not in ecs.describe_services(cluster="services", services=["full"])["services"][0]


def test_capacity_providers_take_the_place_of_the_launch_type(ecs: Any, base: dict[str, Any]) -> None:
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]
    given = {key: value for key, value in base.items() if key != "launchType"} | {"serviceName": "spot"}
    made = ecs.create_service(**given, capacityProviderStrategy=strategy)["service"]
    assert made["capacityProviderStrategy"] == strategy
    assert "launchType" not in made


def test_a_create_is_idempotent_by_token_alone(ecs: Any, base: dict[str, Any]) -> None:
    call = base | {"serviceName": "token", "clientToken": "t-1"}
    made = ecs.create_service(**call)["service"]
    assert ecs.create_service(**call)["service"]["createdAt"] == made["createdAt"]
    expected = ("InvalidParameterException", "Creation of service was not idempotent.")
    assert refused(ecs.create_service, **call | {"clientToken": "t-2"}) == expected
    assert refused(ecs.create_service, **call | {"desiredCount": 1}) == expected
    assert refused(ecs.create_service, **base | {"serviceName": "token"}) == expected


def test_services_are_described_by_tens_and_listed_in_pages(ecs: Any, base: dict[str, Any]) -> None:
    ecs.create_cluster(clusterName="paged")
    names = [f"s-{number}" for number in range(12)]
    for name in names:
        ecs.create_service(**base | {"cluster": "paged", "serviceName": name})
    assert refused(ecs.describe_services, cluster="paged", services=names)[0] == "InvalidParameterException"
    assert refused(ecs.describe_services, cluster="paged", services=[])[0] == "InvalidParameterException"
    reply = ecs.describe_services(cluster="paged", services=[*names[:2], "none"])
    assert [each["serviceName"] for each in reply["services"]] == names[:2]
    assert reply["failures"] == [{"arn": "arn:aws:ecs:us-east-1:123456789012:service/paged/none", "reason": "MISSING"}]
    pages = list(ecs.get_paginator("list_services").paginate(cluster="paged"))
    assert [len(page["serviceArns"]) for page in pages] == [10, 2]


def test_a_cluster_with_services_stays_and_a_scaled_service_needs_force(ecs: Any, base: dict[str, Any]) -> None:
    ecs.create_cluster(clusterName="full")
    ecs.create_service(**base | {"cluster": "full", "serviceName": "s"})
    code, message = refused(ecs.delete_cluster, cluster="full")
    assert (code, message) == (
        "ClusterContainsServicesException",
        "The Cluster cannot be deleted while Services are active.",
    )
    ecs.delete_service(cluster="full", service="s")
    ecs.get_waiter("services_inactive").wait(
        cluster="full", services=["s"], WaiterConfig={"Delay": 0.05, "MaxAttempts": 100}
    )
    assert ecs.list_services(cluster="full")["serviceArns"] == []
    assert refused(ecs.delete_service, cluster="full", service="s")[0] == "ServiceNotFoundException"
    assert refused(ecs.update_service, cluster="full", service="s", desiredCount=1)[0] == "ServiceNotActiveException"
    assert refused(ecs.update_service, cluster="full", service="none", desiredCount=1)[0] == "ServiceNotFoundException"
    ecs.delete_cluster(cluster="full")


def test_tags_are_added_removed_and_listed(ecs: Any, base: dict[str, Any]) -> None:
    service = ecs.create_service(**base | {"serviceName": "tags", "tags": TAGS})["service"]["serviceArn"]
    cluster = ecs.create_cluster(clusterName="tags", tags=TAGS)["cluster"]["clusterArn"]
    revision = register(ecs, tags=TAGS)["taskDefinitionArn"]
    for arn in (service, cluster, revision):
        ecs.tag_resource(resourceArn=arn, tags=[{"key": "stage", "value": "dev"}])
        ecs.untag_resource(resourceArn=arn, tagKeys=["team", "none"])
        assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "stage", "value": "dev"}]
    code, _ = refused(ecs.list_tags_for_resource, resourceArn="arn:aws:ecs:us-east-1:123456789012:cluster/none")
    assert code == "InvalidParameterException"


def test_what_is_not_there_is_a_client_error(ecs: Any, base: dict[str, Any]) -> None:
    assert refused(ecs.describe_container_instances, containerInstances=["x"])[0]
    assert refused(ecs.stop_task, cluster=base["cluster"], task="none")[0] == "InvalidParameterException"
    (failure,) = ecs.describe_tasks(cluster=base["cluster"], tasks=["none"])["failures"]
    assert failure["reason"] == "MISSING"
