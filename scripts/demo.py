"""The main job, told step by step in the terminal, every figure measured from outside: HTTP, AWS's API, the process table.

Writes build/demo.json. Leaves nothing running, unless --keep is given.
"""

import argparse
import io
import json
import math
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import first_day
import numpy as np
import urllib3
from by_hand import Hands
from operating import edited, operating, ready, status_in
from outside import TOP, TRIMTAB, Broken, Outside, asking

BUILD = TOP / "build"
WORK = BUILD / "demo"
STATE = WORK / "state"
DEPLOYMENT = "vision/digits"


class Demo(Outside):
    """One telling of the story."""

    def __init__(self) -> None:
        super().__init__(WORK)
        self.url = self.key = ""
        self.deployment = DEPLOYMENT

    # --- the outside ---

    def made(self) -> dict[str, int]:
        """How many of each keyed thing there are: what was trained, built, released."""
        jobs = self.aws("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        images = self.aws("ecr").list_images(repositoryName=f"trimtab/local/{DEPLOYMENT}")["imageIds"]
        releases = self.aws("ecs").list_task_definitions()["taskDefinitionArns"]
        return {"train": len(jobs), "image": len(images), "release": len(releases)}

    def endpoint(self) -> str:
        """The public URL, by API Gateway's own lists."""
        gateway = self.aws("apigateway")
        (api,) = gateway.get_rest_apis()["items"]
        (stage,) = gateway.get_stages(restApiId=api["id"])["item"]
        return f"{self.cloud['invoke_endpoint']}/{api['id']}/{stage['stageName']}"

    def metrics(self, job: Mapping[str, Any]) -> dict[str, float]:
        """What SageMaker read from the job's log, and what its script wrote beside the model."""
        seen = {each["MetricName"]: round(each["Value"], 6) for each in job["FinalMetricDataList"]}
        bucket, _, prefix = job["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://").partition("/")
        place = {"Bucket": bucket, "Key": f"{prefix.rstrip('/')}/{job['TrainingJobName']}/output/output.tar.gz"}
        with tarfile.open(fileobj=io.BytesIO(self.aws("s3").get_object(**place)["Body"].read())) as tar:
            (file,) = (tar.extractfile(each) for each in tar if each.name.endswith("evaluation.json"))
            assert file is not None
            written = json.load(file)["metrics"]
        return seen | {f"{part}:{name}": round(value, 6) for part, each in written.items() for name, value in each.items()}

    def service(self) -> Mapping[str, Any]:
        return Hands(self.aws).service()

    def stages_run(self, before: Mapping[str, int]) -> list[str]:
        return [stage for stage, count in self.made().items() if count > before[stage]]

    def history(self) -> list[dict[str, Any]]:
        return json.loads(self.trimtab("history", DEPLOYMENT, "-o", "json").stdout)

    def ask(self, body: bytes, key: str | None = None, url: str = "") -> urllib3.BaseHTTPResponse:
        return self.post(url or self.url, self.key if key is None else key, body, "application/octet-stream")

    def edit(self, before: str, after: str) -> None:
        edited(WORK / "digits" / "deployment.yaml", before, after)
        self.say(f"edited: {before.strip()} -> {after.strip()}")

    def status(self) -> Mapping[str, Any]:
        """What the operator tells of it; empty before there is one."""
        return status_in(WORK / "digits", DEPLOYMENT)

    def generation(self) -> int:
        return self.status().get("observedGeneration", 0)

    def is_ready(self, after: int = 0) -> bool:
        """Whether the operator tells that a later generation than that is served."""
        return ready(self.status(), after)

    def apply(self, expect: tuple[int, ...] = (0,)) -> str:
        return self.trimtab("apply", "digits/deployment.yaml", expect=expect).stderr

    # --- the steps ---

    def first_apply(self) -> None:
        self.apply()
        job = self.aws("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"][0]["TrainingJobName"]
        found = self.aws("sagemaker").describe_training_job(TrainingJobName=job)
        self.result["trained"] = {
            "job": job,
            "epochs": int(found["HyperParameters"]["epochs"]),
            "seconds": found["TrainingTimeInSeconds"],
        }
        self.result["metrics"] = self.metrics(found)
        self.url = self.result["endpoint"] = self.endpoint()
        self.key = self.trimtab("key", DEPLOYMENT).stdout.strip()
        ecs = self.aws("ecs")
        service = self.service()
        tasks = ecs.list_tasks(cluster=service["clusterArn"], serviceName=service["serviceName"])["taskArns"]
        containers = [
            task["containers"][0] for task in ecs.describe_tasks(cluster=service["clusterArn"], tasks=tasks)["tasks"]
        ]
        self.result["image"] = {"digest": containers[0]["imageDigest"]}
        model = [
            item["Size"]
            for page in self.aws("s3").get_paginator("list_objects_v2").paginate(Bucket="trimtab-local-data")
            for item in page.get("Contents", ())
            if f"/artifacts/{job}/" in item["Key"]
        ]
        probe = self.ask(IMAGES[0].tobytes())
        self.result["artifact"] = {"digest": probe.headers["X-Trimtab-Artifact"], "bytes": sum(model)}
        self.say(f"trained {job}: {self.result['trained']['epochs']} epochs in {self.result['trained']['seconds']} s")
        self.say(f"the gate saw {self.result['metrics']}")
        self.result["processes_while_serving"] = len(self.processes())
        self.say(f"image {self.result['image']['digest'][:19]}…, {len(tasks)} tasks, {self.url}")

    def predict_all(self) -> None:
        spent, right = list[float](), 0
        for image, label in zip(IMAGES, LABELS, strict=True):
            started = time.perf_counter()
            reply = self.ask(image.tobytes())
            spent.append((time.perf_counter() - started) * 1000)
            right += reply.status == 200 and reply.json()["labels"][0] == str(label)
        spent.sort()
        without = self.ask(IMAGES[0].tobytes(), key="").status
        self.result["served"] = {
            "requests": len(spent),
            "accuracy": right / len(spent),
            "p50_ms": round(spent[len(spent) // 2], 2),
            "p99_ms": round(spent[math.ceil(len(spent) * 0.99) - 1], 2),
            "through": "apigateway",
            "without_key_status": without,
        }
        self.say(
            f"{len(spent)} held-out images through API Gateway: {right} right; p50 {self.result['served']['p50_ms']} ms"
        )
        self.say(f"without a key: {without}")

    def second_plan(self) -> None:
        plan = json.loads(self.trimtab("plan", "digits/deployment.yaml", "-o", "json").stdout)
        before = len([entry for entry in self.journal() if entry["write"]])
        self.apply()
        writes = len([entry for entry in self.journal() if entry["write"]]) - before
        self.result["second_plan"] = {"changes": len(plan["actions"]), "writes": writes}
        self.say(f"plan: {len(plan['actions'])} changes; a second apply made {writes} writes")

    def serving_edit(self) -> None:
        before = self.made()
        self.edit("replicas: {min: 2}", "replicas: {min: 3}")
        self.apply()
        ran = self.stages_run(before)
        self.result["serving_edit"] = {"stages_run": ran, "running": self.service()["runningCount"]}
        self.say(
            f"{self.service()['runningCount']} tasks run; trained, built or released again: {', '.join(ran) or 'nothing'}"
        )

    def model_edit(self) -> None:
        before = self.made()
        self.edit("learning-rate: 0.001", "learning-rate: 0.0012")
        started = time.monotonic()
        with asking(lambda: self.ask(IMAGES[0].tobytes())) as counts:
            self.apply()
        answered = counts.pop("releases")
        ran = self.stages_run(before)
        self.result["model_edit"] = {"stages_run": ran, **counts, "seconds": round(time.monotonic() - started, 1)}
        self.say(f"ran again: {', '.join(ran)}; {counts['requests']} requests meanwhile, {counts['failed_requests']} failed")
        self.say(f"answered by releases {', '.join(sorted(answered))}")

    def gate(self) -> None:
        before, made = self.ask(IMAGES[0].tobytes()).headers["X-Trimtab-Release"], self.made()
        self.edit("epochs: 8, learning-rate: 0.0012", "epochs: 1, learning-rate: 0.00001")
        words = self.apply(expect=(1,))
        after = self.ask(IMAGES[0].tobytes())
        unchanged = after.status == 200 and after.headers["X-Trimtab-Release"] == before
        self.result["gate"] = {"refused": self.stages_run(made) == ["train"], "serving_revision_unchanged": unchanged}
        self.say(next((line.strip() for line in words.splitlines() if "GateNotMet" in line), words))
        self.say(f"release {before} {'still serves' if unchanged else 'was touched'}")

    def delete(self) -> None:
        self.trimtab("delete", DEPLOYMENT, "--yes")
        left = self.leftovers()
        processes = self.processes()
        self.result["delete"] = {"leftovers": len(left), "processes": len(processes)}
        self.say(f"left: {', '.join(left) or 'nothing'}; processes of jobs or tasks: {len(processes)}")


def prepare() -> None:
    """A fresh copy of the example, its data, and a fresh state."""
    Demo().down("--purge")
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    example = TOP / "examples" / "digits"
    subprocess.run(
        [sys.executable, str(example / "get_data.py"), str(WORK / "digits" / "data")], check=True, capture_output=True
    )
    shutil.copytree(example / "model", WORK / "digits" / "model", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(example / "deployment.yaml", WORK / "digits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the cloud up and the model served")
    keep = parser.parse_args().keep
    demo = Demo()
    started = time.monotonic()
    ok = False
    try:
        demo.step("A local cloud comes up: AWS's APIs on loopback", "up", demo.up)
        demo.step("One document becomes a trained, gated, packaged, served model", "apply", demo.first_apply)
        demo.step("All held-out images are predicted through API Gateway", "predict", demo.predict_all)
        demo.step("A second plan finds nothing to do", "second_plan", demo.second_plan)
        demo.step("One more replica: nothing above it runs", "serving_edit", demo.serving_edit)
        demo.step("Another learning rate: it retrains and rolls while a client asks on", "model_edit", demo.model_edit)
        demo.step("A model that fails the gate is refused; the old one serves", "gate", demo.gate)
        body = IMAGES[0].tobytes()
        watched_over(demo, body)
        demo.step("The model is promoted to another environment", "promotion", lambda: first_day.promotion(demo, body, WORK))
        if keep:
            demo.say(f"kept up; it answers at {demo.url}. Go on with:")
            demo.say(f"export TRIMTAB_LOCAL_STATE={STATE} PATH={Path(TRIMTAB).parent}:$PATH")
            demo.say(f"trimtab page {DEPLOYMENT} --folder examples/digits/page  # draw a digit in a browser")
            demo.say(f"trimtab status {DEPLOYMENT}; trimtab key {DEPLOYMENT}; trimtab logs {DEPLOYMENT} --tail 5")
            demo.say(f"trimtab delete {DEPLOYMENT}; trimtab local down")
        else:
            demo.step("Delete: nothing is left", "delete", demo.delete)
        entries = demo.journal()
        writes = sum(entry["write"] for entry in entries)
        demo.result["journal"] = {"reads": len(entries) - writes, "writes": writes}
        ok = True
    except Broken as broken:
        sys.exit(f"NOT AS PROMISED: {broken}")
    finally:
        if not keep or not ok:
            demo.down()
    demo.result["seconds"]["total"] = round(time.monotonic() - started, 1)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "demo.json").write_text(json.dumps(demo.result, indent=2) + "\n")
    wrong = list(failures(demo.result, keep))
    for each in wrong:
        print(f"NOT AS PROMISED: {each}")
    print(f"\n{demo.result['seconds']['total']} s in all; figures in build/demo.json")
    sys.exit(1 if wrong else 0)


def watched_over(demo: Demo, body: bytes) -> None:
    """`trimtab run` watches the document's folder from here on, and nobody applies anything."""
    with operating(demo, "operator", [{"folder": {"path": str(WORK / "digits")}}]) as operator:
        demo.step(
            "An operator takes over; six things are changed by hand, and it puts them right",
            "drift",
            lambda: first_day.drift(demo, operator),
        )
        demo.step(
            "A server that cannot start", "bad_server", lambda: first_day.bad_server(demo, operator, body, WORK / "digits")
        )
        demo.step(
            "Back to the first model, and a retraining meanwhile",
            "rollback",
            lambda: first_day.rollback(demo, operator, body),
        )


def failures(result: Mapping[str, Any], keep: bool) -> list[str]:
    """What the story promised and did not hold."""
    served, model, gate = result["served"], result["model_edit"], result["gate"]
    checks = {
        "accuracy of at least 0.965": served["accuracy"] >= 0.965,
        "403 without a key": served["without_key_status"] == 403,
        "a second plan without changes or writes": result["second_plan"] == {"changes": 0, "writes": 0},
        "a replica edit that runs nothing above": result["serving_edit"]["stages_run"] == [],
        "a model edit that retrains, rebuilds and releases": model["stages_run"] == ["train", "image", "release"],
        "200 requests without a failure": model["requests"] >= 200 and model["failed_requests"] == 0,
        "a gate that holds": gate == {"refused": True, "serving_revision_unchanged": True},
        "two processes while two tasks serve": result["processes_while_serving"] == 2,
        "a delete that leaves nothing": keep or result["delete"] == {"leftovers": 0, "processes": 0},
    }
    return [what for what, held in checks.items() if not held] + first_day.failures(dict(result))


if __name__ == "__main__":
    prepare()
    IMAGES = np.load(WORK / "digits" / "data" / "test" / "images.npy", allow_pickle=False)
    LABELS = np.load(WORK / "digits" / "data" / "test" / "labels.npy", allow_pickle=False)
    main()
