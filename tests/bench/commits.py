"""From a commit to the model that answers, with nothing to train; and a commit that leaves the document as it is."""

import random
import time
from collections.abc import Sequence
from typing import Any

from by_hand import Hands
from gitops_sources import NAME, GitSource
from operating import Operator, edited, operating, ready
from outside import Outside, until

from bench.edits import Step
from bench.operated import cloud_to_operate
from bench.outside import asking, steady_since, told_ecs

COMMITS = 6
SEED, INTERVAL_S = 20261126, 5.0  # as a Git source is looked at where nobody says otherwise
BEYOND_S = 10.0  # goal G14
SWEEP_S = 5


def measure() -> dict[str, Any]:
    """Seconds of each commit, from its push, beyond its rollout; and what was written after one that changes nothing."""
    with cloud_to_operate() as outside:
        source = GitSource(outside)
        project = source.folder / "toy"
        outside.trimtab("init", str(project), "--name", "toy", "--template", "onnx")
        edited(project / "deployment.yaml", "rate: 50, burst: 100", "rate: 1000, burst: 1000")
        edited(project / "deployment.yaml", "  serving:\n", "  serving:\n    env: {COLOUR: c0}\n")
        config, chance = {"git": source.config["git"]}, random.Random(SEED)
        with operating(outside, "commits", [config], sweep=f"{SWEEP_S}s") as operator:
            first = source.declare("Add toy")
            operator.until(lambda: ready(source.status(NAME), 0, first), "Ready")
            steps: list[Step] = []
            for number in range(COMMITS):
                time.sleep(chance.uniform(0.0, INTERVAL_S))  # a moment of no look's choosing
                steps.append(committed(outside, source, operator, number))
            quiet = unchanged(outside, source, operator)
    return {"seed": SEED, **shown(steps), "unchanged": quiet, "goals": goals(steps, quiet)}


def committed(outside: Outside, source: GitSource, operator: Operator, number: int) -> Step:
    """An edit of the environment is pushed, and the endpoint asked all the while."""
    url, key = source.status(NAME)["endpoint"]["url"], outside.trimtab("key", NAME).stdout.strip()
    body = (source.folder / "toy" / "request.json").read_bytes()
    since, generation = outside.last_number(), source.status(NAME)["observedGeneration"]
    edited(source.folder / "toy" / "deployment.yaml", f"COLOUR: c{number}", f"COLOUR: c{number + 1}")
    with asking(url, key, body) as answers:
        began = time.time()
        version = source.declare(f"Change the colour to c{number + 1}")
        operator.until(lambda: ready(source.status(NAME), generation, version), "Ready")
        ended = time.time()
    calls = outside.journal(since)
    word = told_ecs(calls)
    answers.sort(key=lambda each: each.answered)
    return Step(
        "commit", began, ended, 0.0, calls, answers, rolled=word, steady=steady_since(Hands(outside.aws).service(), word)
    )


def unchanged(outside: Outside, source: GitSource, operator: Operator) -> dict[str, int]:
    """What a commit that touches another file writes, trains and builds, until two sweeps have looked at it."""
    images, jobs, since = made(outside, "images"), made(outside, "jobs"), outside.last_number()
    (source.folder / "NOTES").write_text("nothing that is declared\n")
    version = source.declare("Write notes")
    operator.until(lambda: any(each["version"] == version for each in operator.events("source.read")), "look at the commit")
    read = outside.last_number()

    def looks() -> int:
        return sum(each["operation"] == "DescribeServices" for each in outside.journal(read))

    until(lambda: looks() >= 2, "sweeps over it")
    writes = [each for each in outside.journal(since) if each["write"]]
    return {
        "writes": len(writes),
        "trainings": made(outside, "jobs") - jobs,
        "builds": made(outside, "images") - images,
        **{f"{each['service']}:{each['operation']}": 1 for each in writes},
    }


def made(outside: Outside, what: str) -> int:
    """How many there are in the account."""
    if what == "jobs":
        return len(outside.aws("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"])
    ecr = outside.aws("ecr")
    names = [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]]
    return sum(len(ecr.list_images(repositoryName=name)["imageIds"]) for name in names)


def shown(steps: Sequence[Step]) -> dict[str, Any]:
    rows = {
        "to_served_s": [each.served - each.began for each in steps],
        "rollout_s": [each.served - each.rolled for each in steps],
        "beyond_s": [beyond_s(each) for each in steps],
        "to_ready_s": [each.ended - each.began for each in steps],
    }
    failed = sum(answer.status != 200 for each in steps for answer in each.answers)
    return {**{name: [round(each, 2) for each in row] for name, row in rows.items()}, "failed_requests": failed}


def beyond_s(step: Step) -> float:
    """From the push until ECS was told: what follows is the rollout."""
    return step.rolled - step.began


def goals(steps: Sequence[Step], quiet: dict[str, int]) -> dict[str, Any]:
    slowest = max(beyond_s(each) for each in steps)
    looks = f"a Git source is looked at every {INTERVAL_S:g} s, and a pass acts on what it finds"
    none = {name: {"value": quiet[name], "at_most": 0, "met": not quiet[name]} for name in ("writes", "trainings", "builds")}
    beyond = {"value": round(slowest, 2), "at_most": BEYOND_S, "met": slowest <= BEYOND_S, "because": looks}
    return {"beyond_the_rollout_s": beyond, **none}
