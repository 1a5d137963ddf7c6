"""Operations that no other test asks a local cloud for: their replies too are as the models say (tests/shaped.py)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from clouds import RunningCloud, running_cloud

NAME = "rare"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("rare") / "state") as made:
        yield made


def test_logs(cloud: RunningCloud):
    logs, place = cloud.client("logs"), {"logGroupName": NAME, "logStreamName": NAME}
    logs.create_log_group(logGroupName=NAME, tags={"a": "b"})
    logs.create_log_stream(**place)
    logs.put_log_events(**place, logEvents=[{"timestamp": 1_700_000_000_000, "message": "said"}])
    assert [each["message"] for each in logs.get_log_events(**place, startFromHead=True)["events"]] == ["said"]
    (stream,) = logs.describe_log_streams(logGroupName=NAME)["logStreams"]
    assert stream["lastEventTimestamp"] == 1_700_000_000_000
    assert logs.list_tags_log_group(logGroupName=NAME)["tags"] == {"a": "b"}
    logs.delete_log_stream(**place)
    assert logs.describe_log_streams(logGroupName=NAME)["logStreams"] == []
    logs.delete_log_group(logGroupName=NAME)


def test_keys_and_usage_plans(cloud: RunningCloud):
    gateway = cloud.client("apigateway")
    key, plan = gateway.create_api_key(name=NAME, enabled=True)["id"], gateway.create_usage_plan(name=NAME)["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    assert gateway.get_usage_plan_key(usagePlanId=plan, keyId=key)["id"] == key
    gateway.delete_usage_plan_key(usagePlanId=plan, keyId=key)
    change = {"op": "replace", "path": "/enabled", "value": "false"}
    assert gateway.update_api_key(apiKey=key, patchOperations=[change])["enabled"] is False
    assert gateway.get_api_key(apiKey=key, includeValue=True)["value"]
    assert gateway.get_usage_plan(usagePlanId=plan)["name"] == NAME
    gateway.delete_usage_plan(usagePlanId=plan)
    gateway.delete_api_key(apiKey=key)


def test_an_api_that_is_imported(cloud: RunningCloud):
    gateway = cloud.client("apigateway")
    answer = {"responses": {"200": {"description": "ok"}}}
    integration = {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
    way = answer | {"x-amazon-apigateway-integration": integration}
    body = {"openapi": "3.0.1", "info": {"title": NAME, "version": "1"}, "paths": {"/a": {"get": way}}}
    api = gateway.import_rest_api(body=json.dumps(body).encode())["id"]
    resource = next(each["id"] for each in gateway.get_resources(restApiId=api)["items"] if each["path"] == "/a")
    change = {"op": "add", "path": "/responseParameters/method.response.header.x", "value": "false"}
    place = {"restApiId": api, "resourceId": resource, "httpMethod": "GET", "statusCode": "200"}
    updated = gateway.update_method_response(**place, patchOperations=[change])
    assert updated["responseParameters"] == {"method.response.header.x": False}
    deployment = gateway.create_deployment(restApiId=api)["id"]
    gateway.delete_deployment(restApiId=api, deploymentId=deployment)
    assert gateway.get_deployments(restApiId=api)["items"] == []
    arn = f"arn:aws:apigateway:{cloud.info.region}::/restapis/{api}"
    gateway.tag_resource(resourceArn=arn, tags={"a": "b"})
    assert gateway.get_tags(resourceArn=arn)["tags"] == {"a": "b"}
    gateway.delete_rest_api(restApiId=api)


def network(cloud: RunningCloud) -> tuple[list[str], str]:
    """Subnets of two zones, and a security group."""
    ec2 = cloud.client("ec2")
    vpc = [{"Name": "vpc-id", "Values": [ec2.describe_vpcs()["Vpcs"][0]["VpcId"]]}]
    subnets = {each["AvailabilityZone"]: each["SubnetId"] for each in ec2.describe_subnets(Filters=vpc)["Subnets"]}
    return [*subnets.values()][:2], ec2.describe_security_groups(Filters=vpc)["SecurityGroups"][0]["GroupId"]


def test_a_vpc_link(cloud: RunningCloud):
    gateway, (subnets, group) = cloud.client("apigatewayv2"), network(cloud)
    link = gateway.create_vpc_link(Name=NAME, SubnetIds=subnets, SecurityGroupIds=[group], Tags={"a": "b"})["VpcLinkId"]
    assert gateway.update_vpc_link(VpcLinkId=link, Name="other")["Name"] == "other"
    assert gateway.get_vpc_link(VpcLinkId=link)["Name"] == "other"
    arn = f"arn:aws:apigateway:{cloud.info.region}::/vpclinks/{link}"
    assert gateway.get_tags(ResourceArn=arn)["Tags"] == {"a": "b"}
    gateway.delete_vpc_link(VpcLinkId=link)


def test_a_load_balancer(cloud: RunningCloud):
    elb, (subnets, group) = cloud.client("elbv2"), network(cloud)
    made = elb.create_load_balancer(Name=NAME, Subnets=subnets, SecurityGroups=[group], Scheme="internal")
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    assert elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[group])["SecurityGroupIds"] == [group]
    zones = elb.set_subnets(LoadBalancerArn=arn, Subnets=subnets)["AvailabilityZones"]
    assert {each["SubnetId"] for each in zones} == set(subnets)
    fixed: dict[str, Any] = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    listeners = elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=8123, DefaultActions=[fixed])["Listeners"]
    listener = listeners[0]["ListenerArn"]
    attribute = {"Key": "routing.http.response.server.enabled", "Value": "false"}
    elb.modify_listener_attributes(ListenerArn=listener, Attributes=[attribute])
    assert attribute in elb.describe_listener_attributes(ListenerArn=listener)["Attributes"]
    elb.delete_load_balancer(LoadBalancerArn=arn)


def test_clusters_and_families(cloud: RunningCloud):
    ecs, insights = cloud.client("ecs"), [{"name": "containerInsights", "value": "enabled"}]
    ecs.create_cluster(clusterName=NAME)
    assert ecs.update_cluster(cluster=NAME, settings=insights)["cluster"]["settings"] == insights
    assert ecs.update_cluster_settings(cluster=NAME, settings=insights)["cluster"]["settings"] == insights
    strategy = [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}]
    put = ecs.put_cluster_capacity_providers(
        cluster=NAME, capacityProviders=["FARGATE"], defaultCapacityProviderStrategy=strategy
    )
    assert put["cluster"]["defaultCapacityProviderStrategy"] == strategy
    ecs.delete_cluster(cluster=NAME)
    ecs.register_task_definition(
        family=NAME, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        containerDefinitions=[{"name": "web", "image": "web:1", "portMappings": [{"containerPort": 80}]}],
    )  # fmt: skip
    assert ecs.list_task_definition_families(familyPrefix=NAME)["families"] == [NAME]


def test_buses_and_their_tags(cloud: RunningCloud):
    events = cloud.client("events")
    assert events.describe_event_bus()["Name"] == "default"
    assert "default" in [each["Name"] for each in events.list_event_buses()["EventBuses"]]
    arn = events.put_rule(Name=NAME, EventPattern=json.dumps({"source": ["aws.ecs"]}))["RuleArn"]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == []
    events.delete_rule(Name=NAME)


def test_a_message_that_is_put_back(cloud: RunningCloud):
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=NAME)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="said")
    for _ in range(2):
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    sqs.purge_queue(QueueUrl=url)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    sqs.delete_queue(QueueUrl=url)
