"""From an edit to its answer: how long, how much of it is the platform's own, and the calls that it took.

A deployment of two tasks goes through the edits of a first day, by the program, on a local cloud whose training is a script
that copies a model made beforehand. Nothing is asked of the code that acts: calls are counted in the cloud's journal, times
are those of AWS's API and of a client that asks the public endpoint all the while.
"""

import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.outside import Answer, Entries, asking, journal, last_number, pointed_at, steady_since, told_ecs
from clouds import RunningCloud, running_cloud
from quick_rollout import TRAIN, name_of, quick_training, write_project

ROUNDS = 3
REST_S = 4.0
TRIMTAB = str(Path(sys.executable).parent / "trimtab")
BODY = json.dumps({"instances": [[0.0, 1.0]]}).encode()
NOTE = 'pathlib.Path(os.environ["SM_MODEL_DIR"], "note").write_text("first")\n'
SERVING = "{replicas: {min: 1}, gateway: {auth: apiKey, throttle: {rate: 1000, burst: 1000}}}"
ROLLOUTS = ("serving_edit", "rollback")  # nothing else happens while they roll


@dataclass(slots=True)
class Step:
    """One command and what came of it. Times are Unix times in seconds."""

    name: str
    began: float
    ended: float
    cpu_s: float  # of the command
    calls: Entries
    answers: Sequence[Answer]
    training_s: float = 0.0  # as SageMaker has it: from creation to its last change
    rolled: float = 0.0  # when ECS was told to; 0: it was not
    steady: float = 0.0  # when ECS was done with it

    @property
    def served(self) -> float:
        """When the first task of another release answered; without one, when ECS was done, or the command."""
        before = {each.release for each in self.answers if each.answered <= self.rolled}
        new = (each.answered for each in self.answers if each.status == 200 and each.release not in before)
        return (next(new, 0.0) if before else 0.0) or self.steady or self.ended

    def figures(self) -> dict[str, float]:
        start_up_s = self.served - self.rolled if self.rolled else 0.0
        seconds = self.served - self.began
        return {
            "seconds_to_served": seconds,
            "training_s": self.training_s,
            "start_up_s": start_up_s,
            "ours_s": seconds - self.training_s - start_up_s,
            "cpu_s": self.cpu_s,
            "told_after_s": self.ended - (self.steady or self.ended),
            "reads": sum(not each["write"] for each in self.calls),
            "writes": sum(each["write"] for each in self.calls),
        }


@dataclass(slots=True)
class Day:
    """One deployment on its way through all steps."""

    cloud: RunningCloud
    document: Path
    rest: list[Answer] = field(default_factory=list[Answer])
    steps: list[Step] = field(default_factory=list[Step])

    @property
    def name(self) -> str:
        return f"crash/{name_of(self.document)}"

    def go(self) -> None:
        self.step("create", "apply", str(self.document))
        url = json.loads(trimtab("status", self.name, "-o", "json"))["endpoint"]["url"]
        key = trimtab("key", self.name).strip()
        with asking(url, key, BODY) as self.rest:
            time.sleep(REST_S)  # the endpoint at rest is what is measured
        train = self.document.parent / "model" / "train.py"
        edits: dict[str, Callable[[], object]] = {
            "no_change": lambda: None,
            "replicas_edit": lambda: replace(self.document, "min: 1", "min: 2"),
            "serving_edit": lambda: replace(self.document, "{replicas", "{env: {COLOUR: blue}, replicas"),
            "model_edit": lambda: replace(train, "first", "second"),
        }
        for name, edit in edits.items():
            edit()
            self.step(name, "apply", str(self.document), url=url, key=key)
        self.step("rollback", "rollback", self.name, url=url, key=key)
        self.step("delete", "delete", self.name, "--yes")

    def step(self, name: str, *words: str, url: str = "", key: str = "") -> None:
        since = last_number(self.cloud)
        with asking(url, key, BODY) if url else nullcontext(list[Answer]()) as answers:
            spent, began = _spent_s(), time.time()
            trimtab(*words)
            ended, cpu_s = time.time(), _spent_s() - spent
        answers.sort(key=lambda each: each.answered)
        made = Step(name, began, ended, cpu_s, journal(self.cloud, since), answers)
        if name != "delete":
            self._platform(made)
        self.steps.append(made)

    def _platform(self, step: Step) -> None:
        """What AWS says of its own part in a step."""
        sagemaker, ecs = self.cloud.client("sagemaker"), self.cloud.client("ecs")
        for job in sagemaker.list_training_jobs(MaxResults=100, NameContains=name_of(self.document))["TrainingJobSummaries"]:
            if job["CreationTime"].timestamp() >= step.began:
                step.training_s += (job["LastModifiedTime"] - job["CreationTime"]).total_seconds()
        step.rolled = told_ecs(step.calls)
        if not step.rolled:
            return
        (cluster,) = ecs.list_clusters()["clusterArns"]
        (arn,) = (each for each in ecs.list_services(cluster=cluster)["serviceArns"] if name_of(self.document) in each)
        (service,) = ecs.describe_services(cluster=cluster, services=[arn])["services"]
        step.steady = steady_since(service, step.rolled)


def measure() -> dict[str, Any]:
    """By step: medians of the rounds, and the calls by service of the middle one; and the endpoint's p99 while it rolls."""
    days: list[Day] = []
    with tempfile.TemporaryDirectory() as folder, running_cloud(Path(folder) / "state") as cloud, pointed_at(cloud):
        quick_training(cloud)
        for number in range(ROUNDS):
            days.append(Day(cloud, project(Path(folder) / f"project-{number}", number)))
            days[-1].go()
    by_name = {step.name: [each for day in days for each in day.steps if each.name == step.name] for step in days[0].steps}
    return {"edits": {name: _row(steps) for name, steps in by_name.items()}, "rollout": _rollout(days)}


def project(folder: Path, number: int) -> Path:
    document = write_project(folder, f"edits {number}")
    replace(document, "{replicas: {min: 1}}", SERVING)
    (folder / "model" / "train.py").write_text(TRAIN + NOTE)
    return document


def replace(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    if before not in text:
        raise ValueError(f"{file} holds no {before!r}")
    file.write_text(text.replace(before, after, 1))


def trimtab(*words: str) -> str:
    """What the program prints. Raises RuntimeError with its words when it fails."""
    done = subprocess.run([TRIMTAB, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"trimtab {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def _spent_s() -> float:
    """Processor time of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row(steps: Sequence[Step]) -> dict[str, Any]:
    figures = [step.figures() for step in steps]
    middle = sorted(steps, key=lambda step: len(step.calls))[len(steps) // 2]
    medians = {name: round(statistics.median(each[name] for each in figures), 2) for name in figures[0]}
    return {**medians, "calls_by_service": by_service(middle.calls)}


def by_service(calls: Entries) -> dict[str, dict[str, int]]:
    """Reads and writes of each service."""
    counted = Counter((each["service"], "writes" if each["write"] else "reads") for each in calls)
    services = sorted({service for service, _ in counted})
    return {service: {kind: counted[service, kind] for kind in ("reads", "writes")} for service in services}


def _rollout(days: Sequence[Day]) -> Mapping[str, Any]:
    """The endpoint at rest, and between the word to ECS and its end."""
    rolled = [step for day in days for step in day.steps if step.name in ROLLOUTS]
    during = [each for step in rolled for each in step.answers if step.rolled <= each.asked <= step.steady]
    rows = {"at_rest": spread([each for day in days for each in day.rest]), "while_rolling": spread(during)}
    return {**rows, "p99_ratio": round(rows["while_rolling"]["p99_ms"] / rows["at_rest"]["p99_ms"], 2)}


def spread(answers: Sequence[Answer]) -> dict[str, float]:
    spent = sorted(each.spent_ms for each in answers)
    return {
        "requests": len(spent),
        "failed": sum(each.status != 200 for each in answers),
        "p50_ms": round(spent[len(spent) // 2], 2),
        "p99_ms": round(spent[math.ceil(len(spent) * 0.99) - 1], 2),
    }
