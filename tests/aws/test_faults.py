"""Injected faults, as an unmodified client meets them, before and after the effect."""

import contextlib

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ConnectTimeoutError, HTTPClientError, ReadTimeoutError
from click.testing import CliRunner

from clouds import RunningCloud, running_cloud
from trimtab.cli.local import KINDS, command
from trimtab.clients.aws import Account, Aws
from trimtab.core.kind import Call, Failure
from trimtab.local import faults as made

pytestmark = pytest.mark.xdist_group("injected")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("faults") / "state") as made_cloud:
        yield made_cloud


def inject(cloud: RunningCloud, *words: str) -> str:
    done = CliRunner().invoke(command, ["fault", *words, "--state", str(cloud.folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def clusters(cloud: RunningCloud) -> int:
    return len(cloud.client("ecs").list_clusters()["clusterArns"])


def test_the_command_line_offers_what_there_is():
    assert KINDS == made.KINDS


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("ecs", lambda client: client.list_clusters(), "ThrottlingException"),
        ("s3", lambda client: client.list_buckets(), "SlowDown"),
        ("elbv2", lambda client: client.describe_load_balancers(), "Throttling"),
        ("apigateway", lambda client: client.get_rest_apis(), "TooManyRequestsException"),
        ("iam", lambda client: client.list_roles(), "Throttling"),
        ("ec2", lambda client: client.describe_vpcs(), "RequestLimitExceeded"),
        ("sagemaker", lambda client: client.list_training_jobs(), "ThrottlingException"),
    ],
)
def test_each_service_throttles_in_its_own_words(cloud, service, call, code):
    inject(cloud, "add", "--service", service, "--kind", "throttle")
    with pytest.raises(ClientError) as refused:
        call(cloud.client(service))
    assert refused.value.response["Error"]["Code"] == code
    call(cloud.client(service))  # it was due once


@pytest.mark.parametrize(
    ("service", "code"), [("ecs", "ExpiredTokenException"), ("s3", "ExpiredToken"), ("iam", "ExpiredToken")]
)
def test_credentials_expire_in_each_services_own_words(cloud, service, code):
    inject(cloud, "add", "--service", service, "--kind", "expired")
    call = {"ecs": "list_clusters", "s3": "list_buckets", "iam": "list_roles"}[service]
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client(service), call)()
    assert refused.value.response["Error"]["Code"] == code


def test_credentials_that_are_corrected_in_a_file_are_taken_without_a_new_start(cloud, tmp_path, monkeypatch):
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)

    def write(secret: str, id_: str = cloud.info.access_key_id) -> None:
        file.write_text(f"[default]\naws_access_key_id = {id_}\naws_secret_access_key = {secret}\n")

    monkeypatch.setattr("trimtab.clients.aws._RENEWAL_S", 0.0)
    aws = Aws(Account(cloud.info.region, cloud.info.endpoint))
    listed = Call("ecs", "ListClusters", {})
    write("wrong")
    with pytest.raises(
        Failure, match=f"access key {cloud.info.access_key_id} cannot ecs:ListClusters: the secret key does"
    ) as no:
        aws.make(listed)
    assert no.value.meaning == "denied"
    write("wrong", "AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(Failure, match="AKIAIOSFODNN7EXAMPLE cannot ecs:ListClusters: the access key is not known there"):
        aws.make(listed)
    write(cloud.info.secret_access_key)
    assert aws.make(listed)["clusterArns"] == []


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            Call("ecs", "UpdateService", {"cluster": "main", "service": "digits"}, repeat="safe"),
            "user/trimtab may not ecs:UpdateService on service digits: no identity-based policy allows it; "
            "allow ecs:UpdateService on service digits to arn:aws:iam::",
        ),
        (
            Call("elbv2", "DeleteRule", {"RuleArn": "arn:aws:rule"}, repeat="safe"),
            "user/trimtab may not elasticloadbalancing:DeleteRule on arn:aws:rule",
        ),
        (Call("s3", "GetObject", {"Bucket": "state", "Key": "a"}), " may not s3:GetObject on arn:aws:s3:::state/a; allow "),
        (Call("ec2", "DescribeVpcs", {}), "user/trimtab may not ec2:DescribeVpcs"),
    ],
    ids=lambda each: each.service if isinstance(each, Call) else "",
)
def test_a_refusal_names_caller_action_and_resource(cloud, call, told):
    info = cloud.info
    aws = Aws(Account(info.region, info.endpoint, info.access_key_id, info.secret_access_key))
    inject(cloud, "add", "--service", call.service, "--operation", call.operation, "--kind", "denied")
    with pytest.raises(Failure) as refused:
        aws.make(call)
    assert refused.value.meaning == "denied"
    assert told in refused.value.reason
    assert "arn:aws:" in refused.value.reason.partition(" may not ")[0]


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("throttle", ClientError),
        ("serverError", ClientError),
        ("reset", (ConnectionClosedError, HTTPClientError)),
        ("timeout", ReadTimeoutError),
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_fault_strikes_before_or_after_the_effect(cloud, kind, raised, after):
    before = clusters(cloud)
    words = ["add", "--service", "ecs", "--operation", "CreateCluster", "--kind", kind, *(["--after"] if after else [])]
    inject(cloud, *words)
    with pytest.raises(raised):
        cloud.client("ecs", read_timeout=1).create_cluster(clusterName=f"{kind}-{after}")
    assert clusters(cloud) == before + after


def test_another_operation_is_not_struck_and_a_count_runs_out(cloud):
    inject(cloud, "add", "--service", "ecs", "--operation", "DeleteCluster", "--kind", "throttle", "--times", "2")
    clusters(cloud)
    for _ in range(2):
        with pytest.raises(ClientError):
            cloud.client("ecs").delete_cluster(cluster="x")
    assert "DeleteCluster" not in inject(cloud, "list")


def test_what_is_due_is_listed_and_cleared(cloud):
    inject(cloud, "add", "--service", "logs", "--kind", "serverError")
    assert "serverError" in inject(cloud, "list")
    inject(cloud, "clear")
    cloud.client("logs").describe_log_groups()


def test_the_clients_of_the_operator_repeat_reads_and_never_writes(cloud):
    info = cloud.info
    aws = Aws(Account(info.region, info.endpoint, info.access_key_id, info.secret_access_key))
    inject(cloud, "add", "--service", "ecs", "--operation", "ListClusters", "--kind", "reset", "--times", "2")
    aws.make(Call("ecs", "ListClusters", {}))
    inject(cloud, "add", "--service", "ecs", "--operation", "CreateCluster", "--kind", "reset", "--after")
    before = clusters(cloud)
    with pytest.raises(Failure) as failed:
        aws.make(Call("ecs", "CreateCluster", {"clusterName": "once"}, repeat="once"))
    assert failed.value.meaning == "transient"
    assert clusters(cloud) == before + 1


def test_clients_that_gave_up_waiting_hold_nothing(cloud):
    """More of them than the gateway has threads: each is let go when its client leaves."""
    inject(cloud, "add", "--service", "ecs", "--operation", "ListClusters", "--kind", "timeout", "--times", "40")
    for _ in range(40):
        with pytest.raises(ReadTimeoutError):
            cloud.client("ecs", read_timeout=0.05).list_clusters()
    cloud.client("ecs", read_timeout=5).list_clusters()


def test_operations_of_s3_are_told_apart(cloud):
    s3 = cloud.client("s3")
    where = {"Bucket": "trimtab-local-data", "Key": "a b/c"}
    asked: list[str] = []
    s3.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    before = len(cloud.journal())
    s3.put_object(**where, Body=b"x")
    s3.get_object(**where)
    s3.head_object(**where)
    s3.head_bucket(Bucket="trimtab-local-data")
    s3.copy_object(**where | {"Key": "copy"}, CopySource=where)
    s3.list_buckets()
    s3.list_objects_v2(Bucket="trimtab-local-data", Prefix="a")
    s3.put_object_tagging(**where, Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    upload = {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    tag = s3.upload_part(**where, **upload, PartNumber=1, Body=b"y")["ETag"]
    s3.list_parts(**where, **upload)
    s3.complete_multipart_upload(**where, **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    upload = {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    s3.upload_part_copy(**where, **upload, PartNumber=1, CopySource=where)
    s3.abort_multipart_upload(**where, **upload)
    s3.delete_objects(Bucket="trimtab-local-data", Delete={"Objects": [{"Key": "copy"}]})
    s3.delete_object(**where)
    assert [each["operation"] for each in cloud.journal()[before:]] == asked


def test_a_silence_holds_up_nobody_else(cloud):
    inject(cloud, "add", "--service", "ecs", "--operation", "ListClusters", "--kind", "timeout")
    with contextlib.suppress(ReadTimeoutError, ConnectTimeoutError):
        cloud.client("ecs", read_timeout=0.2).list_clusters()
    cloud.client("iam", read_timeout=10).list_roles()  # raises where it waits behind the silent one
