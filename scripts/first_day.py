"""The first day of use, for the demo: changes by hand, a server that cannot start, a rollback, a promotion.

Each step takes the telling Demo, acts as a person would, and measures from outside.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from by_hand import BROKEN, Back, Hands
from operating import Operator, given_up
from outside import asking


def drift(demo: Any, operator: Operator) -> None:
    """An operator watches the folder from now on: each change by hand is seen and put right."""
    operator.until(demo.status, "word of the operator")
    before, generation = demo.made(), demo.generation()
    demo.edit("epochs: 1, learning-rate: 0.00001", "epochs: 8, learning-rate: 0.0012")
    operator.until(lambda: demo.is_ready(generation), "return to the document before")
    demo.say(f"back to the document before: trained or built again: {', '.join(demo.stages_run(before)) or 'nothing'}")
    hands = Hands(demo.aws)
    changes = {
        "stopped task": hands.stopped_task,
        "desired count": hands.desired_count,
        "task definition": hands.task_definition,
        "listener rule": hands.listener_rule,
        "stage throttle": hands.stage_throttle,
        "repository setting": hands.repository_setting,
    }
    demo.result["drift"] = [_changed(demo, operator, *each) for each in changes.items()]


def _changed(demo: Any, operator: Operator, what: str, change: Callable[[], Back]) -> dict[str, Any]:
    """One change by hand, until it is back."""
    known = len(operator.events("drift.repaired"))
    started = time.monotonic()
    back = change()
    operator.until(back, f"repair of the {what}")
    seconds = round(time.monotonic() - started, 1)
    if what != "stopped task":
        operator.until(lambda: len(operator.events("drift.repaired")) > known, f"word of the repair of the {what}")
    repairs = [f"{each['node']}: {each['what']}" for each in operator.events("drift.repaired")[known:]]
    demo.say(f"{what}: back in {seconds} s ({(repairs or ['the work of the platform'])[0][:100]})")
    return {"what": what, "repaired": True, "seconds": seconds}  # where one never comes back, the demo ends


def bad_server(demo: Any, operator: Operator, body: bytes, project: Path) -> None:
    """A server that cannot start is given up by ECS and quarantined; the old one answers throughout."""
    before, generation = demo.ask(body).headers["X-Trimtab-Release"], demo.generation()
    broken = project / "model" / "inference.py"
    demo.say("added: model/inference.py, which raises when it is imported")
    with asking(lambda: demo.ask(body)) as counts:
        started = time.monotonic()
        broken.write_text(BROKEN)
        operator.until(lambda: given_up(demo.status()), "word of the release that was given up")
        seconds = round(time.monotonic() - started, 1)
        key, reason = last_rollback(demo)
        again, since = demo.made(), demo.last_number()
        operator.until(lambda: _looks(demo, since) >= 2, "look at it again")  # in quarantine: it asks for nothing
    held = counts["releases"] == {before} and key in quarantined(demo) and not demo.stages_run(again)
    demo.result["bad_server"] = {
        "held": held,
        "reason": reason,
        "requests": counts["requests"],
        "failed_requests": counts["failed_requests"],
        "seconds_to_safe": seconds,
    }
    demo.say(f"release {key} was given up: {reason[:160]}")
    demo.say(f"{counts['requests']} requests meanwhile, {counts['failed_requests']} failed; told after {seconds} s")
    broken.unlink()
    operator.until(lambda: demo.is_ready(generation + 1), "Ready of the next good edit")
    demo.say("taken out again: the next good edit goes straight through")


def _looks(demo: Any, since: int) -> int:
    """How often somebody has looked at the service since."""
    return sum(each["operation"] == "DescribeServices" for each in demo.journal(since))


def last_rollback(demo: Any) -> tuple[str, str]:
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


def rollback(demo: Any, operator: Operator, body: bytes) -> None:
    """The first model serves again, without training or building; a retraining does not end that."""
    before, now = demo.made(), demo.ask(body).headers["X-Trimtab-Artifact"]
    started = time.monotonic()
    with asking(lambda: demo.ask(body)) as counts:
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
    operator.until(lambda: demo.status().get("held") == 1, "word of the rollback that holds")
    demo.say(f"revision 1 serves after {seconds} s; {counts['requests']} requests, {counts['failed_requests']} failed")
    demo.trimtab("retrain", demo.deployment)
    trained = demo.made()["train"] - made["train"]
    demo.result["retrain_after_rollback"] = {
        "held": demo.ask(body).headers["X-Trimtab-Artifact"] == old,
        "trained": trained,
    }
    demo.say(f"retrained ({trained} job): the rolled-back revision still serves")
    demo.trimtab("release", demo.deployment)
    operator.until(demo.is_ready, "return to what the document declares")
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
