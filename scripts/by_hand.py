"""Somebody's hands in the console: each changes one thing, and can say whether it is back."""

from collections.abc import Callable
from typing import Any

# What a person brings who brings a server that cannot start.
BROKEN = "raise RuntimeError('the weights of the new model were never copied')\n"
Back = Callable[[], bool]  # whether the change is repaired; asked until it is


class Hands:
    """Changes to the one service that there is. aws: makes clients of whoever has the hands."""

    def __init__(self, aws: Callable[[str], Any]) -> None:
        self._aws = aws

    def service(self) -> Any:
        ecs = self._aws("ecs")
        cluster = ecs.list_clusters()["clusterArns"][0]
        (name,) = ecs.list_services(cluster=cluster)["serviceArns"]
        return ecs.describe_services(cluster=cluster, services=[name], include=["TAGS"])["services"][0]

    def stopped_task(self) -> Back:
        ecs, service = self._aws("ecs"), self.service()
        place = {"cluster": service["clusterArn"], "serviceName": service["serviceName"]}
        tasks = ecs.list_tasks(**place)["taskArns"]
        ecs.stop_task(cluster=place["cluster"], task=tasks[0])

        def back() -> bool:
            now, service = ecs.list_tasks(**place)["taskArns"], self.service()
            return tasks[0] not in now and len(now) == len(tasks) == service["runningCount"]

        return back

    def desired_count(self) -> Back:
        service = self.service()
        self._update(desiredCount=service["desiredCount"] + 1)
        return lambda: self.service()["desiredCount"] == service["desiredCount"]

    def task_definition(self) -> Back:
        ecs, service = self._aws("ecs"), self.service()
        found = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        names = ("containerDefinitions", "taskRoleArn", "executionRoleArn", "networkMode", "requiresCompatibilities")
        kept = {name: found[name] for name in (*names, "cpu", "memory")}
        other = ecs.register_task_definition(family="by-hand", **kept)["taskDefinition"]["taskDefinitionArn"]
        self._update(taskDefinition=other)

        def back() -> bool:
            if self.service()["taskDefinition"] != service["taskDefinition"]:
                return False
            ecs.deregister_task_definition(taskDefinition=other)  # the hand's own: nobody else takes it away
            ecs.delete_task_definitions(taskDefinitions=[other])
            return True

        return back

    def tag(self) -> Back:
        arn, key = self.service()["serviceArn"], "trimtab.dev/deployment"
        self._aws("ecs").untag_resource(resourceArn=arn, tagKeys=[key])
        return lambda: any(each["key"] == key for each in self.service().get("tags", ()))

    def log_retention(self) -> Back:
        logs = self._aws("logs")

        def group() -> Any:
            (found,) = logs.describe_log_groups(logGroupNamePrefix="/trimtab/")["logGroups"]
            return found

        before = group()
        logs.put_retention_policy(logGroupName=before["logGroupName"], retentionInDays=1)
        return lambda: group().get("retentionInDays") == before.get("retentionInDays")

    def listener_rule(self) -> Back:
        elb = self._aws("elbv2")
        rule = next(each for each in self._rules() if not each["IsDefault"])
        gone = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"}}
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[gone])
        return lambda: any(
            each["RuleArn"] == rule["RuleArn"] and each["Actions"][0]["Type"] == "forward" for each in self._rules()
        )

    def stage_throttle(self) -> Back:
        gateway = self._aws("apigateway")
        (api,) = gateway.get_rest_apis()["items"]
        place = {"restApiId": api["id"], "stageName": "live"}
        limit = gateway.get_stage(**place)["methodSettings"]["*/*"]["throttlingRateLimit"]
        change = {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "1"}
        gateway.update_stage(**place, patchOperations=[change])
        return lambda: gateway.get_stage(**place)["methodSettings"]["*/*"]["throttlingRateLimit"] == limit

    def repository_setting(self) -> Back:
        ecr = self._aws("ecr")

        def repository() -> Any:
            found = ecr.describe_repositories()["repositories"]
            return next(each for each in found if each["repositoryName"].startswith("trimtab/local/"))

        before = repository()
        ecr.put_image_tag_mutability(repositoryName=before["repositoryName"], imageTagMutability="MUTABLE")
        return lambda: repository()["imageTagMutability"] == before["imageTagMutability"]

    def _update(self, **settings: Any) -> None:
        service = self.service()
        self._aws("ecs").update_service(cluster=service["clusterArn"], service=service["serviceName"], **settings)

    def _rules(self) -> list[Any]:
        elb = self._aws("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        return elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
