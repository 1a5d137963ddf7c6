"""Processing jobs through boto3: real processes, real S3, the states and words that SageMaker shows.

Sources: SageMaker API Reference, page of each operation (CreateProcessingJob, DescribeProcessingJob,
StopProcessingJob, ListProcessingJobs, AddTags); SageMaker Developer Guide, "How to Build Your Own Processing
Container (Advanced Scenario)".
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from job_cloud import ACCOUNT, REGION, JobCloud, job_cloud, until
from made_images import push_script
from trimtab.local.overlay import Context, Running

ROLE = f"arn:aws:iam::{ACCOUNT}:role/training"
BASE = """
import json, os, pathlib, signal, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
box = base / "processing"
"""
GOOD = (
    BASE
    + """
rows = (box / "input/test/x.csv").read_text().split(",")
config = json.loads((base / "config/processingjobconfig.json").read_text())
hosts = json.loads((base / "config/resourceconfig.json").read_text())
(box / "output/deep").mkdir()
(box / "output/report.json").write_text(json.dumps({"rows": len(rows)}))
(box / "output/deep/words.txt").write_text(" ".join(sys.argv[1:]))
(box / "output/link").symlink_to("report.json")
(base / "output/message").write_text(f"{len(rows)} rows")
print(config["ProcessingJobName"], hosts["current_host"], os.environ["MINE"], flush=True)
"""
)
WAITS = (
    BASE
    + """
def end(*_):
    (base / "output/message").write_text("was told to stop")
    (box / "output/half").write_text("half")
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
print("waits", flush=True)
while not (box / "go").exists(): time.sleep(0.02)
(box / "output/done").write_text("done")
print("goes on", flush=True)
"""
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobCloud]:
    folder = tmp_path_factory.mktemp("processing")
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
    s3.put_object(Bucket="data", Key="set/test/x.csv", Body=b"1,2,3")


def source(**changes: Any) -> dict[str, Any]:
    where = {"S3Uri": "s3://data/set/test/", "LocalPath": "/opt/ml/processing/input/test", "S3DataType": "S3Prefix"}
    return {"InputName": "test", "S3Input": where | changes}


def target(**changes: Any) -> dict[str, Any]:
    where = {"S3Uri": "s3://results/out/", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    return {"OutputName": "out", "S3Output": where | changes}


def request(cloud: JobCloud, name: str, script: str = GOOD, **changes: Any) -> dict[str, Any]:
    image = push_script(cloud.world.images, f"test/{name.lower()}", script)
    return {
        "ProcessingJobName": name,
        "AppSpecification": {"ImageUri": image, "ContainerArguments": ["--data-format", "two words"]},
        "RoleArn": ROLE,
        "ProcessingInputs": [source(S3InputMode="File")],
        "ProcessingOutputConfig": {"Outputs": [target(S3Uri=f"s3://results/{name}")]},
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "Environment": {"MINE": "yes"},
        **changes,
    }


def begin(cloud: JobCloud, given: dict[str, Any]) -> Any:
    """Start a job; answers a function that describes it."""
    client, name = cloud.client("sagemaker"), given["ProcessingJobName"]
    client.create_processing_job(**given)
    return lambda: client.describe_processing_job(ProcessingJobName=name)


def run(cloud: JobCloud, given: dict[str, Any]) -> dict[str, Any]:
    """A job, at its end."""
    return ended(begin(cloud, given))


def ended(describe: Any) -> dict[str, Any]:
    return until(lambda: seen if (seen := describe())["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") else None)


def lines(cloud: JobCloud, name: str) -> list[str]:
    group = "/aws/sagemaker/ProcessingJobs"
    with suppress(cloud.client("logs").exceptions.ResourceNotFoundException):
        found = cloud.client("logs").filter_log_events(logGroupName=group, logStreamNamePrefix=f"{name}/algo-1-")
        return [each["message"] for each in found["events"]]
    return []


def objects(cloud: JobCloud, name: str) -> dict[str, str]:
    """What a job has uploaded: key below its own prefix -> text."""
    s3 = cloud.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="results", Prefix=f"{name}/").get("Contents", ())]
    return {key.removeprefix(f"{name}/"): s3.get_object(Bucket="results", Key=key)["Body"].read().decode() for key in keys}


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


# --- a job that succeeds ---


def test_a_job_runs_to_completion_and_its_outputs_are_uploaded_as_they_lie(cloud: JobCloud):
    describe = begin(cloud, request(cloud, "good"))
    waiter = cloud.client("sagemaker").get_waiter("processing_job_completed_or_stopped")
    waiter.config.delay = 1
    waiter.wait(ProcessingJobName="good")
    seen = describe()
    assert (seen["ProcessingJobStatus"], seen["ExitMessage"]) == ("Completed", "3 rows")
    assert objects(cloud, "good") == {"report.json": '{"rows": 3}', "deep/words.txt": "--data-format two words"}
    assert seen["CreationTime"] <= seen["ProcessingStartTime"] <= seen["ProcessingEndTime"] == seen["LastModifiedTime"]
    assert "FailureReason" not in seen
    assert lines(cloud, "good") == ["good algo-1 yes"]


def test_a_job_is_described_as_it_was_asked_for(cloud: JobCloud):
    given = request(cloud, "asked", "")
    seen = run(cloud, given)
    assert {name: seen[name] for name in given} == given
    assert seen["ProcessingJobArn"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:processing-job/asked"
    assert "ExitMessage" not in seen


def test_a_list_tells_how_a_job_ended(cloud: JobCloud):
    run(cloud, request(cloud, "shape"))
    (summary,) = cloud.client("sagemaker").list_processing_jobs(NameContains="shape")["ProcessingJobSummaries"]
    assert (summary["ExitMessage"], summary["ProcessingJobStatus"]) == ("3 rows", "Completed")


def test_an_entry_point_is_in_place_of_the_images_own(cloud: JobCloud):
    given = request(cloud, "words", "import sys; print('image', sys.argv[1:], flush=True)")
    run(cloud, given)
    assert lines(cloud, "words") == ["image ['--data-format', 'two words']"]
    specification = given["AppSpecification"] | {"ContainerEntrypoint": ["python3", "-c", "import sys; print(sys.argv)"]}
    run(cloud, given | {"ProcessingJobName": "words2", "AppSpecification": specification})
    assert lines(cloud, "words2") == ["['-c', '--data-format', 'two words']"]


def test_an_input_of_one_object_lies_in_its_folder_under_its_own_name(cloud: JobCloud):
    script = BASE + "print(sorted(p.name for p in (box / 'one').iterdir()), flush=True)"
    inputs = [source(S3Uri="s3://data/set/test/x.csv", LocalPath="/opt/ml/processing/one/")]
    run(cloud, request(cloud, "one", script, ProcessingInputs=inputs))
    assert lines(cloud, "one") == ["['x.csv']"]


def test_nothing_of_a_job_stays_on_the_machine(cloud: JobCloud):
    run(cloud, request(cloud, "clean"))
    until(lambda: not [each for each in (cloud.folder / "processing-jobs").iterdir() if each.name.startswith("clean-")])
    until(lambda: not [id for id in cloud.executor.units() if id.startswith("processing/clean/")])


# --- jobs that fail ---


def test_an_entry_point_that_fails_gives_its_code_and_message_and_no_output(cloud: JobCloud):
    script = BASE + "(box / 'output/x').write_text('x'); (base / 'output/message').write_text('é' * 2000); sys.exit(3)"
    seen = run(cloud, request(cloud, "fails", script))
    assert (seen["ProcessingJobStatus"], seen["FailureReason"]) == ("Failed", "AlgorithmError: , exit code: 3")
    assert seen["ExitMessage"] == "é" * 512  # 1 KB
    assert objects(cloud, "fails") == {}


def test_an_entry_point_that_is_not_there_fails_the_job(cloud: JobCloud):
    given = request(cloud, "noentry")
    given["AppSpecification"]["ContainerEntrypoint"] = ["/no/such/program"]
    seen = run(cloud, given)
    assert seen["ProcessingJobStatus"] == "Failed"
    assert "/no/such/program" in seen["FailureReason"] or "exit code: 127" in seen["FailureReason"]


def test_a_message_that_is_no_text_fails_the_job(cloud: JobCloud):
    seen = run(cloud, request(cloud, "bytes", BASE + "(base / 'output/message').write_bytes(b'ab\\xff')"))
    assert seen["FailureReason"].startswith("ClientError: The exit message")
    assert "ExitMessage" not in seen


def test_data_that_is_not_there_fails_the_job_not_the_request(cloud: JobCloud):
    seen = run(cloud, request(cloud, "nodata", ProcessingInputs=[source(S3Uri="s3://data/none")]))
    words = 'ClientError: Data download failed:No S3 objects found under S3 URL "s3://data/none"'
    assert (seen["ProcessingJobStatus"], seen["FailureReason"][: len(words)]) == ("Failed", words)
    assert lines(cloud, "nodata") == []


def test_an_image_that_is_not_there_fails_the_job(cloud: JobCloud):
    given = request(cloud, "noimage")
    given["AppSpecification"]["ImageUri"] = "127.0.0.1:4566/none:1"
    seen = run(cloud, given)
    assert seen["FailureReason"].startswith("ClientError: Cannot pull the processing image")
    assert "ProcessingStartTime" not in seen


def test_an_output_bucket_that_is_not_there_fails_the_job_at_its_end(cloud: JobCloud):
    config = {"Outputs": [target(S3Uri="s3://no-such-bucket/out")]}
    seen = run(cloud, request(cloud, "nobucket", ProcessingOutputConfig=config))
    assert seen["FailureReason"].startswith("ClientError: Failed to upload output: the bucket no-such-bucket")
    assert seen["ExitMessage"] == "3 rows"


# --- jobs that are stopped ---


def test_a_stopped_job_keeps_its_message_and_no_output(cloud: JobCloud):
    describe, client = begin(cloud, request(cloud, "stop", WAITS)), cloud.client("sagemaker")
    until(lambda: "waits" in lines(cloud, "stop"))
    client.stop_processing_job(ProcessingJobName="stop")
    assert describe()["ProcessingJobStatus"] in ("Stopping", "Stopped")
    with suppress(ClientError):
        client.stop_processing_job(ProcessingJobName="stop")  # a repeat is harmless; refused once it has ended
    seen = ended(describe)
    assert (seen["ProcessingJobStatus"], seen["ExitMessage"]) == ("Stopped", "was told to stop")
    assert ("FailureReason" in seen, objects(cloud, "stop")) == (False, {})
    code, message = refusal(client.stop_processing_job, ProcessingJobName="stop")
    assert (code, "is in status Stopped" in message) == ("ValidationException", True)


def test_a_job_that_overruns_is_stopped(cloud: JobCloud):
    seen = run(cloud, request(cloud, "long", WAITS, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert (seen["ProcessingJobStatus"], seen["ExitMessage"]) == ("Stopped", "was told to stop")
    assert 1 < (seen["ProcessingEndTime"] - seen["ProcessingStartTime"]).total_seconds() < 10


def test_a_job_that_is_stopped_at_once_never_runs(cloud: JobCloud):
    given = request(cloud, "early", "print('ran', flush=True)")
    context = Context(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:user/test", "r", datetime.now(UTC))
    with cloud.cloud._lock:  # no tick comes between the two
        overlay = cloud.world.overlay("sagemaker")
        overlay.create_processing_job(given, context)
        overlay.stop_processing_job({"ProcessingJobName": "early"}, context)
    seen = ended(lambda: cloud.client("sagemaker").describe_processing_job(ProcessingJobName="early"))
    assert (seen["ProcessingJobStatus"], "ProcessingStartTime" in seen) == ("Stopped", False)
    assert [id for id in cloud.executor.units() if id.startswith("processing/early/")] == []


# --- names, lists, tags ---


def test_a_name_is_taken_until_its_job_is_deleted(cloud: JobCloud):
    client = cloud.client("sagemaker")
    describe = begin(cloud, given := request(cloud, "name", WAITS))
    assert refusal(client.create_processing_job, **given)[0] == "ResourceInUse"
    assert refusal(client.delete_processing_job, ProcessingJobName="name")[0] == "ResourceInUse"
    client.stop_processing_job(ProcessingJobName="name")
    ended(describe)
    assert refusal(client.create_processing_job, **given)[0] == "ResourceInUse"
    client.delete_processing_job(ProcessingJobName="name")
    absent = ("ValidationException", "Could not find requested job with name: name")
    assert refusal(client.describe_processing_job, ProcessingJobName="name") == absent
    assert run(cloud, request(cloud, "name"))["ProcessingJobStatus"] == "Completed"


@pytest.mark.parametrize("operation", ["describe_processing_job", "stop_processing_job", "delete_processing_job"])
def test_a_job_that_does_not_exist_is_told_as_sagemaker_tells(cloud: JobCloud, operation: str):
    absent = ("ValidationException", "Could not find requested job with name: none")
    assert refusal(getattr(cloud.client("sagemaker"), operation), ProcessingJobName="none") == absent


def test_lists_are_filtered_before_they_are_paged(cloud: JobCloud):
    for name in ("list-b", "list-a", "other-1", "list-c"):
        run(cloud, request(cloud, name, "import sys; sys.exit(1)" if name == "list-c" else ""))

    def names(**arguments: Any) -> list[str]:
        pages = (
            cloud.client("sagemaker")
            .get_paginator("list_processing_jobs")
            .paginate(PaginationConfig={"PageSize": 1}, **arguments)
        )
        return [each["ProcessingJobName"] for page in pages for each in page["ProcessingJobSummaries"]]

    assert names(NameContains="list-") == ["list-b", "list-a", "list-c"]
    assert names(NameContains="list-", SortBy="Name", SortOrder="Descending") == ["list-c", "list-b", "list-a"]
    assert names(NameContains="list-", StatusEquals="Failed") == ["list-c"]


def test_tags_come_with_the_job_and_can_be_changed(cloud: JobCloud):
    client = cloud.client("sagemaker")
    run(cloud, request(cloud, "tags", "", Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]))
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:processing-job/tags"
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    client.delete_tags(ResourceArn=arn, TagKeys=["b"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    assert refusal(client.list_tags, ResourceArn=arn.replace("processing", "training"))[0] == "ValidationException"


# --- what is refused ---


TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"ProcessingResources": {"ClusterConfig": TWO}},
         "ResourceLimitExceeded", "'ml.m5.large for processing job usage'"),
        ({"ProcessingInputs": [source(), source()]}, "ValidationException", "unique names: test"),
        ({"ProcessingInputs": [source(), source() | {"InputName": "two"}]}, "ValidationException", "LocalPaths of"),
        ({"ProcessingInputs": [source(S3InputMode="Pipe")]}, "ValidationException", "Pipe"),
        ({"ProcessingInputs": [source(S3CompressionType="Gzip")]}, "ValidationException", "Gzip"),
        ({"ProcessingInputs": [source(S3DataType="ManifestFile")]}, "ValidationException", "ManifestFile"),
        ({"ProcessingInputs": [source(LocalPath="/opt/ml/model")]}, "ValidationException", "/opt/ml/model must begin with"),
        ({"ProcessingInputs": [source(LocalPath="/opt/ml/processing/../x")]}, "ValidationException", "not lead out"),
        ({"ProcessingOutputConfig": {"Outputs": [target(S3UploadMode="Continuous")]}}, "ValidationException", "Continuous"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 777_601}}, "ValidationException", "MaxRuntimeInSeconds"),
        ({"ProcessingJobName": "under_score"}, "ValidationException", "ProcessingJobName"),
    ],
)  # fmt: skip
def test_what_is_not_to_be_is_refused_at_once(cloud: JobCloud, changes: dict[str, Any], code: str, words: str):
    given = request(cloud, "refused") | changes
    found, message = refusal(cloud.client("sagemaker").create_processing_job, **given)
    assert (found, words in message) == (code, True), message
    assert (
        refusal(cloud.client("sagemaker").describe_processing_job, ProcessingJobName="refused")[0] == "ValidationException"
    )


# --- deaths ---


def restarted(own: JobCloud, request: pytest.FixtureRequest) -> JobCloud:
    again = JobCloud(own.folder, own.cache)
    request.addfinalizer(again.close)
    return again


request_ = request


def test_a_running_job_is_adopted_by_the_next_gateway(own: JobCloud, request: pytest.FixtureRequest):
    describe = begin(own, request_(own, "adopted", WAITS))
    until(lambda: lines(own, "adopted"))
    started = describe()["ProcessingStartTime"]
    own.halt()
    (folder,) = (own.folder / "processing-jobs").iterdir()
    (folder / "processing/go").touch()  # it goes on while there is no gateway
    again = restarted(own, request)
    assert again.lost == []
    seen = ended(lambda: again.client("sagemaker").describe_processing_job(ProcessingJobName="adopted"))
    assert (seen["ProcessingJobStatus"], seen["ProcessingStartTime"]) == ("Completed", started)
    assert lines(again, "adopted") == ["waits", "goes on"]
    assert objects(again, "adopted") == {"done": "done"}


def test_a_job_whose_process_died_with_the_gateway_is_said_to_be_lost(own: JobCloud, request: pytest.FixtureRequest):
    begin(own, request_(own, "lost", WAITS))
    until(lambda: lines(own, "lost"))
    state = own.executor.state(next(id for id in own.executor.units() if id.startswith("processing/lost/")))
    assert isinstance(state, Running)
    parent = int(Path(f"/proc/{state.pid}/stat").read_text().rpartition(")")[2].split()[1])
    own.halt()
    os.kill(parent, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{state.pid}/exe").exists())
    again = restarted(own, request)
    assert again.lost == ["processing job lost: its process ended with the last local cloud"]
    seen = again.client("sagemaker").describe_processing_job(ProcessingJobName="lost")
    assert (seen["ProcessingJobStatus"], seen["FailureReason"][:20]) == ("Failed", "InternalServerError:")


def test_jobs_of_both_kinds_may_have_one_name(cloud: JobCloud):
    given = request(cloud, "twin", "")
    run(cloud, given)
    training = {
        "TrainingJobName": "twin",
        "AlgorithmSpecification": {"TrainingImage": given["AppSpecification"]["ImageUri"], "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://results/twin-training"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    client = cloud.client("sagemaker")
    client.create_training_job(**training)
    until(lambda: client.describe_training_job(TrainingJobName="twin")["TrainingJobStatus"] == "Completed")
    assert client.describe_processing_job(ProcessingJobName="twin")["ProcessingJobStatus"] == "Completed"
