"""Services: CreateService to DeleteService."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from trimtab.local.ecs_base import Base, bounded, check_name, last_part, listed, missing, page, tags_in, wants_tags
from trimtab.local.ecs_clusters import PROVIDERS
from trimtab.local.ecs_controller import begin
from trimtab.local.ecs_decide import alarms_of
from trimtab.local.ecs_events import deployment_changed
from trimtab.local.ecs_records import Cluster, Deployment, Document, Service, TaskDefinition
from trimtab.local.ecs_shown import shown_service, shown_tags
from trimtab.local.elbv2_network import subnet_of
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

OWN = {  # arguments with a field, or a meaning, of their own
    "cluster",
    "serviceName",
    "service",
    "taskDefinition",
    "desiredCount",
    "clientToken",
    "tags",
    "loadBalancers",
    "networkConfiguration",
    "forceNewDeployment",
}
ROLLS = ("platformVersion", "capacityProviderStrategy")  # besides task definition, network and load balancers
DEPLOYMENT_DEFAULTS: Document = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}
REFUSED = ("serviceRegistries", "volumeConfigurations", "vpcLatticeConfigurations", "gatewayConnectors")


class Services(Base):
    def create_service(self, arguments: Arguments, context: Context) -> Reply:
        cluster, name = self.cluster(arguments, active=True), arguments["serviceName"]
        check_name(name, "Service")
        token, request = arguments.get("clientToken", ""), digest(arguments)
        same = self.book.services.get(f"{cluster.name}/{name}")
        if same is not None and same.status == "DRAINING":
            raise invalid("Unable to Start a service that is still Draining.")
        if same is not None and same.status == "ACTIVE":
            if token and same.token == token and same.request == request:
                return {"service": self.shown(same, tags=True)}
            raise invalid("Creation of service was not idempotent.")
        definition = self.active_definition(arguments.get("taskDefinition", ""))
        desired = checked_count(arguments.get("desiredCount", 0))
        settings = checked_settings(arguments, cluster)
        tags = tags_in(arguments)
        network, balancers = arguments.get("networkConfiguration", {}), listed(arguments, "loadBalancers")
        self._check_network(network)
        self._check_balancers(balancers, definition)
        service = Service(
            arn=self.arn(f"service/{cluster.name}/{name}"),
            name=name,
            cluster=cluster.name,
            settings=settings,
            desired=desired,
            deployments=[],
            created=context.now,
            created_by=context.principal,
            token=token,
            request=request,
            tags=tags,
        )
        self._begin(service, rollout(definition.arn, network, balancers, context))
        self.book.services.put(service)
        self.world.wake.set()
        return {"service": self.shown(service, tags=True)}

    def _begin(self, service: Service, deployment: Deployment) -> None:
        names = alarms_of(service)  # of which one that is in ALARM by now makes ECS watch none
        deployment.watched = bool(names) and not self.controller.ringing(names)
        begin(service, deployment)
        said = deployment_changed(service, deployment, "SERVICE_DEPLOYMENT_IN_PROGRESS")
        self.world.signals.emit("aws.ecs", *said, deployment.created)

    def update_service(self, arguments: Arguments, context: Context) -> Reply:
        service = self.service_named(arguments)
        if service.status != "ACTIVE":
            raise ServiceError("ServiceNotActiveException", "Service was not ACTIVE.")
        primary = service.primary
        definition = self._next_definition(arguments, primary)
        network = arguments.get("networkConfiguration", primary.network)
        balancers = listed(arguments, "loadBalancers") if "loadBalancers" in arguments else primary.balancers
        desired = checked_count(arguments.get("desiredCount", service.desired))
        settings = checked_settings(arguments, self.cluster(arguments), service.settings)
        self._check_network(network)
        if balancers != primary.balancers or definition.arn != primary.definition:
            self._check_balancers(balancers, definition)
        rolls = arguments.get("forceNewDeployment", False) or any(
            settings.get(key) != service.settings.get(key) for key in ROLLS
        )
        rolls = rolls or (definition.arn, network, balancers) != (primary.definition, primary.network, primary.balancers)
        service.settings = settings
        self.scale(service, desired, context.now)
        if rolls:
            self._begin(service, rollout(definition.arn, network, balancers, context))
        self.book.services.put(service)
        self.world.wake.set()
        return {"service": self.shown(service, tags=True)}

    def scale(self, service: Service, desired: int, now: datetime) -> None:
        """Set the desired count, as UpdateService and the autoscaler do."""
        if desired != service.desired:
            service.primary.updated, service.steady = now, False
        service.desired = desired
        self.book.services.put(service)
        self.world.wake.set()

    def _next_definition(self, arguments: Arguments, primary: Deployment) -> TaskDefinition:
        """The named revision; the primary one's, which may be INACTIVE by now, when none is named."""
        if "taskDefinition" in arguments:
            return self.active_definition(arguments["taskDefinition"])
        found = self.definition(primary.definition)
        assert found is not None  # a definition stays describable while it is in use
        return found

    def delete_service(self, arguments: Arguments, context: Context) -> Reply:
        service = self.service_named(arguments)
        if service.status == "INACTIVE":
            raise ServiceError("ServiceNotFoundException", "Service not found.")
        if service.status == "ACTIVE":
            if service.desired > 0 and not arguments.get("force", False):
                raise invalid("The service cannot be stopped while it is scaled above 0.")
            service.status, service.desired, service.steady = "DRAINING", 0, False
            self.book.services.put(service)
            self.world.wake.set()
        return {"service": self.shown(service)}

    def describe_services(self, arguments: Arguments, context: Context) -> Reply:
        names = listed(arguments, "services")
        if not names:
            raise invalid("Services cannot be empty.")
        bounded(names, 10, "Services")
        cluster = self.cluster(arguments)
        found = {name: self.book.services.get(f"{cluster.name}/{last_part(name)}") for name in names}
        absent = [
            name if name.startswith("arn:") else self.arn(f"service/{cluster.name}/{name}")
            for name in names
            if not found[name]
        ]
        return {
            "services": [self.shown(each, wants_tags(arguments)) for each in found.values() if each is not None],
            "failures": [missing(arn) for arn in absent],
        }

    def list_services(self, arguments: Arguments, context: Context) -> Reply:
        cluster, launch = self.cluster(arguments), arguments.get("launchType")
        chosen = [
            each
            for each in self.book.services
            if each.cluster == cluster.name
            and each.status != "INACTIVE"
            and launch in (None, each.settings.get("launchType"))
            and arguments.get("schedulingStrategy", "REPLICA") == each.settings["schedulingStrategy"]
        ]
        return page(arguments, chosen, "serviceArns", 10, lambda each: each.arn)

    def shown(self, service: Service, tags: bool = False) -> Document:
        shown = shown_service(service, self.book.tasks_of(service), self.world.region, self.world.account)
        return shown | ({"tags": shown_tags(service.tags)} if tags else {})

    # Checks

    def _check_network(self, network: Mapping[str, Any]) -> None:
        if not network.get("awsvpcConfiguration"):
            raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
        for id in network["awsvpcConfiguration"]["subnets"]:
            if subnet_of(self.world, id) is None:
                raise invalid(
                    f"Error retrieving subnet information for [{id}]: "
                    f"The subnet ID '{id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
                )

    def _check_balancers(self, balancers: Sequence[Document], definition: TaskDefinition) -> None:
        """Each target group exists, a load balancer routes to it, and the container has the port."""
        for each in balancers:
            arn = each.get("targetGroupArn")
            if not arn or each.get("loadBalancerName"):
                raise invalid("The local cloud registers tasks with target groups only: targetGroupArn must be given.")
            attached = self.world.overlay("elbv2").attached(arn)
            if attached is None:
                raise invalid(f"The target group with targetGroupArn {arn} does not exist.")
            if not attached:
                raise invalid(f"The target group with targetGroupArn {arn} does not have an associated load balancer.")
            name, port = each.get("containerName"), each.get("containerPort")
            container = next((one for one in definition.containers if one["name"] == name), None)
            if container is None:
                raise invalid(f"The container {name} does not exist in the task definition.")
            if port not in {mapping["containerPort"] for mapping in container["portMappings"]}:
                raise invalid(f"The container {name} did not have a container port {port} defined.")


def rollout(definition: str, network: Document, balancers: list[Document], context: Context) -> Deployment:
    number = str(10**18 + secrets.randbelow(9 * 10**18))
    return Deployment(
        id=f"ecs-svc/{number}",
        number=number,
        definition=definition,
        network=network,
        balancers=balancers,
        created=context.now,
        updated=context.now,
    )


def checked_settings(arguments: Arguments, cluster: Cluster, before: Document | None = None) -> Document:
    """What a service is given besides its own fields, with defaults; `before`: an update's. Raises ServiceError."""
    for key in REFUSED:
        if arguments.get(key):
            raise unsupported(f"The local cloud does not have {key}.")
    if arguments.get("serviceConnectConfiguration", {}).get("enabled"):
        raise unsupported("The local cloud does not have Service Connect.")
    if arguments.get("deploymentController", {}).get("type", "ECS") != "ECS":
        raise unsupported("The local cloud has the deployment controller ECS only.")
    if arguments.get("schedulingStrategy", "REPLICA") != "REPLICA":
        raise invalid("The daemon scheduling strategy is not supported for the Fargate launch type.")
    settings = (before or {}) | {key: value for key, value in arguments.items() if key not in OWN}
    previous = (before or {}).get("deploymentConfiguration", DEPLOYMENT_DEFAULTS)
    settings["deploymentConfiguration"] = checked_deployment(previous | arguments.get("deploymentConfiguration", {}))
    if before is None:
        return placed(settings, cluster)
    if arguments.get("capacityProviderStrategy"):
        settings.pop("launchType", None)
    return settings


def placed(settings: Document, cluster: Cluster) -> Document:
    """Where a new service's tasks run: Fargate, by launch type or by capacity provider."""
    strategy = listed(settings, "capacityProviderStrategy")
    if not strategy and "launchType" not in settings:
        strategy = cluster.settings.get("defaultCapacityProviderStrategy", [])
    if strategy and "launchType" in settings:
        raise invalid("Specifying both a launch type and capacity provider strategy is not supported.")
    for each in strategy:
        if each["capacityProvider"] not in PROVIDERS:
            raise invalid(f"The specified capacity provider {each['capacityProvider']} was not found.")
    if not strategy and settings.get("launchType") != "FARGATE":
        raise invalid("The local cloud runs services on FARGATE only: give launchType or a capacity provider strategy.")
    chosen = {"capacityProviderStrategy": strategy} if strategy else {"launchType": "FARGATE"}
    defaults: Document = {
        "platformVersion": "LATEST",
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "enableECSManagedTags": False,
        "enableExecuteCommand": False,
        "propagateTags": "NONE",
        "availabilityZoneRebalancing": "ENABLED",
        "healthCheckGracePeriodSeconds": 0,
        "placementConstraints": [],
        "placementStrategy": [],
    }
    return defaults | settings | chosen


def checked_deployment(configuration: Document) -> Document:
    least, most = configuration["minimumHealthyPercent"], configuration["maximumPercent"]
    if least < 0 or most < 100 or most < least or (least == most == 100):
        raise invalid(f"minimumHealthyPercent {least} and maximumPercent {most} leave no room for a deployment.")
    if configuration["strategy"] != "ROLLING":
        raise unsupported(f"The local cloud does not have the deployment strategy {configuration['strategy']}.")
    for key in ("lifecycleHooks", "linearConfiguration", "canaryConfiguration"):
        if configuration.get(key):
            raise unsupported(f"The local cloud does not have {key} in deployments.")
    if configuration.get("earlySuccessCriteria", {}).get("enable"):
        raise unsupported("The local cloud does not have earlySuccessCriteria in deployments.")
    alarms = configuration.get("alarms", {})
    if alarms.get("enable") and not alarms["alarmNames"]:
        raise invalid("Deployment alarms are enabled, and alarmNames is empty.")
    given = configuration["deploymentCircuitBreaker"].get("thresholdConfiguration")
    if given is not None and given["value"] < 1:
        raise invalid("The threshold of the deployment circuit breaker must be 1 or more.")
    return configuration


def checked_count(count: int) -> int:
    if count < 0:
        raise invalid("Desired count cannot be negative.")
    return count


def digest(arguments: Arguments) -> str:
    """What a repeat with the same client token is compared by."""
    return hashlib.sha256(json.dumps(dict(arguments), sort_keys=True, default=str).encode()).hexdigest()


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


def unsupported(message: str) -> ServiceError:
    return ServiceError("UnsupportedFeatureException", message)
