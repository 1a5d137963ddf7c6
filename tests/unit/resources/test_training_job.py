"""Training jobs: attempts, what another attempt may help, and how a job ends."""

from dataclasses import replace
from typing import Any

import pytest

from trimtab.core.kind import Broken, Call, Failure, Moving, Progress, Ref, Settled
from trimtab.resources import KINDS
from trimtab.resources.training_job import Desired, Observed
from unit.resources.samples import JOB, JOB_REPLY, SAMPLES, absent
from unit.resources.support import drive

KIND = KINDS["sagemaker.TrainingJob"]
DESIRED: Desired = SAMPLES["sagemaker.TrainingJob"].desired


def job(number: int, status: str = "Completed", **fields: Any) -> dict[str, Any]:
    return {**JOB_REPLY, "TrainingJobName": f"{JOB}-a{number}", "TrainingJobStatus": status, **fields}


def failed(number: int, reason: str, run: str = "run-1", **fields: Any) -> dict[str, Any]:
    return job(number, "Failed", FailureReason=reason, SecondaryStatus="Failed", Environment={"TRIMTAB_RUN": run}, **fields)


def world(*jobs: dict[str, Any]) -> dict[str, Any]:
    """Replies of a SageMaker that holds these jobs."""
    by_name = {each["TrainingJobName"]: each for each in jobs}
    return {"DescribeTrainingJob": lambda given: by_name.get(given["TrainingJobName"], absent("DescribeTrainingJob"))}


def seen(*jobs: dict[str, Any]) -> Observed:
    _, found = drive(KIND.observe([JOB]), world(*jobs))
    return found[JOB]


def created(*jobs: dict[str, Any], desired: Desired = DESIRED) -> list[Call]:
    calls, _ = drive(KIND.create(desired), world(*jobs))
    return [call for call in calls if call.operation == "CreateTrainingJob"]


CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."


@pytest.mark.parametrize(
    ("jobs", "state"),
    [
        pytest.param([job(1)], Settled(), id="completed"),
        pytest.param(
            [failed(1, "AlgorithmError: ValueError, exit code: 1")],
            Broken("TrainingFailed", f"{JOB}-a1 failed: AlgorithmError: ValueError, exit code: 1"),
            id="the program failed",
        ),
        pytest.param(
            [failed(1, CAPACITY)], Broken("NoCapacity", f"{JOB}-a1 failed: {CAPACITY}", again=True), id="no capacity"
        ),
        pytest.param(
            [failed(1, "InternalServerError: try again")],
            Broken("TrainingFailed", f"{JOB}-a1 failed: InternalServerError: try again", again=True),
            id="the platform failed",
        ),
        pytest.param(
            [failed(1, CAPACITY), failed(2, CAPACITY), failed(3, CAPACITY)],
            Broken("NoCapacity", f"{JOB}-a3 failed: {CAPACITY}"),
            id="three tries are enough",
        ),
        pytest.param(
            [failed(1, "AlgorithmError: out of memory", run="run-0")],
            Broken("TrainingFailed", f"{JOB}-a1 failed: AlgorithmError: out of memory", again=True),
            id="another instance type is declared since",
        ),
        pytest.param(
            [failed(1, CAPACITY, run="run-0"), failed(2, CAPACITY, run="run-0"), failed(3, CAPACITY)],
            Broken("NoCapacity", f"{JOB}-a3 failed: {CAPACITY}", again=True),
            id="tries are counted in this run",
        ),
        pytest.param(
            [job(1, "Stopped", SecondaryStatus="MaxRuntimeExceeded")],
            Broken("TrainingTimedOut", f"{JOB}-a1 was stopped, since it ran past its time limit"),
            id="ran past its limit",
        ),
        pytest.param(
            [job(1, "Stopped", SecondaryStatus="Stopped", SecondaryStatusTransitions=[])],
            Broken("TrainingStopped", f"{JOB}-a1 ended Stopped"),
            id="stopped by hand",
        ),
        pytest.param(
            [job(1, "NEW_STATUS", SecondaryStatusTransitions=[])],
            Broken("TrainingFailed", f"{JOB}-a1 ended NEW_STATUS"),
            id="a status that is not known",
        ),
    ],
)
def test_how_a_job_stands(jobs: list[dict[str, Any]], state: object):
    assert KIND.state(DESIRED, seen(*jobs)) == state


def test_a_running_job_shows_its_epoch_and_metrics():
    running = job(
        1,
        "InProgress",
        SecondaryStatus="Training",
        SecondaryStatusTransitions=[{"Status": "Training", "StatusMessage": "Training image download completed."}],
        FinalMetricDataList=[{"MetricName": "epoch", "Value": 3.0}, {"MetricName": "loss", "Value": 0.25}],
    )
    note = "Training: Training image download completed. (epoch 3, loss 0.25)"
    assert KIND.state(DESIRED, seen(running)) == Moving(note, 5.0, Progress(3, 8, "epochs", note))


def test_a_metric_that_is_not_a_number_is_kept_for_the_gate_to_judge():
    observed = seen(job(1, FinalMetricDataList=[{"MetricName": "epoch", "Value": float("nan")}]))
    assert observed.metrics["epoch"] != observed.metrics["epoch"]
    KIND.state(DESIRED, replace(observed, attempts=(replace(observed.last, status="InProgress"),)))


def test_the_last_attempt_is_found_by_describing_until_one_is_absent():
    calls, found = drive(KIND.observe([JOB]), world(failed(1, CAPACITY), job(2)))
    names = [call.arguments["TrainingJobName"] for call in calls]
    assert names == [f"{JOB}-a1", f"{JOB}-a2", f"{JOB}-a3"]
    assert (found[JOB].attempt, found[JOB].job_name, len(found[JOB].attempts)) == (2, f"{JOB}-a2", 2)


def test_past_one_that_has_not_ended_nothing_is_described():
    calls, found = drive(KIND.observe([JOB]), world(failed(1, CAPACITY), job(2, "InProgress")))
    assert [call.arguments["TrainingJobName"] for call in calls] == [f"{JOB}-a1", f"{JOB}-a2"]
    assert found[JOB].attempt == 2


def test_jobs_of_one_round_are_described_together_and_one_denial_hides_one_job():
    other = "vision-other-0a1b2c3d4e5f"
    answers = world(job(1))

    def reply(given: dict[str, Any]) -> Any:
        if given["TrainingJobName"].startswith(other):
            return Failure("denied", "not allowed")
        return answers["DescribeTrainingJob"](given)

    _, found = drive(KIND.observe([JOB, other]), {"DescribeTrainingJob": reply})
    assert isinstance(found[JOB], Observed)
    assert found[other].reason == "not allowed"


@pytest.mark.parametrize(
    ("jobs", "desired", "made"),
    [
        pytest.param([], DESIRED, [f"{JOB}-a1"], id="the first"),
        pytest.param([failed(1, CAPACITY)], DESIRED, [f"{JOB}-a2"], id="the next"),
        pytest.param([job(1, "InProgress")], DESIRED, [], id="one runs: a repeated create is harmless"),
        pytest.param([job(1, "Stopping")], DESIRED, [], id="one is stopping"),
        pytest.param([job(1)], DESIRED, [], id="one is done"),
        pytest.param([job(1)], replace(DESIRED, attempt=2), [f"{JOB}-a2"], id="its artifact was lost"),
        pytest.param([job(1), job(2)], replace(DESIRED, attempt=2), [], id="a second one is done"),
    ],
)
def test_the_next_attempt_is_made_once(jobs: list[dict[str, Any]], desired: Desired, made: list[str]):
    assert [call.arguments["TrainingJobName"] for call in created(*jobs, desired=desired)] == made


def test_a_retry_that_a_person_asked_for_is_another_attempt():
    observed = seen(failed(1, "AlgorithmError: x"))
    asked = replace(DESIRED, attempt=2)
    assert KIND.state(asked, observed) == Broken("Retrying", f"attempt 2 is asked for, {JOB}-a1 was the last", again=True)


def test_attempts_that_cannot_be_read_are_never_guessed():
    with pytest.raises(Failure, match="cannot be read"):
        drive(KIND.create(DESIRED), {"DescribeTrainingJob": Failure("throttled", "slow down")})


def test_no_capacity_takes_the_next_instance_type():
    def type_of(*jobs: dict[str, Any]) -> str:
        return created(*jobs)[0].arguments["ResourceConfig"]["InstanceType"]

    assert type_of() == "ml.m5.large"
    assert type_of(failed(1, CAPACITY)) == "ml.c5.xlarge"
    assert type_of(failed(1, CAPACITY), failed(2, CAPACITY)) == "ml.c5.xlarge"
    assert type_of(failed(1, CAPACITY, run="run-0")) == "ml.m5.large"


def test_the_request_says_what_was_declared():
    (call,) = created()
    assert call.repeat == "safe"
    arguments = call.arguments
    assert arguments["AlgorithmSpecification"]["ContainerEntrypoint"] == [
        "python3",
        "/opt/ml/input/data/trimtab/launcher.pyz",
    ]
    assert arguments["AlgorithmSpecification"]["MetricDefinitions"] == [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}]
    assert arguments["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://b/deployments/u/datasets/d/train/"
    assert arguments["Environment"] == {"TRIMTAB_ENTRY_POINT": "train.py", "TRIMTAB_RUN": "run-1"}
    assert arguments["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}


def test_a_role_that_is_not_known_yet_is_never_sent():
    with pytest.raises(TypeError, match=r"iam\.Role/training"):
        created(desired=replace(DESIRED, role_arn=Ref("iam.Role/training", "arn")))


def deleted(*jobs: dict[str, Any]) -> list[tuple[str, Any]]:
    listing = lambda given: {"Contents": [{"Key": f"{given['Prefix']}output/model.tar.gz"}]}  # noqa: E731
    calls, _ = drive(KIND.delete(seen(*jobs)), {"ListObjectsV2": listing})
    return [(call.operation, call.arguments.get("TrainingJobName")) for call in calls if call.repeat != "read"]


def test_a_running_job_is_stopped_first_and_deleted_by_a_later_pass():
    assert deleted(job(1, "InProgress")) == [("StopTrainingJob", f"{JOB}-a1")]
    assert deleted(job(1, "Stopping")) == []


def test_attempts_go_from_the_last_to_the_first_each_with_what_it_wrote():
    # A row that starts at a1 is found again after a crash; one without a1 would be lost for ever.
    assert deleted(failed(1, CAPACITY), job(2)) == [
        ("DeleteObjects", None),
        ("DeleteTrainingJob", f"{JOB}-a2"),
        ("DeleteObjects", None),
        ("DeleteTrainingJob", f"{JOB}-a1"),
    ]
    assert deleted(failed(1, CAPACITY), job(2, "InProgress")) == [("StopTrainingJob", f"{JOB}-a2")]


def test_only_the_outputs_of_the_job_itself_are_deleted():
    calls, _ = drive(KIND.delete(seen(job(1))), {"ListObjectsV2": {"Contents": []}})
    assert {call.arguments["Prefix"] for call in calls if "Prefix" in call.arguments} == {f"deployments/u/jobs/{JOB}-a1/"}
