"""The main job, told step by step in the terminal, every figure measured from outside: HTTP, AWS's API, the process table.

Writes build/demo.json. Leaves nothing running, unless --keep is given.
"""

import argparse
import io
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import first_day
import numpy as np
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from trimtab.local.commands import free_ports

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
WORK = BUILD / "demo"
STATE = WORK / "state"
DEPLOYMENT = "vision/digits"
TRIMTAB = str(Path(sys.executable).parent / "trimtab")


class Demo:
    """One telling of the story."""

    def __init__(self) -> None:
        self.result: dict[str, Any] = {"seconds": {}}
        self._started = time.monotonic()
        self._told = 0
        self.url = self.key = ""
        self.deployment = DEPLOYMENT

    # --- telling and doing ---

    def step(self, title: str, name: str, work: Callable[[], None]) -> None:
        self._told += 1
        print(f"\n\033[1m{self._told}. {title}\033[0m" if sys.stdout.isatty() else f"\n{self._told}. {title}", flush=True)
        started = time.monotonic()
        work()
        self.result["seconds"][name] = round(time.monotonic() - started, 1)
        print(f"   ({self.result['seconds'][name]} s)", flush=True)

    def say(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def trimtab(self, *words: str, expect: tuple[int, ...] = (0,), by_sdk: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the program as a person would. by_sdk: with the variables that point AWS's SDK at the local cloud."""
        variables = {**self.variables, **(self.sdk if by_sdk else {})}
        done = subprocess.run([TRIMTAB, *words], cwd=WORK, env=variables, capture_output=True, text=True, check=False)
        if done.returncode not in expect:
            sys.exit(f"trimtab {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, "TRIMTAB_LOCAL_STATE": str(STATE)}

    @property
    def sdk(self) -> dict[str, str]:
        told = subprocess.run(
            [TRIMTAB, "local", "env"], env=self.variables, capture_output=True, text=True, check=True
        ).stdout
        words = (line.removeprefix("export ").partition("=") for line in told.splitlines())
        return {name: shlex.split(value)[0] for name, _, value in words}

    # --- the outside ---

    @property
    def cloud(self) -> Mapping[str, str]:
        return json.loads((STATE / "cloud.json").read_text())

    def aws(self, service: str) -> Any:
        info = self.cloud
        session = boto3.Session(info["access_key_id"], info["secret_access_key"], region_name=info["region"])
        return session.client(service, endpoint_url=info["endpoint"])

    def journal(self) -> list[Mapping[str, Any]]:
        """Every request that the cloud was sent."""
        info = self.cloud
        request = AWSRequest("GET", f"{info['endpoint']}/_trimtab/journal")
        session = boto3.Session(info["access_key_id"], info["secret_access_key"], region_name=info["region"])
        SigV4Auth(session.get_credentials(), "trimtab", info["region"]).add_auth(request)
        return urllib3.request("GET", request.url, headers=dict(request.headers)).json()["entries"]

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
        ecs = self.aws("ecs")
        cluster = ecs.list_clusters()["clusterArns"][0]
        name = ecs.list_services(cluster=cluster)["serviceArns"]
        return ecs.describe_services(cluster=cluster, services=name)["services"][0]

    def stages_run(self, before: Mapping[str, int]) -> list[str]:
        return [stage for stage, count in self.made().items() if count > before[stage]]

    def history(self) -> list[dict[str, Any]]:
        return json.loads(self.trimtab("history", DEPLOYMENT, "-o", "json").stdout)

    def ask(self, body: bytes, key: str | None = None, url: str = "") -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/octet-stream", "x-api-key": self.key if key is None else key}
        sent = {name: value for name, value in headers.items() if value}
        return POOL.request("POST", f"{url or self.url}/invocations", body=body, headers=sent, retries=False, timeout=30)

    def edit(self, before: str, after: str) -> None:
        document = WORK / "digits" / "deployment.yaml"
        text = document.read_text()
        if before not in text:
            sys.exit(f"{document} no longer holds {before!r}")
        document.write_text(text.replace(before, after))
        self.say(f"edited: {before.strip()} -> {after.strip()}")

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
        self.result["processes_while_serving"] = len(serving_processes())
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
        with first_day.asking(self, IMAGES[0].tobytes()) as counts:
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
        processes = serving_processes()
        self.result["delete"] = {"leftovers": len(left), "processes": len(processes)}
        self.say(f"left: {', '.join(left) or 'nothing'}; processes of jobs or tasks: {len(processes)}")

    def leftovers(self) -> list[str]:
        """All of ours that is still listed; INACTIVE clusters and definitions on their way out are not."""
        ecs, v1 = self.aws("ecs"), self.aws("apigateway")
        found = {
            "role": [each["RoleName"] for each in self.aws("iam").list_roles(PathPrefix="/trimtab/")["Roles"]],
            "log group": [
                each["logGroupName"]
                for each in self.aws("logs").describe_log_groups(logGroupNamePrefix="/trimtab/")["logGroups"]
            ],
            "repository": [
                each["repositoryName"]
                for each in self.aws("ecr").describe_repositories()["repositories"]
                if each["repositoryName"].startswith("trimtab/local/")
            ],
            "training job": [
                each["TrainingJobName"] for each in self.aws("sagemaker").list_training_jobs()["TrainingJobSummaries"]
            ],
            "processing job": [
                each["ProcessingJobName"] for each in self.aws("sagemaker").list_processing_jobs()["ProcessingJobSummaries"]
            ],
            "cluster": ecs.list_clusters()["clusterArns"],
            "task definition": [
                arn
                for status in ("ACTIVE", "INACTIVE")
                for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]
            ],
            "load balancer": [
                each["LoadBalancerName"] for each in self.aws("elbv2").describe_load_balancers()["LoadBalancers"]
            ],
            "target group": [each["TargetGroupName"] for each in self.aws("elbv2").describe_target_groups()["TargetGroups"]],
            "API": [each["name"] for each in v1.get_rest_apis()["items"]],
            "key": [each["name"] for each in v1.get_api_keys()["items"]],
            "usage plan": [each["name"] for each in v1.get_usage_plans()["items"]],
            "VPC link": [each["Name"] for each in self.aws("apigatewayv2").get_vpc_links()["Items"]],
            "object": [
                item["Key"]
                for bucket in ("trimtab-local-data", "trimtab-local-state", "production-data", "production-state")
                for item in self.aws("s3").list_objects_v2(Bucket=bucket).get("Contents", ())
            ],
            "tagged": [
                each["ResourceARN"]
                for page in self.aws("resourcegroupstaggingapi").get_paginator("get_resources").paginate()
                for each in page["ResourceTagMappingList"]
                if any(tag["Key"].startswith("trimtab.dev/") for tag in each["Tags"])
                and not each["ResourceARN"].startswith("arn:aws:ecs:")  # listed above by their states
            ],
        }
        return [f"{kind} {name}" for kind, names in found.items() for name in names]


def serving_processes() -> list[str]:
    """Command lines of the jobs and tasks of this demo's cloud: each has its home in the state folder."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            is_ours = f"{STATE}/units".encode() in path.read_bytes()
            words = (path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # it ended meanwhile, or is another user's
        found += [words] if is_ours and words else []
    return found


def prepare() -> None:
    """A fresh copy of the example, its data, and a fresh state."""
    subprocess.run([TRIMTAB, "local", "down", "--state", str(STATE), "--purge"], capture_output=True, check=False)
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
        demo.step("A local cloud comes up: AWS's APIs on loopback", "up", lambda: bring_up(demo))
        demo.step("One document becomes a trained, gated, packaged, served model", "apply", demo.first_apply)
        demo.step("All held-out images are predicted through API Gateway", "predict", demo.predict_all)
        demo.step("A second plan finds nothing to do", "second_plan", demo.second_plan)
        demo.step("One more replica: nothing above it runs", "serving_edit", demo.serving_edit)
        demo.step("Another learning rate: it retrains and rolls while a client asks on", "model_edit", demo.model_edit)
        demo.step("A model that fails the gate is refused; the old one serves", "gate", demo.gate)
        body = IMAGES[0].tobytes()
        demo.step("Six things are changed by hand: apply puts them right", "drift", lambda: first_day.drift(demo))
        demo.step("A server that cannot start", "bad_server", lambda: first_day.bad_server(demo, body, WORK))
        demo.step("Back to the first model, and a retraining meanwhile", "rollback", lambda: first_day.rollback(demo, body))
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
    finally:
        if not keep or not ok:
            subprocess.run([TRIMTAB, "local", "down", "--state", str(STATE)], check=False, capture_output=True)
    demo.result["seconds"]["total"] = round(time.monotonic() - started, 1)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "demo.json").write_text(json.dumps(demo.result, indent=2) + "\n")
    wrong = list(failures(demo.result, keep))
    for each in wrong:
        print(f"NOT AS PROMISED: {each}")
    print(f"\n{demo.result['seconds']['total']} s in all; figures in build/demo.json")
    sys.exit(1 if wrong else 0)


def bring_up(demo: Demo) -> None:
    port, invoke_port = map(str, free_ports(2))  # a person may have a cloud up at the usual ones
    words = ("--state", str(STATE), "--port", port, "--invoke-port", invoke_port)
    demo.say(demo.trimtab("local", "up", *words).stderr.splitlines()[0])


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
    POOL = urllib3.PoolManager(maxsize=4)
    main()
