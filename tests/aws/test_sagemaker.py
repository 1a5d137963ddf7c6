"""Training jobs through boto3: real processes, real S3, the states and words that SageMaker shows.

Sources: SageMaker API Reference, page of each operation (CreateTrainingJob, DescribeTrainingJob, StopTrainingJob,
DeleteTrainingJob, ListTrainingJobs, AddTags); SageMaker Developer Guide, "How Amazon SageMaker AI Provides Training
Information", "How Amazon SageMaker AI Signals Algorithm Success and Failure", "Run your own training container".
"""

import io
import os
import signal
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from job_cloud import ACCOUNT, REGION, JobCloud, job_cloud, until
from made_images import HOST_LABELS, config_of, push, push_script, tar_of
from trimtab.local.overlay import Running
from trimtab.local.sagemaker_training_runs import TrainingRuns

ROLE = f"arn:aws:iam::{ACCOUNT}:role/training"
GOOD = """
import json, os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
data = (base / "input/data/train/x.csv").read_text()
parameters = json.loads((base / "input/config/hyperparameters.json").read_text())
for epoch in range(int(parameters["epochs"])):
    print(f"epoch={epoch + 1} loss={1 / (epoch + 1):.4f}", flush=True)
(base / "model/model.onnx").write_text(f"model of {data}")
(base / "output/data/evaluation.json").write_text('{"metrics": {"accuracy": 0.97}}')
print("job", os.environ["TRAINING_JOB_NAME"], os.environ["MINE"], flush=True)
"""
WAITS = """
import os, pathlib, signal, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
def end(*_):
    (base / "model/half").write_text("half")
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
print("waits accuracy=0.5", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobCloud]:
    folder = tmp_path_factory.mktemp("jobs")
    with job_cloud(folder / "state", folder / "cache") as cloud:
        fill(cloud)
        yield cloud


@pytest.fixture
def own(tmp_path: Path) -> Iterator[JobCloud]:
    """A cloud of the test's own, to be killed."""
    with job_cloud(tmp_path / "state", tmp_path / "cache") as cloud:
        fill(cloud)
        yield cloud


def fill(cloud: JobCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="data")
    s3.create_bucket(Bucket="results")
    s3.put_object(Bucket="data", Key="set/train/x.csv", Body=b"1,2,3")


def request(cloud: JobCloud, name: str, script: str = GOOD, **changes: Any) -> dict[str, Any]:
    image = push_script(cloud.world.images, f"test/{name.lower()}", script)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/set/train", "S3DataDistributionType": "FullyReplicated"}
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://results/out/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "HyperParameters": {"epochs": "3"},
        "Environment": {"MINE": "yes"},
        **changes,
    }


def metrics(cloud: JobCloud, name: str, script: str = GOOD, **definitions: str) -> dict[str, Any]:
    given = request(cloud, name, script)
    given["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": metric, "Regex": expression} for metric, expression in definitions.items()
    ]
    return given


def begin(cloud: JobCloud, given: dict[str, Any]) -> Any:
    """Start a job; answers a function that describes it."""
    client, name = cloud.client("sagemaker"), given["TrainingJobName"]
    client.create_training_job(**given)
    return lambda: client.describe_training_job(TrainingJobName=name)


def run(cloud: JobCloud, given: dict[str, Any]) -> dict[str, Any]:
    """A job, at its end."""
    describe = begin(cloud, given)
    return ended(describe)


def ended(describe: Any) -> dict[str, Any]:
    return until(lambda: seen if (seen := describe())["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None)


def training(describe: Any) -> dict[str, Any]:
    return until(lambda: seen if (seen := describe())["SecondaryStatus"] == "Training" else None)


def steps(seen: dict[str, Any]) -> list[str]:
    return [each["Status"] for each in seen["SecondaryStatusTransitions"]]


def lines(cloud: JobCloud, name: str) -> list[str]:
    logs, place = cloud.client("logs"), {"logGroupName": TrainingRuns.log_group, "logStreamNamePrefix": f"{name}/algo-1-"}
    try:
        return [each["message"] for each in logs.filter_log_events(**place)["events"]]
    except logs.exceptions.ResourceNotFoundException:  # the group comes with the first line that any job writes
        return []


def objects(cloud: JobCloud, name: str) -> dict[str, dict[str, str]]:
    """What a job has uploaded: archive -> file -> text."""
    s3, found = cloud.client("s3"), dict[str, dict[str, str]]()
    for each in s3.list_objects_v2(Bucket="results", Prefix=f"out/{name}/output/").get("Contents", ()):
        body = s3.get_object(Bucket="results", Key=each["Key"])["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            found[each["Key"].rpartition("/")[2]] = {
                member.name: file.read().decode() for member in tar if (file := tar.extractfile(member))
            }
    return found


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


# --- a job that succeeds ---


def test_a_job_runs_to_completion_and_leaves_its_model(cloud: JobCloud):
    given = metrics(cloud, "good", loss=r"loss=([0-9.]+)", epoch=r"epoch=(\d+)")
    describe = begin(cloud, given)
    client = cloud.client("sagemaker")
    waiter = client.get_waiter("training_job_completed_or_stopped")
    waiter.config.delay = 1
    waiter.wait(TrainingJobName="good")
    seen = describe()
    assert (seen["TrainingJobStatus"], seen["SecondaryStatus"]) == ("Completed", "Completed")
    assert steps(seen) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(each["StatusMessage"] and each["EndTime"] >= each["StartTime"] for each in seen["SecondaryStatusTransitions"])
    assert seen["ModelArtifacts"]["S3ModelArtifacts"] == "s3://results/out/good/output/model.tar.gz"
    assert objects(cloud, "good") == {
        "model.tar.gz": {"model.onnx": "model of 1,2,3"},
        "output.tar.gz": {"evaluation.json": '{"metrics": {"accuracy": 0.97}}'},
    }
    final = {each["MetricName"]: each["Value"] for each in seen["FinalMetricDataList"]}
    assert final == {"loss": 0.3333, "epoch": 3.0}
    assert seen["CreationTime"] <= seen["TrainingStartTime"] <= seen["TrainingEndTime"] == seen["LastModifiedTime"]
    assert seen["BillableTimeInSeconds"] == seen["TrainingTimeInSeconds"] >= 1
    assert "FailureReason" not in seen
    assert lines(cloud, "good") == [*(f"epoch={n} loss={1 / n:.4f}" for n in (1, 2, 3)), "job good yes"]


def test_a_job_is_described_as_it_was_asked_for(cloud: JobCloud):
    given = metrics(cloud, "asked", loss=r"loss=([0-9.]+)")
    seen = run(cloud, given)
    for name in set(given) - {"TrainingJobName"}:
        assert seen[name] == given[name]
    assert seen["TrainingJobArn"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/asked"


def test_logs_and_metrics_are_seen_while_it_runs(cloud: JobCloud):
    describe = begin(cloud, metrics(cloud, "live", WAITS, accuracy=r"accuracy=([0-9.]+)"))
    until(lambda: lines(cloud, "live") == ["waits accuracy=0.5"] if describe()["SecondaryStatus"] == "Training" else False)
    seen = until(lambda: seen if (seen := describe())["FinalMetricDataList"] else None)
    assert (seen["TrainingJobStatus"], seen["FinalMetricDataList"][0]["Value"]) == ("InProgress", 0.5)
    assert seen["ModelArtifacts"]["S3ModelArtifacts"] == ""
    cloud.client("sagemaker").stop_training_job(TrainingJobName="live")
    ended(describe)


def test_a_metric_that_is_no_number_stays_one(cloud: JobCloud):
    seen = run(cloud, metrics(cloud, "nan", "print('loss=nan', flush=True)", loss="loss=(.+)", other="other=(.+)"))
    (metric,) = seen["FinalMetricDataList"]
    assert metric["MetricName"] == "loss"
    assert float(metric["Value"]) != float(metric["Value"])


def test_nothing_of_a_job_stays_on_the_machine(cloud: JobCloud):
    run(cloud, request(cloud, "clean"))
    until(lambda: not [each for each in (cloud.folder / "jobs").iterdir() if each.name.startswith("clean-")])
    until(lambda: not [id for id in cloud.executor.units() if id.startswith("training/clean/")])


def test_the_containers_own_words_are_in_place_of_train(cloud: JobCloud):
    script = "import sys; print(sys.argv[1:], flush=True)"
    given = request(cloud, "words", script)
    run(cloud, given)
    assert lines(cloud, "words") == ["['train']"]
    algorithm = given["AlgorithmSpecification"] | {"ContainerArguments": ["a", "b c"]}
    run(cloud, given | {"TrainingJobName": "words2", "AlgorithmSpecification": algorithm})
    assert lines(cloud, "words2") == ["['a', 'b c']"]
    algorithm = algorithm | {"ContainerEntrypoint": ["python3", "-c", "print('mine', flush=True)"]}
    run(cloud, given | {"TrainingJobName": "words3", "AlgorithmSpecification": algorithm})
    assert lines(cloud, "words3") == ["mine"]


def test_a_job_without_a_model_completes_and_uploads_none(cloud: JobCloud):
    seen = run(cloud, request(cloud, "empty", ""))
    assert (seen["TrainingJobStatus"], objects(cloud, "empty")) == ("Completed", {})


# --- jobs that fail ---


def test_a_failing_script_gives_its_failure_file_and_exit_code(cloud: JobCloud):
    script = """
import os, pathlib, sys
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
(base / "model/x").write_text("not to be kept")
(base / "output/data/why.txt").write_text("kept")
(base / "output/failure").write_text("the data is wrong" + "!" * 2000)
sys.exit(1)
"""
    seen = run(cloud, request(cloud, "fails", script))
    assert (seen["TrainingJobStatus"], seen["SecondaryStatus"]) == ("Failed", "Failed")
    assert seen["FailureReason"].startswith("AlgorithmError: the data is wrong!")
    assert seen["FailureReason"].endswith("!, exit code: 1")
    assert len(seen["FailureReason"]) == 1024
    assert objects(cloud, "fails") == {"output.tar.gz": {"why.txt": "kept"}}
    assert seen["ModelArtifacts"]["S3ModelArtifacts"] == ""


def test_a_script_that_says_nothing_fails_with_its_code(cloud: JobCloud):
    seen = run(cloud, request(cloud, "silent", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert seen["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_data_that_is_not_there_fails_the_job_not_the_request(cloud: JobCloud):
    given = request(cloud, "nodata")
    given["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = "s3://data/none"
    seen = run(cloud, given)
    assert seen["FailureReason"].startswith(
        'ClientError: Data download failed:No S3 objects found under S3 URL "s3://data/none"'
    )
    assert steps(seen) == ["Starting", "Downloading", "Failed"]


def test_an_image_that_is_not_there_fails_the_job(cloud: JobCloud):
    given = request(cloud, "noimage")
    given["AlgorithmSpecification"]["TrainingImage"] = "127.0.0.1:4566/none:1"
    seen = run(cloud, given)
    assert seen["FailureReason"].startswith("ClientError: Cannot pull the training image")
    assert "TrainingStartTime" not in seen


def test_an_image_that_cannot_run_here_says_why(cloud: JobCloud):
    given = request(cloud, "layout")
    layer = tar_of({"opt/x": "x"})
    given["AlgorithmSpecification"]["TrainingImage"] = push(cloud.world.images, "test/foreign", [layer], config_of({}))
    assert "ClientError: " in (reason := run(cloud, given)["FailureReason"])
    assert "does not stand on a host base" in reason
    locked = config_of(HOST_LABELS | {"trimtab.dev/requirements": "no-hash==1"}, Entrypoint=["python3"])
    given["AlgorithmSpecification"]["TrainingImage"] = push(cloud.world.images, "test/locked", [layer], locked)
    assert "uv pip failed" in run(cloud, given | {"TrainingJobName": "layout2"})["FailureReason"]


def test_an_output_bucket_that_is_not_there_fails_the_job_at_its_end(cloud: JobCloud):
    seen = run(cloud, request(cloud, "nobucket", OutputDataConfig={"S3OutputPath": "s3://no-such-bucket/out"}))
    assert seen["FailureReason"].startswith("ClientError: Artifact upload failed: the bucket no-such-bucket")


# --- jobs that are stopped ---


def test_a_stopped_job_keeps_what_was_in_its_model_folder(cloud: JobCloud):
    describe, client = begin(cloud, request(cloud, "stop", WAITS)), cloud.client("sagemaker")
    until(lambda: "waits accuracy=0.5" in lines(cloud, "stop") if training(describe) else False)
    client.stop_training_job(TrainingJobName="stop")
    assert describe()["TrainingJobStatus"] == "Stopping"
    with suppress(ClientError):
        client.stop_training_job(TrainingJobName="stop")  # a repeat is harmless; refused once it has ended
    seen = ended(describe)
    assert (seen["TrainingJobStatus"], seen["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert steps(seen) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert objects(cloud, "stop") == {"model.tar.gz": {"half": "half"}}
    assert "FailureReason" not in seen
    code, message = refusal(client.stop_training_job, TrainingJobName="stop")
    assert (code, "is in status Stopped" in message) == ("ValidationException", True)


def test_a_job_that_overruns_is_stopped_as_such(cloud: JobCloud):
    seen = run(cloud, request(cloud, "long", WAITS, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert (seen["TrainingJobStatus"], seen["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "MaxRuntimeInSeconds" in seen["SecondaryStatusTransitions"][-1]["StatusMessage"]
    assert objects(cloud, "long") == {"model.tar.gz": {"half": "half"}}
    assert seen["BillableTimeInSeconds"] < 10


def test_a_job_that_is_stopped_at_once_never_runs(cloud: JobCloud):
    given = request(cloud, "early", "print('ran', flush=True)")
    with cloud.cloud._lock:  # no tick comes between the two
        overlay, context = cloud.world.overlay("sagemaker"), _context()
        overlay.create_training_job(given, context)
        overlay.stop_training_job({"TrainingJobName": "early"}, context)
    seen = ended(lambda: cloud.client("sagemaker").describe_training_job(TrainingJobName="early"))
    assert (seen["TrainingJobStatus"], steps(seen)) == ("Stopped", ["Starting", "Stopping", "Stopped"])
    assert seen["ModelArtifacts"]["S3ModelArtifacts"] == ""
    assert [id for id in cloud.executor.units() if id.startswith("training/early/")] == []


def _context() -> Any:
    from trimtab.local.overlay import Context

    return Context(ACCOUNT, REGION, "arn:aws:iam::123456789012:user/test", "r", datetime.now(UTC))


# --- names, lists, tags ---


def test_a_name_is_taken_until_its_job_is_deleted(cloud: JobCloud):
    client = cloud.client("sagemaker")
    describe = begin(cloud, given := request(cloud, "name", WAITS))
    assert refusal(client.create_training_job, **given)[0] == "ResourceInUse"
    assert refusal(client.delete_training_job, TrainingJobName="name")[0] == "ResourceInUse"
    client.stop_training_job(TrainingJobName="name")
    ended(describe)
    assert refusal(client.create_training_job, **given)[0] == "ResourceInUse"
    client.delete_training_job(TrainingJobName="name")
    assert refusal(client.describe_training_job, TrainingJobName="name") == (
        "ValidationException",
        "Requested resource not found.",
    )
    seen = run(cloud, request(cloud, "name"))
    assert (seen["TrainingJobStatus"], "job name yes" in lines(cloud, "name")) == ("Completed", True)


def test_a_name_that_is_given_again_takes_nothing_over_from_the_job_before(cloud: JobCloud):
    client = cloud.client("sagemaker")
    for round_ in range(3):
        given = request(cloud, "again", f"print('round {round_}', flush=True)")
        seen = run(cloud, given)
        assert (seen["TrainingJobStatus"], steps(seen)[-1]) == ("Completed", "Completed")
        assert f"round {round_}" in lines(cloud, "again")
        client.delete_training_job(TrainingJobName="again")


@pytest.mark.parametrize("operation", ["describe_training_job", "stop_training_job", "delete_training_job"])
def test_a_job_that_does_not_exist_is_told_as_sagemaker_tells(cloud: JobCloud, operation: str):
    call = getattr(cloud.client("sagemaker"), operation)
    assert refusal(call, TrainingJobName="none") == ("ValidationException", "Requested resource not found.")


def test_lists_are_filtered_before_they_are_paged(cloud: JobCloud):
    client, before = cloud.client("sagemaker"), datetime.now(UTC)
    for name in ("list-b", "list-a", "other-1", "list-c"):
        run(cloud, request(cloud, name, "import sys; sys.exit(1)" if name == "list-c" else ""))

    def names(**arguments: Any) -> list[str]:
        pages = client.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 1}, **arguments)
        return [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]

    assert names(NameContains="list-") == ["list-b", "list-a", "list-c"]  # as they were made
    assert names(NameContains="list-", SortOrder="Descending") == ["list-c", "list-a", "list-b"]
    assert names(NameContains="list-", SortBy="Name") == ["list-a", "list-b", "list-c"]
    assert names(NameContains="list-", StatusEquals="Failed") == ["list-c"]
    assert names(NameContains="list-", SortBy="Status", SortOrder="Descending") == ["list-c", "list-a", "list-b"]
    assert names(CreationTimeAfter=before) == ["list-b", "list-a", "other-1", "list-c"]
    assert names(NameContains="list-", CreationTimeBefore=before) == []
    assert names(LastModifiedTimeAfter=datetime.now(UTC) + timedelta(hours=1)) == []
    assert refusal(client.list_training_jobs, NextToken="x")[0] == "ValidationException"


def test_tags_come_with_the_job_and_can_be_changed(cloud: JobCloud):
    client = cloud.client("sagemaker")
    run(cloud, request(cloud, "tags", "", Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]))
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/tags"
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}, {"Key": "c", "Value": ""}])
    client.delete_tags(ResourceArn=arn, TagKeys=["b", "none"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}, {"Key": "c", "Value": ""}]
    assert refusal(client.list_tags, ResourceArn=arn + "x")[0] == "ValidationException"
    many = [{"Key": str(number), "Value": ""} for number in range(49)]
    assert refusal(client.add_tags, ResourceArn=arn, Tags=many)[0] == "ValidationException"
    assert "Tags" not in client.describe_training_job(TrainingJobName="tags")


# --- what is refused ---


def channel(**changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/set"}
    return {"ChannelName": "train", "DataSource": {"S3DataSource": source}, **changes}


def resources(kind: str, count: int) -> dict[str, Any]:
    return {"InstanceType": kind, "InstanceCount": count, "VolumeSizeInGB": 1}


MANIFEST_FILE = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://data/set"}}


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"RoleArn": "arn:aws:iam::1:user/not-a-role-at-all"}, "ValidationException", "RoleArn"),
        ({"ResourceConfig": resources("ml.none.large", 1)}, "ValidationException", "InstanceType"),
        ({"ResourceConfig": resources("ml.m5.large", 2)}, "ResourceLimitExceeded", "ml.m5.large"),
        ({"InputDataConfig": [channel(), channel()]}, "ValidationException", "Duplicate channel name: train"),
        ({"InputDataConfig": [channel(InputMode="Pipe")]}, "ValidationException", "Pipe"),
        ({"InputDataConfig": [channel(CompressionType="Gzip")]}, "ValidationException", "Gzip"),
        ({"InputDataConfig": [channel(DataSource=MANIFEST_FILE)]}, "ValidationException", "ManifestFile"),
        ({"CheckpointConfig": {"S3Uri": "s3://data/x"}}, "ValidationException", "CheckpointConfig"),
        ({"EnableManagedSpotTraining": True}, "ValidationException", "MaxWaitTimeInSeconds"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 10**7}}, "ValidationException", "MaxRuntimeInSeconds"),
        ({"TrainingJobName": "under_score"}, "ValidationException", "TrainingJobName"),
        ({"HyperParameters": {str(number): "" for number in range(101)}}, "ValidationException", "HyperParameters"),
    ],
)  # fmt: skip
def test_what_is_not_to_be_is_refused_at_once(cloud: JobCloud, changes: dict[str, Any], code: str, words: str):
    given = request(cloud, "refused") | changes
    found, message = refusal(cloud.client("sagemaker").create_training_job, **given)
    assert (found, words in message) == (code, True), message
    assert refusal(cloud.client("sagemaker").describe_training_job, TrainingJobName="refused")[0] == "ValidationException"


def test_a_broken_expression_is_refused(cloud: JobCloud):
    given = metrics(cloud, "regex", loss="(")
    assert refusal(cloud.client("sagemaker").create_training_job, **given)[0] == "ValidationException"


def test_other_operations_of_sagemaker_say_that_they_are_not_built(cloud: JobCloud):
    assert refusal(cloud.client("sagemaker").list_endpoints)[0] == "UnknownOperationException"


# --- deaths ---


def restarted(own: JobCloud, request: pytest.FixtureRequest) -> JobCloud:
    again = JobCloud(own.folder, own.cache)
    request.addfinalizer(again.close)
    return again


def pid_of(cloud: JobCloud, name: str) -> int:
    id = next(id for id in cloud.executor.units() if id.startswith(f"training/{name}/"))
    state = cloud.executor.state(id)
    assert isinstance(state, Running)
    return state.pid


SLOW = """
import os, pathlib, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
print("before accuracy=0.1", flush=True)
while not (base / "input/data/train/go").exists(): time.sleep(0.02)
print("after accuracy=0.9", flush=True)
(base / "model/model.onnx").write_text("trained")
"""


def test_a_running_job_is_adopted_by_the_next_gateway(own: JobCloud, request: pytest.FixtureRequest):
    describe = begin(own, metrics(own, "adopted", SLOW, accuracy=r"accuracy=([0-9.]+)"))
    until(lambda: lines(own, "adopted") if training(describe) else None)
    pid, started = pid_of(own, "adopted"), describe()["TrainingStartTime"]
    own.halt()
    (folder,) = (own.folder / "jobs").iterdir()
    (folder / "input/data/train/go").touch()  # it goes on while there is no gateway
    again = restarted(own, request)
    assert again.lost == []
    client = again.client("sagemaker")
    seen = ended(lambda: client.describe_training_job(TrainingJobName="adopted"))
    assert (seen["TrainingJobStatus"], seen["TrainingStartTime"]) == ("Completed", started)
    assert steps(seen) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert lines(again, "adopted") == ["before accuracy=0.1", "after accuracy=0.9"]  # each once
    assert seen["FinalMetricDataList"][0]["Value"] == 0.9
    assert objects(again, "adopted") == {"model.tar.gz": {"model.onnx": "trained"}}
    assert not Path(f"/proc/{pid}").exists()


def test_a_job_whose_process_died_with_the_gateway_is_said_to_be_lost(own: JobCloud, request: pytest.FixtureRequest):
    describe = begin(own, request_(own, "lost", SLOW))
    training(describe)
    pid = pid_of(own, "lost")
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    own.halt()
    os.kill(parent, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}/exe").exists())
    again = restarted(own, request)
    assert again.lost == ["training job lost: its process ended with the last local cloud"]
    seen = again.client("sagemaker").describe_training_job(TrainingJobName="lost")
    assert seen["TrainingJobStatus"] == "Failed"
    assert seen["FailureReason"].startswith("InternalServerError: ")


request_ = request


@pytest.mark.parametrize("phase", ["download", "upload"])
def test_a_transfer_that_a_crash_cut_off_is_done_again(own: JobCloud, request: pytest.FixtureRequest, phase: str):
    buckets, name = own.world.buckets, f"cut-{phase}"
    which = "fetch" if phase == "download" else "put"
    real, begun = getattr(buckets, which), list[float]()

    def hang(*arguments: Any) -> None:
        begun.append(time.monotonic())
        until(lambda: not own._threads[-1].is_alive())  # a last tick of the one that dies would take it for a failure
        raise OSError("cut off")

    setattr(buckets, which, hang)
    begin(own, request_(own, name))
    until(lambda: begun)
    own.halt()
    setattr(buckets, which, real)
    again = restarted(own, request)
    client = again.client("sagemaker")
    seen = ended(lambda: client.describe_training_job(TrainingJobName=name))
    assert seen["TrainingJobStatus"] == "Completed", seen.get("FailureReason")
    assert steps(seen) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert objects(again, name)["model.tar.gz"] == {"model.onnx": "model of 1,2,3"}
    assert lines(again, name).count(f"job {name} yes") == 1


def test_a_job_is_not_kept_waiting_by_others(cloud: JobCloud):
    describes = [begin(cloud, request(cloud, f"many-{number}", WAITS)) for number in range(6)]
    for describe in describes:
        training(describe)
    assert run(cloud, request(cloud, "quick"))["TrainingJobStatus"] == "Completed"
    for number in range(6):
        cloud.client("sagemaker").stop_training_job(TrainingJobName=f"many-{number}")
    assert {ended(describe)["TrainingJobStatus"] for describe in describes} == {"Stopped"}
