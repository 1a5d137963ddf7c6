"""Names, bounds and choices are AWS's own, held against botocore's service models."""

import re
from typing import Any

import botocore.session
import pytest

from trimtab.model.environment import RETENTIONS
from trimtab.model.schema import schema_at
from trimtab.model.values import INSTANCE, VARIABLE

SESSION = botocore.session.get_session()


def shape(service: str, name: str) -> Any:
    return SESSION.get_service_model(service).shape_for(name)


def limit(service: str, name: str, bound: str) -> int:
    return shape(service, name).metadata[bound]


def test_every_training_instance_type_of_aws_can_be_written():
    types = shape("sagemaker", "TrainingInstanceType").enum
    assert len(types) > 100
    assert [each for each in types if not re.fullmatch(INSTANCE, each)] == []


@pytest.mark.parametrize(
    ("path", "bound", "name"),
    [
        ("spec.training.hyperparameters", "maxProperties", "HyperParameters"),
        ("spec.training.metrics", "maxProperties", "MetricDefinitionList"),
        ("spec.training.metrics.loss", "maxLength", "MetricRegex"),
        ("spec.training.image", "maxLength", "AlgorithmImage"),
        ("spec.training.tuning.objective.metric", "maxLength", "MetricName"),
        ("spec.training.tuning.ranges", "maxProperties", "IntegerParameterRanges"),
        ("spec.evaluation.gates.metric", "maxLength", "MetricName"),
        ("spec.serving.env.NAME", "maxLength", "EnvironmentValue"),
    ],
)
def test_a_bound_is_that_of_sagemaker(path, bound, name):
    assert schema_at("ModelDeployment", path)[bound] == limit("sagemaker", name, "max")


def test_names_and_texts_of_hyperparameters_are_as_long_as_sagemaker_takes():
    node = schema_at("ModelDeployment", "spec.training.hyperparameters")
    assert node["propertyNames"]["maxLength"] == limit("sagemaker", "HyperParameterKey", "max")
    text = next(
        each for each in schema_at("ModelDeployment", "spec.training.hyperparameters.x")["anyOf"] if "maxLength" in each
    )
    assert text["maxLength"] == limit("sagemaker", "HyperParameterValue", "max")


def test_environment_variables_fit_every_target():
    node = schema_at("ModelDeployment", "spec.serving.env")
    assert node["maxProperties"] <= limit("sagemaker", "EnvironmentMap", "max")
    assert node["propertyNames"]["maxLength"] <= limit("sagemaker", "EnvironmentKey", "max")
    assert VARIABLE.strip("^$").replace("A-Za-z", "a-zA-Z") == shape("sagemaker", "EnvironmentKey").metadata["pattern"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("spec.training.tuning.strategy", "HyperParameterTuningJobStrategyType"),
        ("spec.training.tuning.objective.goal", "HyperParameterTuningJobObjectiveType"),
        ("spec.training.tuning.ranges.x.scale", "HyperParameterScalingType"),
    ],
)
def test_choices_are_those_of_sagemaker(path, name):
    ours = {each.lower() for each in schema_at("ModelDeployment", path)["enum"]}
    assert ours == {each.lower() for each in shape("sagemaker", name).enum}


def test_rollouts_are_those_of_ecs_and_one_that_only_its_percentages_make():
    ours = schema_at("ModelDeployment", "spec.serving.rollout.strategy")["enum"]
    theirs = {each.replace("_", "").lower() for each in shape("ecs", "DeploymentStrategy").enum}
    assert {each.lower() for each in ours} - {"nosurge"} == theirs


def test_every_region_of_aws_can_be_written():
    partitions = SESSION.get_available_partitions()
    regions = [name for each in partitions for name in SESSION.get_available_regions("ecs", partition_name=each)]
    assert len(regions) > 30
    pattern = schema_at("Environment", "spec.region")["pattern"]
    assert [each for each in regions if not re.fullmatch(pattern, each)] == []


@pytest.mark.parametrize(
    ("kind", "path", "service", "name"),
    [
        ("ModelDeployment", "spec.serving.rollout.alarms", "cloudwatch", "AlarmArn"),
        ("ModelDeployment", "spec.serving.gateway.keySecret", "secretsmanager", "NameType"),
        ("ModelDeployment", "spec.serving.bindings.secret", "secretsmanager", "SecretARNType"),
        ("Environment", "spec.network.vpc", "sagemaker", "VpcId"),
        ("Environment", "spec.network.subnets", "sagemaker", "SubnetId"),
        ("Environment", "spec.network.securityGroups.tasks", "sagemaker", "SecurityGroupId"),
        ("Environment", "spec.images.serving", "sagemaker", "ContainerImage"),
        ("Environment", "spec.permissionsBoundary", "iam", "arnType"),
        ("Environment", "spec.kmsKey", "kms", "KeyIdType"),
        ("Environment", "spec.gateway.certificate", "acm", "Arn"),
    ],
)
def test_a_name_is_no_longer_than_its_service_takes(kind, path, service, name):
    node = schema_at(kind, path)
    assert (node.get("items") or node)["maxLength"] == limit(service, name, "max")


def test_tags_fit_every_service_beside_our_own():
    node = schema_at("Environment", "spec.tags")
    assert node["propertyNames"]["maxLength"] == limit("sagemaker", "TagKey", "max") == limit("ecs", "TagKey", "max")
    assert node["maxProperties"] + 10 <= limit("sagemaker", "TagList", "max")


@pytest.mark.parametrize(
    ("path", "name"),
    [("weight", "CapacityProviderStrategyItemWeight"), ("base", "CapacityProviderStrategyItemBase")],
)
def test_capacity_providers_are_weighed_as_ecs_weighs(path, name):
    node = schema_at("Environment", f"spec.ecs.capacityProviders.{path}")
    assert (node["minimum"], node["maximum"]) == (limit("ecs", name, "min"), limit("ecs", name, "max"))


def test_retentions_are_those_of_cloudwatch_logs():
    text = shape("logs", "Days").documentation.partition("Possible values are")[2].partition(".")[0]
    assert tuple(int(number) for number in re.findall(r"\d+", text)) == RETENTIONS


@pytest.mark.parametrize(
    ("path", "words"), [("subnets", "limit of 16 subnets"), ("securityGroups.tasks", "limit of 5 security")]
)
def test_networks_are_as_wide_as_ecs_takes(path, words):
    members = shape("ecs", "AwsVpcConfiguration").members
    assert words in members["subnets" if path == "subnets" else "securityGroups"].documentation
    assert schema_at("Environment", f"spec.network.{path}")["maxItems"] == int(re.findall(r"\d+", words)[0])


def test_roles_and_external_ids_are_as_aws_has_them():
    pattern = shape("sagemaker", "RoleArn").metadata["pattern"]
    node = schema_at("Environment", "spec.roles.training")
    for arn in ("arn:aws:iam::123456789012:role/a", "arn:aws-us-gov:iam::123456789012:role/path/a_b=c,d.e@f-g"):
        assert re.fullmatch(pattern, arn)
        assert re.fullmatch(node["pattern"], arn)
    external = schema_at("Environment", "spec.assumeRoles.externalId")
    assert (external["minLength"], external["maxLength"]) == (
        limit("sts", "externalIdType", "min"),
        limit("sts", "externalIdType", "max"),
    )


def test_a_listener_port_is_one_of_a_load_balancer():
    node = schema_at("Environment", "spec.network.loadBalancer.port")
    assert (node["minimum"], node["maximum"]) == (limit("elbv2", "Port", "min"), limit("elbv2", "Port", "max"))
