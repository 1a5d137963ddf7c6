"""The first day of use, for the demo: changes by hand, a server that cannot start, a rollback, a promotion.

Each step takes the telling Demo, acts as a person would, and measures from outside.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

BROKEN = "raise RuntimeError('the weights of the new model were never copied')\n"


@contextmanager
def asking(demo: Any, body: bytes) -> Iterator[dict[str, Any]]:
    """A client that asks through API Gateway all the while; yields its counts, whole once the block has ended."""
    counts: dict[str, Any] = {"requests": 0, "failed_requests": 0, "releases": set()}
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            try:
                reply = demo.ask(body)
                failed = reply.status != 200
                counts["releases"].add(reply.headers.get("X-Trimtab-Release", ""))
            except OSError:
                failed = True
            counts["requests"] += 1
            counts["failed_requests"] += failed
            stop.wait(0.02)

    thread = threading.Thread(target=client)
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join()


class Hands:
    """Somebody's hands in the console: each changes one thing, and can say whether it is back."""

    def __init__(self, demo: Any) -> None:
        self.aws = demo.aws
        self.service = demo.service

    def all(self) -> list[tuple[str, Callable[[], Callable[[], bool]]]]:
        """(what, change); a change returns how to see that it is repaired."""
        return [
            ("stopped task", self.stopped_task),
            ("desired count", self.desired_count),
            ("task definition", self.task_definition),
            ("listener rule", self.listener_rule),
            ("stage throttle", self.stage_throttle),
            ("repository setting", self.repository_setting),
        ]

    def stopped_task(self) -> Callable[[], bool]:
        ecs, service = self.aws("ecs"), self.service()
        place = {"cluster": service["clusterArn"], "serviceName": service["serviceName"]}
        tasks = ecs.list_tasks(**place)["taskArns"]
        ecs.stop_task(cluster=place["cluster"], task=tasks[0])

        def back() -> bool:
            now = ecs.list_tasks(**place)["taskArns"]
            return tasks[0] not in now and len(now) == len(tasks)

        return back

    def desired_count(self) -> Callable[[], bool]:
        service = self.service()
        self._update(desiredCount=service["desiredCount"] + 1)
        return lambda: self.service()["desiredCount"] == service["desiredCount"]

    def task_definition(self) -> Callable[[], bool]:
        ecs, service = self.aws("ecs"), self.service()
        found = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        names = ("containerDefinitions", "taskRoleArn", "executionRoleArn", "networkMode", "requiresCompatibilities")
        kept = {name: found[name] for name in (*names, "cpu", "memory")}
        other = ecs.register_task_definition(family="by-hand", **kept)["taskDefinition"]["taskDefinitionArn"]
        self._update(taskDefinition=other)

        def back() -> bool:
            ecs.deregister_task_definition(taskDefinition=other)  # the hand's own: nobody else takes it away
            ecs.delete_task_definitions(taskDefinitions=[other])
            return self.service()["taskDefinition"] == service["taskDefinition"]

        return back

    def listener_rule(self) -> Callable[[], bool]:
        elb = self.aws("elbv2")
        rule = next(each for each in self._rules() if not each["IsDefault"])
        gone = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"}}
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[gone])
        return lambda: any(
            each["RuleArn"] == rule["RuleArn"] and each["Actions"][0]["Type"] == "forward" for each in self._rules()
        )

    def stage_throttle(self) -> Callable[[], bool]:
        gateway = self.aws("apigateway")
        (api,) = gateway.get_rest_apis()["items"]
        place = {"restApiId": api["id"], "stageName": "live"}
        limit = gateway.get_stage(**place)["methodSettings"]["*/*"]["throttlingRateLimit"]
        change = {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "1"}
        gateway.update_stage(**place, patchOperations=[change])
        return lambda: gateway.get_stage(**place)["methodSettings"]["*/*"]["throttlingRateLimit"] == limit

    def repository_setting(self) -> Callable[[], bool]:
        ecr = self.aws("ecr")

        def repository() -> Any:
            found = ecr.describe_repositories()["repositories"]
            return next(each for each in found if each["repositoryName"].startswith("trimtab/local/"))

        before = repository()
        ecr.put_image_tag_mutability(repositoryName=before["repositoryName"], imageTagMutability="MUTABLE")
        return lambda: repository()["imageTagMutability"] == before["imageTagMutability"]

    def _update(self, **settings: Any) -> None:
        service = self.service()
        self.aws("ecs").update_service(cluster=service["clusterArn"], service=service["serviceName"], **settings)

    def _rules(self) -> list[Any]:
        elb = self.aws("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        return elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]


def drift(demo: Any) -> None:
    """Each change by hand is seen and put right by the next apply."""
    demo.edit("epochs: 1, learning-rate: 0.00001", "epochs: 8, learning-rate: 0.0012")
    before = demo.made()
    demo.apply()
    demo.say(f"back to the document before: trained or built again: {', '.join(demo.stages_run(before)) or 'nothing'}")
    rows: list[dict[str, Any]] = []
    for what, change in Hands(demo).all():
        back = change()
        started = time.monotonic()
        words = demo.apply()
        rows.append({"what": what, "repaired": back(), "seconds": round(time.monotonic() - started, 1)})
        told = [line.partition("] ")[2] for line in words.splitlines() if "repaired " in line] or ["the platform's own work"]
        demo.say(f"{what}: {'back' if rows[-1]['repaired'] else 'NOT BACK'} in {rows[-1]['seconds']} s ({told[0][:90]})")
    demo.result["drift"] = rows


def bad_server(demo: Any, body: bytes, work: Any) -> None:
    """A server that cannot start is given up by ECS and quarantined; the old one answers throughout."""
    before = demo.ask(body).headers["X-Trimtab-Release"]
    broken = work / "digits" / "model" / "inference.py"
    broken.write_text(BROKEN)
    demo.say("added: model/inference.py, which raises when it is imported")
    started = time.monotonic()
    with asking(demo, body) as counts:
        demo.apply(expect=(1,))
    seconds = round(time.monotonic() - started, 1)
    key, reason = given_up(demo)
    again = demo.made()
    demo.apply(expect=(1,))  # the key is in quarantine: the same document asks for nothing
    held = counts["releases"] == {before} and key in quarantined(demo) and not demo.stages_run(again)
    demo.result["bad_server"] = {
        "held": held,
        "reason": reason,
        "requests": counts["requests"],
        "failed_requests": counts["failed_requests"],
        "seconds_to_safe": seconds,
    }
    demo.say(f"release {key} was given up: {reason[:160]}")
    demo.say(f"{counts['requests']} requests meanwhile, {counts['failed_requests']} failed; safe after {seconds} s")
    broken.unlink()
    demo.apply()
    demo.say("taken out again: the next good edit goes straight through")


def given_up(demo: Any) -> tuple[str, str]:
    """12 digits of the release that ECS rolled back last, and why, in ECS's own words."""
    ecs, service = demo.aws("ecs"), demo.service()
    place = {"cluster": service["clusterArn"], "service": service["serviceName"]}
    failed = ecs.list_service_deployments(**place, status=["ROLLBACK_SUCCESSFUL"])["serviceDeployments"][0]
    revision = failed["targetServiceRevisionArn"]
    (revision,) = ecs.describe_service_revisions(serviceRevisionArns=[revision])["serviceRevisions"]
    definition = ecs.describe_task_definition(taskDefinition=revision["taskDefinition"])["taskDefinition"]
    variables = {each["name"]: each["value"] for each in definition["containerDefinitions"][0]["environment"]}
    stopped = ecs.list_tasks(cluster=place["cluster"], serviceName=place["service"], desiredStatus="STOPPED")["taskArns"]
    tasks = ecs.describe_tasks(cluster=place["cluster"], tasks=stopped)["tasks"]
    task = next(each for each in tasks if each["taskDefinitionArn"] == revision["taskDefinition"])
    code = task["containers"][0].get("exitCode")
    return variables["TRIMTAB_RELEASE"], f"{failed['statusReason']} {task['stoppedReason']} (exit code {code})"


def quarantined(demo: Any) -> list[str]:
    """12 digits of each release key in quarantine: they are kept on the log group too."""
    logs = demo.aws("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=f"/trimtab/local/{demo.deployment}")["logGroups"]
    tags = logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"]
    return tags.get("trimtab.dev/quarantine", "").split("/")


def rollback(demo: Any, body: bytes) -> None:
    """The first model serves again, without training or building; a retraining does not end that."""
    before, now = demo.made(), demo.ask(body).headers["X-Trimtab-Artifact"]
    started = time.monotonic()
    with asking(demo, body) as counts:
        demo.trimtab("rollback", demo.deployment, "1")
    seconds, made = round(time.monotonic() - started, 1), demo.made()
    old = demo.ask(body).headers["X-Trimtab-Artifact"]
    demo.result["rollback"] = {
        "seconds": seconds,
        "requests": counts["requests"],
        "failed_requests": counts["failed_requests"],
        "trained": made["train"] - before["train"],
        "built": made["image"] - before["image"],
        "model_changed": old != now,
    }
    demo.say(f"revision 1 serves after {seconds} s; {counts['requests']} requests, {counts['failed_requests']} failed")
    demo.trimtab("retrain", demo.deployment)
    trained = demo.made()["train"] - made["train"]
    demo.result["retrain_after_rollback"] = {
        "held": demo.ask(body).headers["X-Trimtab-Artifact"] == old,
        "trained": trained,
    }
    demo.say(f"retrained ({trained} job): the rolled-back revision still serves")
    demo.trimtab("release", demo.deployment)
    demo.say("released: what the document declares serves again")


def promotion(demo: Any, body: bytes, work: Path) -> None:
    """The model that serves goes to a second environment, with buckets, roles and an API of its own; and away again."""
    name, file = "vision/digits-live", work / "production.yaml"
    serving = next(each for each in demo.history() if each["outcome"] == "Serving")
    file.write_text(_production(demo, work, serving["number"]))
    before = demo.made()["train"]
    there = ("--environment", str(file))
    demo.trimtab("apply", str(file), by_sdk=True)
    status = json.loads(demo.trimtab("status", name, *there, "-o", "json", by_sdk=True).stdout)
    key = demo.trimtab("key", name, *there, by_sdk=True).stdout.strip()
    reply = demo.ask(body, key, status["endpoint"]["url"])
    here = demo.ask(body).headers["X-Trimtab-Artifact"]
    demo.result["promotion"] = {
        "trained": demo.made()["train"] - before,
        "digest_equal": reply.status == 200 and reply.headers["X-Trimtab-Artifact"] == here,
    }
    demo.say(f"revision {serving['number']} answers there with {here[:19]}…; {demo.result['promotion']['trained']} trained")
    demo.trimtab("delete", name, *there, "--yes", by_sdk=True)
    demo.say("and is deleted there again")


def _production(demo: Any, work: Path, revision: int) -> str:
    """An environment beside the local one, and a document that deploys to it."""
    spec = yaml.safe_load((work / "state" / "environment.yaml").read_text())["spec"]
    spec["buckets"] = {"state": "production-state", "data": "production-data"}
    for bucket in spec["buckets"].values():
        demo.aws("s3").create_bucket(Bucket=bucket)
    head = {"apiVersion": "trimtab.dev/v1alpha1"}
    model = {"from": {"environment": "local", "deployment": demo.deployment, "revision": revision}}
    serving = {"replicas": {"min": 1}, "gateway": {"auth": "apiKey"}}
    documents = (
        {**head, "kind": "Environment", "metadata": {"name": "production"}, "spec": spec},
        {
            **head,
            "kind": "ModelDeployment",
            "metadata": {"name": "digits-live", "namespace": "vision"},
            "spec": {"environmentRef": {"name": "production"}, "model": model, "serving": serving},
        },
    )
    return yaml.safe_dump_all(documents)


def failures(result: dict[str, Any]) -> list[str]:
    """What these steps promised and did not hold."""
    bad, back = result["bad_server"], result["rollback"]
    checks = {
        "every change by hand repaired": len(result["drift"]) >= 6 and all(each["repaired"] for each in result["drift"]),
        "a bad server that is held off without a failed request": bad["held"] and bad["failed_requests"] == 0,
        "a rollback without training, building or a failed request": (
            (back["trained"], back["built"], back["failed_requests"], back["model_changed"]) == (0, 0, 0, True)
        ),
        "a promotion without training, of the same digest": result["promotion"] == {"trained": 0, "digest_equal": True},
        "a retraining that leaves the rollback": result["retrain_after_rollback"] == {"held": True, "trained": 1},
    }
    return [what for what, held in checks.items() if not held]
