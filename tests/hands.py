"""Hands that change what a deployment has in the world, as a person at a console would; and a count of our own writes."""

import json
from pathlib import Path
from typing import Any

from quick_rollout import Calls, name_of
from trimtab.core.kind import Call


class Writes(Calls):
    def __init__(self) -> None:
        self.made: list[str] = []

    def before(self, call: Call) -> None:
        if call.repeat != "read" and call.service != "trimtab":
            self.made.append(call.operation)


class World:
    """A deployment's live parts, and hands that change them."""

    def __init__(self, cloud: Any, project: Path) -> None:
        self.name = name_of(project)
        self.cloud = cloud
        ecs = cloud.client("ecs")
        (self.cluster,) = ecs.list_clusters()["clusterArns"]
        (self.service,) = [arn for arn in ecs.list_services(cluster=self.cluster)["serviceArns"] if self.name in arn]

    def one(self, items: list[dict[str, Any]], field: str) -> dict[str, Any]:
        (found,) = [each for each in items if self.name in str(each[field])]
        return found

    def desired_count(self) -> None:
        self.cloud.client("ecs").update_service(cluster=self.cluster, service=self.service, desiredCount=3)

    def task_definition(self) -> None:
        ecs = self.cloud.client("ecs")
        (service,) = ecs.describe_services(cluster=self.cluster, services=[self.service])["services"]
        definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        kept = {
            name: definition[name]
            for name in (
                "containerDefinitions", "taskRoleArn", "executionRoleArn", "networkMode", "requiresCompatibilities", "cpu",
                "memory",
            )
        }  # fmt: skip
        other = ecs.register_task_definition(family=f"{self.name}-by-hand", **kept)["taskDefinition"]["taskDefinitionArn"]
        ecs.update_service(cluster=self.cluster, service=self.service, taskDefinition=other)

    def listener_rule(self) -> None:
        elb = self.cloud.client("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        rule = self.one(rules, "Conditions")
        gone = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"}}
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[gone])

    def stage_throttle(self) -> None:
        self._stage("/*/*/throttling/rateLimit")

    def stage_burst(self) -> None:
        self._stage("/*/*/throttling/burstLimit")

    def _stage(self, path: str) -> None:
        gateway = self.cloud.client("apigateway")
        api = self.one(gateway.get_rest_apis(limit=500)["items"], "name")
        change = {"op": "replace", "path": path, "value": "1"}
        gateway.update_stage(restApiId=api["id"], stageName="live", patchOperations=[change])

    def key_disabled(self) -> None:
        gateway = self.cloud.client("apigateway")
        key = self.one(gateway.get_api_keys(limit=500)["items"], "name")
        gateway.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])

    def plan_rate(self) -> None:
        gateway = self.cloud.client("apigateway")
        plan = self.one(gateway.get_usage_plans(limit=500)["items"], "name")
        change = {"op": "replace", "path": "/throttle/rateLimit", "value": "1"}
        gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=[change])

    def drain_delay(self) -> None:
        slow = {"Key": "deregistration_delay.timeout_seconds", "Value": "7"}
        self.cloud.client("elbv2").modify_target_group_attributes(TargetGroupArn=self.target_group(), Attributes=[slow])

    def health_interval(self) -> None:
        self.cloud.client("elbv2").modify_target_group(TargetGroupArn=self.target_group(), HealthCheckIntervalSeconds=17)

    def target_group(self) -> str:
        groups = self.cloud.client("elbv2").describe_target_groups()["TargetGroups"]
        return self.one(groups, "TargetGroupName")["TargetGroupArn"]

    def tag(self) -> None:
        ecs = self.cloud.client("ecs")
        ecs.untag_resource(resourceArn=self.service, tagKeys=["trimtab.dev/deployment"])

    def role_policy(self) -> None:
        iam = self.cloud.client("iam")
        roles = [each for each in iam.list_roles(PathPrefix="/trimtab/")["Roles"] if self.name in each["RoleName"]]
        role = next(each["RoleName"] for each in roles if "execution" in each["RoleName"])
        (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(wide))

    def repository_setting(self) -> None:
        ecr = self.cloud.client("ecr")
        repository = self.one(ecr.describe_repositories()["repositories"], "repositoryName")
        ecr.put_image_tag_mutability(repositoryName=repository["repositoryName"], imageTagMutability="MUTABLE")

    def image_scan(self) -> None:
        ecr = self.cloud.client("ecr")
        repository = self.one(ecr.describe_repositories()["repositories"], "repositoryName")
        other = {"scanOnPush": not repository["imageScanningConfiguration"]["scanOnPush"]}
        name = repository["repositoryName"]
        ecr.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration=other)

    def log_retention(self) -> None:
        logs = self.cloud.client("logs")
        group = self.one(logs.describe_log_groups(logGroupNamePrefix="/trimtab/")["logGroups"], "logGroupName")
        logs.put_retention_policy(logGroupName=group["logGroupName"], retentionInDays=1)

    def deleted_rule(self) -> None:
        elb = self.cloud.client("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        rule = self.one(elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"], "Conditions")
        elb.delete_rule(RuleArn=rule["RuleArn"])
