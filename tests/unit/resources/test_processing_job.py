"""Processing jobs: attempts, how a job ends, and the report that it leaves."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from trimtab.core.kind import Broken, Failure, Moving, Settled, Unknown
from trimtab.resources import KINDS
from trimtab.resources.processing_job import Desired, Observed
from unit.resources.samples import AT, JOB, PROCESSING, SAMPLES, absent
from unit.resources.support import drive

KIND = KINDS["sagemaker.ProcessingJob"]
DESIRED: Desired = SAMPLES["sagemaker.ProcessingJob"].desired
CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."


def job(number: int, status: str = "Completed", run: str = "run-1", **fields: Any) -> dict[str, Any]:
    name = f"{JOB}-a{number}"
    uri = f"s3://b/deployments/u/jobs/{name}/output"
    outputs = {"Outputs": [{"OutputName": "output", "S3Output": {"S3Uri": uri}}]}
    environment = {"TRIMTAB_RUN": run, "TRIMTAB_REPORT": "evaluation.json"}
    about = {"ProcessingJobName": name, "ProcessingJobStatus": status, "Environment": environment}
    return {**PROCESSING, **about, "ProcessingOutputConfig": outputs, **fields}


def world(*jobs: dict[str, Any], body: Any = b'{"metrics": {}}') -> dict[str, Any]:
    """Replies of a SageMaker that holds these jobs, and of the S3 that holds their reports."""
    by_name = {each["ProcessingJobName"]: each for each in jobs}
    return {
        "DescribeProcessingJob": lambda given: by_name.get(given["ProcessingJobName"], absent("DescribeProcessingJob")),
        "GetObject": body if isinstance(body, Failure) else {"Body": body},
    }


def seen(*jobs: dict[str, Any], body: Any = b'{"metrics": {}}') -> Any:
    return drive(KIND.observe([JOB]), world(*jobs, body=body))[1][JOB]


def failed(number: int, reason: str, run: str = "run-1", **fields: Any) -> dict[str, Any]:
    return job(number, "Failed", run, FailureReason=reason, **fields)


@pytest.mark.parametrize(
    ("jobs", "state"),
    [
        pytest.param([job(1)], Settled(), id="completed"),
        pytest.param([job(1, "InProgress")], Moving(f"{JOB}-a1 is InProgress", 5.0), id="at work"),
        pytest.param([job(1, "Stopping")], Moving(f"{JOB}-a1 is Stopping", 5.0), id="being stopped"),
        pytest.param(
            [failed(1, "AlgorithmError: , exit code: 1", ExitMessage="evaluate.py ended with exit code 1")],
            Broken(
                "ChampionUnevaluated",
                f"{JOB}-a1 failed: AlgorithmError: , exit code: 1: evaluate.py ended with exit code 1",
            ),
            id="the program failed",
        ),
        pytest.param(
            [failed(1, CAPACITY)], Broken("NoCapacity", f"{JOB}-a1 failed: {CAPACITY}", again=True), id="no capacity"
        ),
        pytest.param(
            [failed(1, CAPACITY), failed(2, CAPACITY), failed(3, CAPACITY)],
            Broken("NoCapacity", f"{JOB}-a3 failed: {CAPACITY}"),
            id="three tries are enough",
        ),
        pytest.param(
            [failed(1, "AlgorithmError: , exit code: 1", run="run-0")],
            Broken("ChampionUnevaluated", f"{JOB}-a1 failed: AlgorithmError: , exit code: 1", again=True),
            id="another instance type is declared since",
        ),
        pytest.param(
            [job(1, "Stopped", ProcessingEndTime=AT + timedelta(seconds=3601))],
            Broken("ChampionUnevaluated", f"{JOB}-a1 was stopped, since it ran past its time limit"),
            id="ran past its limit",
        ),
        pytest.param([job(1, "Stopped")], Broken("ChampionUnevaluated", f"{JOB}-a1 ended Stopped"), id="stopped by hand"),
    ],
)
def test_how_a_job_stands(jobs: list[dict[str, Any]], state: object):
    assert KIND.state(DESIRED, seen(*jobs)) == state


@pytest.mark.parametrize(
    ("jobs", "made"),
    [
        ([], f"{JOB}-a1"),
        ([failed(1, CAPACITY)], f"{JOB}-a2"),
        ([job(1, "InProgress")], ""),
        ([job(1)], ""),
    ],
    ids=["none", "one failed", "one is at work", "one is done"],
)
def test_the_next_attempt_is_made_where_none_stands(jobs: list[dict[str, Any]], made: str):
    calls, _ = drive(KIND.create(DESIRED), world(*jobs))
    creates = [call.arguments["ProcessingJobName"] for call in calls if call.operation == "CreateProcessingJob"]
    assert creates == ([made] if made else [])


def test_the_report_of_a_job_that_is_done_is_read():
    observed = seen(failed(1, CAPACITY), job(2), body=b'{"metrics": {"accuracy": 0.9}}')
    assert observed.report == {"metrics": {"accuracy": 0.9}}
    calls, _ = drive(KIND.observe([JOB]), world(failed(1, CAPACITY), job(2)))
    (read,) = [call.arguments for call in calls if call.operation == "GetObject"]
    assert read == {"Bucket": "b", "Key": f"deployments/u/jobs/{JOB}-a2/output/evaluation.json"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (absent("GetObject"), f"{JOB}-a1 left no evaluation.json"),
        (b"{", f"the evaluation.json of {JOB}-a1 is no JSON mapping"),
        (b"[1]", f"the evaluation.json of {JOB}-a1 is no JSON mapping"),
    ],
)
def test_a_report_that_is_none_is_a_problem_of_the_job(body: Any, problem: str):
    observed = seen(job(1), body=body)
    assert isinstance(observed, Observed)
    assert (observed.report, observed.problem) == (None, problem)


def test_a_report_that_may_not_be_read_makes_the_job_unknown():
    assert seen(job(1), body=Failure("denied", "no")) == Unknown("no", "denied")


def test_no_report_is_read_of_a_job_that_leaves_none():
    calls, _ = drive(KIND.observe([JOB]), world(job(1, Environment={})))
    assert [call.operation for call in calls] == ["DescribeProcessingJob", "DescribeProcessingJob"]
    calls, _ = drive(KIND.create(replace(DESIRED, report="", run="")), world())
    assert "Environment" not in calls[-1].arguments


def test_delete_stops_what_runs_and_removes_the_rest_from_the_last():
    calls, _ = drive(KIND.delete(seen(failed(1, CAPACITY), job(2, "InProgress"))), world())
    assert [call.operation for call in calls] == ["StopProcessingJob"]
    calls, _ = drive(KIND.delete(seen(failed(1, CAPACITY), job(2))), world())
    gone = [call.arguments["ProcessingJobName"] for call in calls if call.operation == "DeleteProcessingJob"]
    assert gone == [f"{JOB}-a2", f"{JOB}-a1"]
    listed = [call.arguments["Prefix"] for call in calls if call.operation == "ListObjectsV2"]
    assert listed == [f"deployments/u/jobs/{JOB}-a2/", f"deployments/u/jobs/{JOB}-a1/"]
