"""Terraform's unmodified AWS provider against the local cloud: a whole deployment is made, changed and taken down.

The configuration is terraform/*.tf. TRIMTAB_TF_MIRROR names a folder that `terraform providers mirror` has made of it.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from clouds import RunningCloud, running_cloud
from e2e.test_event_pages import TOP, said_by
from ecs_world import eventually

pytestmark = [pytest.mark.slow, pytest.mark.needs("terraform"), pytest.mark.xdist_group("terraform")]
CONFIGURATION = Path(__file__).parent / "terraform"
MIRRORED = 'provider_installation {{\n  filesystem_mirror {{ path = "{}" }}\n}}\n'
POOL = urllib3.PoolManager(retries=False, timeout=10)
CHANGES = 2  # the exit code of a plan that would do something
SECOND = "-var-file=second.tfvars"
BUCKET = 'resource "aws_s3_bucket" "data" {\n  bucket = "data-of-the-page"\n}\n'


@dataclass(frozen=True, slots=True)
class Terraform:
    """A working folder with the configuration. Nothing of the machine's own Terraform is read."""

    folder: Path
    variables: Mapping[str, str]

    def run(self, *words: str, accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["terraform", *words], cwd=self.folder, env=dict(self.variables), capture_output=True, text=True, check=False
        )
        assert done.returncode in accept, f"terraform {' '.join(words)}:\n{done.stdout[-8000:]}\n{done.stderr}"
        return done

    def apply(self, *words: str) -> None:
        self.run("apply", "-auto-approve", "-input=false", "-no-color", *words)

    def destroy(self) -> None:
        self.run("destroy", "-auto-approve", "-input=false", "-no-color")

    def differences(self, *words: str) -> str:
        """What a plan would do; "" for nothing."""
        done = self.run("plan", "-detailed-exitcode", "-input=false", "-no-color", *words, accept=(0, CHANGES))
        return done.stdout if done.returncode == CHANGES else ""

    def outputs(self) -> dict[str, str]:
        said: dict[str, Any] = json.loads(self.run("output", "-json").stdout)
        return {name: each["value"] for name, each in said.items()}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("terraform") / "state") as made:
        yield made


@pytest.fixture
def terraform(cloud: RunningCloud, tmp_path: Path) -> Terraform:
    folder, rc = tmp_path / "configuration", tmp_path / "terraform.rc"
    shutil.copytree(CONFIGURATION, folder)
    rc.write_text(MIRRORED.format(os.environ["TRIMTAB_TF_MIRROR"]))
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": str(rc),
        "AWS_ACCESS_KEY_ID": cloud.info.access_key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.info.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TF_VAR_endpoint": cloud.info.endpoint,
        "TF_VAR_region": cloud.info.region,
        "TF_VAR_image": f"127.0.0.1:{cloud.ports[0]}/trimtab/host-python:3.11",
    }
    made = Terraform(folder, variables)
    made.run("init", "-input=false", "-no-color")
    return made


def tagged(api: Any) -> list[str]:
    """ARNs of what carries the configuration's tag. Task definitions stay, INACTIVE: the provider only deregisters them."""
    found = api.get_resources(TagFilters=[{"Key": "team"}])["ResourceTagMappingList"]
    return [each["ResourceARN"] for each in found if ":task-definition/" not in each["ResourceARN"]]


LISTS: Mapping[str, tuple[str, Callable[[Any], list[Any]]]] = {  # of every kind in the configuration, by its API's own list
    "APIs": ("apigateway", lambda api: api.get_rest_apis(limit=500)["items"]),
    "keys": ("apigateway", lambda api: api.get_api_keys(limit=500)["items"]),
    "usage plans": ("apigateway", lambda api: api.get_usage_plans(limit=500)["items"]),
    "VPC links": ("apigatewayv2", lambda api: api.get_vpc_links()["Items"]),
    "scalable targets": (
        "application-autoscaling",
        lambda api: api.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"],
    ),
    "scaling policies": (
        "application-autoscaling",
        lambda api: api.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"],
    ),
    "alarms": ("cloudwatch", lambda api: api.describe_alarms()["MetricAlarms"]),
    "networks": ("ec2", lambda api: api.describe_vpcs()["Vpcs"]),
    "subnets": ("ec2", lambda api: api.describe_subnets()["Subnets"]),
    "security groups": ("ec2", lambda api: api.describe_security_groups()["SecurityGroups"]),
    "interfaces": ("ec2", lambda api: api.describe_network_interfaces()["NetworkInterfaces"]),
    "repositories": ("ecr", lambda api: api.describe_repositories()["repositories"]),
    "clusters": ("ecs", lambda api: api.list_clusters()["clusterArns"]),
    "task definitions": ("ecs", lambda api: api.list_task_definitions()["taskDefinitionArns"]),
    "load balancers": ("elbv2", lambda api: api.describe_load_balancers()["LoadBalancers"]),
    "target groups": ("elbv2", lambda api: api.describe_target_groups()["TargetGroups"]),
    "roles": ("iam", lambda api: api.list_roles()["Roles"]),
    "policies": ("iam", lambda api: api.list_policies(Scope="Local")["Policies"]),
    "log groups": ("logs", lambda api: api.describe_log_groups()["logGroups"]),
    "buckets": ("s3", lambda api: api.list_buckets()["Buckets"]),
    "models": ("sagemaker", lambda api: api.list_models()["Models"]),
    "tagged things": ("resourcegroupstaggingapi", tagged),
}


def inventory(cloud: RunningCloud) -> dict[str, int]:
    return {kind: len(listed(cloud.client(service))) for kind, (service, listed) in LISTS.items()}


def answers(cloud: RunningCloud, outputs: Mapping[str, str], key: str) -> set[tuple[int, str]]:
    """What both APIs say to a request: (status, body)."""
    urls = [f"http://127.0.0.1:{cloud.ports[1]}/{outputs[api]}/invocations" for api in ("parts", "linked")]
    replies = [POOL.request("POST", url, body=b"[]", headers={"x-api-key": key}) for url in urls]
    return {(reply.status, reply.data.decode()) for reply in replies}


def preflight(cloud: RunningCloud, outputs: Mapping[str, str]) -> str | None:
    """Whose pages may call, by the API that is made of parts."""
    reply = POOL.request("OPTIONS", f"http://127.0.0.1:{cloud.ports[1]}/{outputs['parts']}/invocations")
    assert reply.status == 204
    return reply.headers.get("Access-Control-Allow-Origin")


def settings(cloud: RunningCloud) -> dict[str, Any]:
    """What the second edition changes, read by API."""
    (service,) = cloud.client("ecs").describe_services(cluster="serving", services=["digits"], include=["TAGS"])["services"]
    (group,) = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/digits/")["logGroups"]
    (alarm,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=["digits-errors"])["MetricAlarms"]
    (plan,) = cloud.client("apigateway").get_usage_plans()["items"]
    return {
        "running": service["runningCount"],
        "deployments": len(service["deployments"]),
        "team": {each["key"]: each["value"] for each in service["tags"]}["team"],
        "retention": group["retentionInDays"],
        "threshold": alarm["Threshold"],
        "rate": plan["throttle"]["rateLimit"],
    }


def test_a_whole_deployment_is_applied_changed_and_destroyed(cloud: RunningCloud, terraform: Terraform):
    before = inventory(cloud)

    terraform.apply()
    assert terraform.differences() == ""
    outputs = terraform.outputs()
    assert answers(cloud, outputs, outputs["key"]) == {(200, "hello")}
    assert preflight(cloud, outputs) == "*"
    assert answers(cloud, outputs, "wrong") == {(403, '{"message": "Forbidden"}')}
    assert settings(cloud) == {
        "running": 1, "deployments": 1, "team": "vision", "retention": 7, "threshold": 5.0, "rate": 100.0,
    }  # fmt: skip

    terraform.apply(SECOND)
    assert terraform.differences(SECOND) == ""
    assert answers(cloud, outputs, outputs["key"]) == {(200, "hi")}
    assert preflight(cloud, outputs) == "https://shop.example"
    eventually(lambda: settings(cloud)["running"] == 2)  # the autoscaler's part: the service was steady before
    assert settings(cloud) == {
        "running": 2, "deployments": 1, "team": "digits", "retention": 14, "threshold": 8.0, "rate": 50.0,
    }  # fmt: skip

    cloud.client("cloudwatch").delete_alarms(AlarmNames=["digits-errors"])
    assert "aws_cloudwatch_metric_alarm.errors will be created" in terraform.differences(SECOND)

    terraform.destroy()
    assert inventory(cloud) == before


def test_the_commands_of_the_page_make_and_take_down_what_a_person_declares(tmp_path):
    rc = tmp_path / "terraform.rc"
    rc.write_text(MIRRORED.format(os.environ["TRIMTAB_TF_MIRROR"]))
    (block,) = re.findall(r"```hcl\n(.*?)```", (TOP / "docs" / "tasks" / "terraform.md").read_text(), re.DOTALL)
    (tmp_path / "main.tf").write_text(block + BUCKET)
    said = said_by(
        "terraform",
        tmp_path,
        CHECKPOINT_DISABLE="1",
        TF_CLI_CONFIG_FILE=str(rc),
        TF_CLI_ARGS="-no-color",
        TF_CLI_ARGS_apply="-auto-approve",
        TF_CLI_ARGS_destroy="-auto-approve",
    )
    assert "1 added" in said
    assert "No changes" in said
    assert "1 destroyed" in said
