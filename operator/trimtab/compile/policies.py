"""Least-privilege policies of the roles that a managed environment gets, as canonical JSON text."""

from collections.abc import Mapping
from typing import Any

from trimtab.core.canonical import canonical_json

JOB_LOGS = ("/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs")  # SageMaker's own names; not ours to choose


def training_policy(bucket: str, folder: str, region: str, account: str) -> str:
    """Read the deployment's inputs, write its outputs, pull the training image, write SageMaker's own logs.

    What a training job needs, and one that evaluates a champion. folder: the deployment's prefix in the bucket, with its
    last slash.
    """
    logs = [f"arn:aws:logs:{region}:{account}:log-group:{group}" for group in JOB_LOGS]
    return _policy(
        _allow(["s3:GetObject"], f"arn:aws:s3:::{bucket}/{folder}*"),
        _allow(["s3:PutObject", "s3:AbortMultipartUpload"], f"arn:aws:s3:::{bucket}/{folder}jobs/*"),
        _allow(["s3:ListBucket"], f"arn:aws:s3:::{bucket}", {"StringLike": {"s3:prefix": f"{folder}*"}}),
        _allow(["ecr:GetAuthorizationToken"], "*"),  # has no resource to name
        _allow(_PULL, f"arn:aws:ecr:{region}:*:repository/*"),
        _allow(["logs:CreateLogGroup"], logs),
        _allow(["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], [f"{each}:*" for each in logs]),
        _allow(["cloudwatch:PutMetricData"], "*", {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}),
    )


def execution_policy(repository: str, log_group: str, region: str, account: str) -> str:
    """Pull the serving image and write to the deployment's log group: what ECS itself does to start a task."""
    return _policy(
        _allow(["ecr:GetAuthorizationToken"], "*"),
        _allow(_PULL, f"arn:aws:ecr:{region}:{account}:repository/{repository}"),
        _allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"arn:aws:logs:{region}:{account}:log-group:{log_group}:*"),
    )


_PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def _allow(actions: list[str], resource: str | list[str], condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": dict(condition)} if condition else {})


def _policy(*statements: dict[str, Any]) -> str:
    return canonical_json({"Version": "2012-10-17", "Statement": list(statements)})
