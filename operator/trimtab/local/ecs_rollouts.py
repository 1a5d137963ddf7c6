"""Service deployments and service revisions: what was rolled out, when, and how it ended."""

from collections.abc import Mapping
from typing import Any

from trimtab.local.ecs_base import Base, bounded, listed, missing, page
from trimtab.local.ecs_decide import alarms_of, settings_of, threshold
from trimtab.local.ecs_records import Deployment, Document, Service
from trimtab.local.ecs_shown import full_network, given, pending_of, revision_arn, running_of, service_deployment_arn
from trimtab.local.overlay import Arguments, Context, Reply

_BREAKER, _ALARMS = "the circuit breaker threshold was exceeded", "an alarm was detected"
SUPERSEDED = "Service deployment was stopped because a newer one was started."


class Rollouts(Base):
    def list_service_deployments(self, arguments: Arguments, context: Context) -> Reply:
        service = self.service_named(arguments)
        wanted = listed(arguments, "status")
        chosen = [each for each in everything(service) if not wanted or status_of(service, each)[0] in wanted]
        window: Mapping[str, Any] = arguments.get("createdAt", {})
        chosen = [
            each
            for each in chosen
            if ("after" not in window or each.created >= window["after"])
            and ("before" not in window or each.created <= window["before"])
        ]

        def brief(deployment: Deployment) -> Document:
            full = self._shown(service, deployment)
            keys = ("serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt")
            kept = {key: full[key] for key in (*keys, "status", "statusReason") if key in full}
            return kept | {"targetServiceRevisionArn": revision_arn(service, deployment)}

        return page(arguments, chosen, "serviceDeployments", 100, brief)

    def describe_service_deployments(self, arguments: Arguments, context: Context) -> Reply:
        arns = listed(arguments, "serviceDeploymentArns")
        bounded(arns, 20, "Service deployments")
        found = {arn: self._find(arn, service_deployment_arn) for arn in arns}
        return {
            "serviceDeployments": [self._shown(*each) for each in found.values() if each],
            "failures": [missing(arn) for arn, each in found.items() if not each],
        }

    def describe_service_revisions(self, arguments: Arguments, context: Context) -> Reply:
        arns = listed(arguments, "serviceRevisionArns")
        bounded(arns, 20, "Service revisions")
        found = {arn: self._find(arn, revision_arn) for arn in arns}
        return {
            "serviceRevisions": [self._revision(*each) for each in found.values() if each],
            "failures": [missing(arn) for arn, each in found.items() if not each],
        }

    def _find(self, arn: str, name: Any) -> tuple[Service, Deployment] | None:
        pairs = ((service, each) for service in self.book.services for each in everything(service))
        return next((pair for pair in pairs if name(*pair) == arn), None)

    def _shown(self, service: Service, deployment: Deployment) -> Document:
        tasks = self.book.tasks_of(service)
        status, reason = status_of(service, deployment)
        breaker = settings_of(service).get("deploymentCircuitBreaker", {})
        source = next((each for each in everything(service) if each.id == deployment.source), None)

        def counted(each: Deployment) -> Document:
            running = running_of(each, tasks)
            counts = {"runningTaskCount": running, "pendingTaskCount": pending_of(each, tasks)}
            requested = service.desired if each.status == "PRIMARY" else running
            return {"arn": revision_arn(service, each), "requestedTaskCount": requested, **counts}

        rollback = deployment.rolled_back_to and {
            "reason": failed_because(deployment, "rolled back"),
            "startedAt": deployment.rollback_started,
            "serviceRevisionArn": revision_arn(service, by_id(service, deployment.rolled_back_to) or deployment),
        }
        watching = "MONITORING" if deployment.state == "IN_PROGRESS" else "MONITORING_COMPLETE"
        tripped, names = deployment.state == "FAILED" and not deployment.alarmed, alarms_of(service)
        return given(
            {
                "serviceDeploymentArn": service_deployment_arn(service, deployment),
                "serviceArn": service.arn,
                "clusterArn": self.arn(f"cluster/{service.cluster}"),
                "createdAt": deployment.created,
                "startedAt": deployment.created,
                "finishedAt": None if status.endswith("IN_PROGRESS") else deployment.finished,
                "stoppedAt": deployment.finished if status == "STOPPED" else None,
                "updatedAt": deployment.updated,
                "sourceServiceRevisions": [counted(source)] if source else [],
                "targetServiceRevision": counted(deployment),
                "status": status,
                "statusReason": reason,
                "deploymentConfiguration": settings_of(service),
                "rollback": rollback,
                "deploymentCircuitBreaker": {
                    "status": "DISABLED" if not breaker.get("enable") else "TRIGGERED" if tripped else watching,
                    "failureCount": deployment.failed,
                    "threshold": threshold(service),
                },
                "alarms": {
                    "status": "TRIGGERED" if deployment.alarmed else watching if deployment.watched else "DISABLED",
                    "alarmNames": list(names),
                    "triggeredAlarmNames": deployment.alarmed,
                }
                if names
                else None,
            }
        )

    def _revision(self, service: Service, deployment: Deployment) -> Document:
        definition = self.definition(deployment.definition)
        kept = ("launchType", "capacityProviderStrategy", "platformVersion")
        return {key: service.settings[key] for key in kept if key in service.settings} | {
            "serviceRevisionArn": revision_arn(service, deployment),
            "serviceArn": service.arn,
            "clusterArn": self.arn(f"cluster/{service.cluster}"),
            "taskDefinition": deployment.definition,
            "platformFamily": "Linux",
            "loadBalancers": deployment.balancers,
            "networkConfiguration": full_network(deployment.network),
            "containerImages": [
                given(
                    {
                        "containerName": each["name"],
                        "image": each["image"],
                        "imageDigest": self.world.executor.image_digest(each["image"]),
                    }
                )
                for each in (definition.containers if definition else [])
            ],
            "guardDutyEnabled": False,
            "createdAt": deployment.created,
        }


def everything(service: Service) -> list[Deployment]:
    """All deployments that are remembered, newest first."""
    return sorted([*service.deployments, *service.history], key=lambda each: each.created, reverse=True)


def by_id(service: Service, id: str) -> Deployment | None:
    return next((each for each in everything(service) if each.id == id), None)


def status_of(service: Service, deployment: Deployment) -> tuple[str, str]:
    """Status and reason of a service deployment. The one that is returned to keeps its own success."""
    if deployment.state == "FAILED":
        back = by_id(service, deployment.rolled_back_to)
        if back is None:
            return "STOPPED", failed_because(deployment, "failed")
        said = failed_because(deployment, "rolled back")
        if back.state == "COMPLETED":
            return "ROLLBACK_SUCCESSFUL", said
        return ("ROLLBACK_IN_PROGRESS" if back.status == "PRIMARY" else "ROLLBACK_FAILED"), said
    if deployment.was_completed:
        return "SUCCESSFUL", ""
    return ("IN_PROGRESS", "") if deployment.status == "PRIMARY" else ("STOPPED", SUPERSEDED)


def failed_because(deployment: Deployment, what: str) -> str:
    return f"Service deployment {what} because {_ALARMS if deployment.alarmed else _BREAKER}."
