"""A served model and what happens to it, for `make gitops`: hands, a rollback that nobody saw, sweeps, and its end."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import urllib3
from by_hand import Back, Hands
from operating import Operator, braked, condition, edited, given_up, operating, ready, status_in
from outside import Broken, Outside, heard, until
from sweep_calls import PAGES, sweep_calls

RARELY, OFTEN_S = "1h", 5
SWEEP_S, REST_S = 10, 3  # a sweep's calls end within the difference


class Served:
    """A model that is there already, in a folder of documents."""

    def __init__(self, outside: Outside, folder: Path, name: str) -> None:
        self.outside, self.folder, self.name = outside, folder, f"default/{name}"
        self.project = folder / name
        outside.trimtab("init", str(self.project), "--name", name, "--template", "onnx")
        self.document = self.project / "deployment.yaml"
        self._body = (self.project / "request.json").read_bytes()

    @property
    def source(self) -> Mapping[str, Any]:
        return {"folder": {"path": str(self.folder)}}

    def status(self) -> Mapping[str, Any]:
        return status_in(self.folder, self.name)

    def generation(self) -> int:
        return self.status().get("observedGeneration", 0)

    def ask(self) -> urllib3.BaseHTTPResponse:
        url, key = self._place
        return self.outside.post(url, key, self._body, "application/json")

    def served(self, operator: Operator, after: int = 0) -> None:
        """Wait until a later generation than that is Ready."""
        operator.until(lambda: ready(self.status(), after), f"Ready of {self.name}")
        self._place = (self.status()["endpoint"]["url"], self.outside.trimtab("key", self.name).stdout.strip())


# --- hands ---


def drift(outside: Outside, model: Served) -> None:
    """Each change by hand is put right and its author named: once by events, once by sweeps alone."""
    hands = Hands(outside.person("ana"))
    changes = {
        "desired count": hands.desired_count,
        "tag removed": hands.tag,
        "log retention": hands.log_retention,
        "task definition": hands.task_definition,
    }
    spent: dict[str, list[float]] = {}
    for how, sweep, queue in (("events", RARELY, queue_of_events(outside)), ("polling", f"{OFTEN_S}s", "")):
        with operating(outside, how, [model.source], sweep=sweep, queue=queue) as operator:
            model.served(operator)
            spent[how] = [_meddled(outside, model, operator, *each) for each in changes.items()]
            outside.say(f"by {how}: " + ", ".join(f"{what} {s} s" for what, s in zip(changes, spent[how], strict=True)))
            # The trail is asked once a second at most, so a name may come with a later look: the sweeps see to the last.
            if how == "polling":
                operator.until(lambda: all(each["who"] for each in _records(outside, model)), "names of who did it")
    outside.result["drift"] = drifted(_records(outside, model), tuple(changes), spent)
    for row in outside.result["drift"]:
        outside.say(f"{row['what']}: {'back' if row['repaired'] else 'NOT BACK'}; it was {row['actor']}")


def _meddled(outside: Outside, model: Served, operator: Operator, what: str, change: Callable[[], Back]) -> float:
    """Seconds until a change by hand is back; when it ends, so has its record."""
    known = len(_records(outside, model))
    started = time.monotonic()
    back = change()
    operator.until(back, f"repair of the {what}")
    spent = round(time.monotonic() - started, 1)
    operator.until(lambda: [each for each in _records(outside, model)[known:] if each["endedAt"]], f"record of the {what}")
    return spent


def _records(outside: Outside, model: Served) -> list[Mapping[str, Any]]:
    return outside.told("drift", model.name, "--history")["history"]


def drifted(
    records: Sequence[Mapping[str, Any]], changes: Sequence[str], spent: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """A row for each change. records: of all of them, each time that they were made, oldest first. spent: by how."""
    if len(records) != len(changes) * len(spent):
        raise Broken(f"{len(changes)} changes were made {len(spent)} times, and {len(records)} are remembered")
    rows: list[dict[str, Any]] = []
    for at, what in enumerate(changes):
        mine = records[at :: len(changes)]
        actors = ", ".join(dict.fromkeys(each["who"] for each in mine))
        seconds = {f"seconds_{'with_events' if how == 'events' else how}": each[at] for how, each in spent.items()}
        repaired = all(each["done"] == "repaired" for each in mine)
        rows.append({"what": what, "actor": actors, "repaired": repaired, **seconds})
    return rows


def queue_of_events(outside: Outside) -> str:
    """A queue that EventBridge delivers to; its URL. See docs/tasks/wake.md."""
    sqs, events = outside.aws("sqs"), outside.aws("events")
    url = sqs.create_queue(QueueName="trimtab-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="trimtab", EventPattern=heard())
    events.put_targets(Rule="trimtab", Targets=[{"Id": "queue", "Arn": arn}])
    return url


# --- a rollback that nobody saw ---


def silent_rollback(outside: Outside, model: Served) -> None:
    """ECS gives a release up while the operator may not look: what it sees afterwards reads COMPLETED, on the old one."""
    ecs, hands, reports = outside.aws("ecs"), Hands(outside.aws), list[bool]()

    def watched(holds: Callable[[], Any]) -> Callable[[], Any]:
        """The same, and what the operator reports meanwhile is kept."""
        return lambda: reports.append(ready(model.status(), before)) or holds()

    with operating(outside, "silent", [model.source]) as operator:
        model.served(operator)
        good, before, since = hands.service()["taskDefinition"], model.generation(), outside.last_number()
        edited(model.document, "  serving:\n", "  serving:\n    env: {PYTHONHOME: /nowhere}\n")
        operator.until(watched(lambda: _asked_for(outside, since)), "word to ECS of the bad release")
        blind = ("--service", "ecs", "--operation", "DescribeServices", "--kind", "serverError", "--times", "100000")
        outside.trimtab("local", "fault", "add", *blind)
        operator.until(watched(lambda: _rolled_back(ecs)), "rollback by ECS")
        outside.trimtab("local", "fault", "clear")
        (deployment,) = hands.service()["deployments"]
        if (deployment["rolloutState"], deployment["taskDefinition"]) != ("COMPLETED", good):
            raise Broken(f"the rollback was not silent: {deployment}")
        outside.say(f"ECS says {deployment['rolloutState']}, on {good.rpartition('/')[2]}: a rollback that nobody saw")
        status = operator.until(watched(lambda: given_up(model.status())), "word of the rollback")
        generation = model.generation()
        edited(model.document, "env: {PYTHONHOME: /nowhere}", "env: {COLOUR: green}")
        started = time.monotonic()
        model.served(operator, generation)
        seconds = round(time.monotonic() - started, 1)
    revisions = [each for each in outside.told("history", model.name) if each["generation"] == before + 1]
    _, reason, message = condition(status, "Ready")
    outside.result["silent_rollback"] = {
        "reported_ready": any(reports) or [each["outcome"] for each in revisions] != ["RolledBack"],
        "reason": reason,
        "quarantined": bool(status["quarantine"]),
        "next_good_seconds": seconds,
    }
    outside.say(f"{reason}: {message[:160]}")
    outside.say(f"the next good edit: Ready after {seconds} s")


def _asked_for(outside: Outside, since: int) -> bool:
    return any(each["operation"] == "UpdateService" for each in outside.journal(since))


def _rolled_back(ecs: Any) -> bool:
    """By a list that the fault does not strike."""
    cluster = ecs.list_clusters()["clusterArns"][0]
    (service,) = ecs.list_services(cluster=cluster)["serviceArns"]
    newest = ecs.list_service_deployments(cluster=cluster, service=service)["serviceDeployments"][0]
    return newest["status"] == "ROLLBACK_SUCCESSFUL"


# --- sweeps ---


def sweep(outside: Outside, model: Served) -> None:
    """What a sweep costs that finds nothing to do, at one deployment and at two."""
    rows = outside.result["sweep"] = []
    with operating(outside, "sweep", [model.source], sweep=f"{SWEEP_S}s") as operator:
        model.served(operator)
        rows.append(_swept(outside))
        Served(outside, model.folder, "second").served(operator)
        rows.append(_swept(outside))


def _swept(outside: Outside) -> Mapping[str, Any]:
    """The calls of the next sweep, by the cloud's own journal: all that come after a rest, and before the next one."""
    deployments = len(outside.told("status"))
    _rest(outside)
    since = outside.last_number()
    until(lambda: outside.journal(since), "sweep")
    _rest(outside)
    made = outside.journal(since)
    writes = sum(each["write"] for each in made)
    outside.say(f"{deployments} deployments: {len(made)} calls, {writes} writes")
    counted = Counter(f"{each['service']}:{each['operation']}" for each in made)
    return {
        "deployments": deployments,
        "calls": len(made),
        "formula": _formula(deployments),
        "writes": writes,
        "by_operation": dict(counted.most_common()),
    }


def _formula(deployments: int) -> int:
    """What docs/internals/sweep.md says of so many that have a model given to them, no autoscaler and few objects."""
    one = dict.fromkeys(("ecs:DescribeClusters", "elbv2:DescribeLoadBalancers", "elbv2:DescribeListeners"), 1)
    links = {"apigatewayv2:GetVpcLinks": 1, "iam:GetAccountAuthorizationDetails": 4 * deployments}
    scales = ("application-autoscaling:", "cloudwatch:")
    bulk = {read: deployments for read in PAGES if not read.startswith(scales)} | one | links
    by_turns = {service: each * deployments for service, each in {"apigateway": 3, "elbv2": 2, "ecr": 1}.items()}
    return sweep_calls(bulk, {**by_turns, "s3": 1}, SWEEP_S)  # the bucket of data, which a page shows


def _rest(outside: Outside) -> None:
    """Wait until nothing was asked for a while."""
    seen = (outside.last_number(), time.monotonic())

    def rests() -> bool:
        nonlocal seen
        if (number := outside.last_number(seen[0])) != seen[0]:
            seen = (number, time.monotonic())
        return time.monotonic() - seen[1] >= REST_S

    until(rests, f"rest of {REST_S} s between two sweeps")


# --- the end ---


def away(outside: Outside, model: Served) -> None:
    """Every document is taken out of the folder: a person is asked first, and then nothing of them is left."""
    with operating(outside, "away", [model.source]) as operator:
        names = [each["deployment"] for each in outside.told("status")]
        for each in model.folder.glob("*/deployment.yaml"):
            shutil.rmtree(each.parent)
        operator.until(lambda: all(braked(status_in(model.folder, each)) for each in names), "question to a person")
        outside.say(f"{len(names)} documents are gone at once, none is left: nothing is deleted until a person says so")
        outside.trimtab("confirm-deletes", "--yes")
        operator.until(lambda: outside.told("status") == [], "end of the deletions")
    left, processes = outside.leftovers(), outside.processes()
    outside.result["deletion"]["leftovers"] += len(left) + len(processes)
    outside.say(f"left, by AWS's own lists: {', '.join(left) or 'nothing'}; processes: {len(processes)}")
