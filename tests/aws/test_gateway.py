"""The gateway: who may speak to it, what it answers to what is not there, and what survives its death."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import boto3
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from clouds import RunningCloud, running_cloud
from job_cloud import job_cloud, until
from trimtab.local.commands import down, free_ports, is_up, up

TRIMTAB = str(Path(sys.executable).parent / "trimtab")
MADE_UP = "AKIAX/20260101/us-east-1/ecs/aws4_request"
POOL = urllib3.PoolManager(retries=False)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("gateway") / "state") as made:
        yield made


# --- the gate -------------------------------------------------------------------------------------------------------


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="unsigned"),
        pytest.param({"Origin": "https://evil.example"}, id="a web page"),
        pytest.param({"Host": "evil.example"}, id="a rebound name"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="a form of another site"),
        pytest.param(
            {"Authorization": f"AWS4-HMAC-SHA256 Credential={MADE_UP}, SignedHeaders=host, Signature=0"},
            id="made up",
        ),
    ],
)
def test_what_is_not_ours_is_refused(cloud: RunningCloud, headers):
    sent = {
        "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.CreateCluster",
        "Content-Type": "application/x-amz-json-1.1",
        **headers,
    }
    reply = POOL.request("POST", f"{cloud.info.endpoint}/", body=b'{"clusterName":"evil"}', headers=sent)
    assert reply.status == 403
    assert cloud.client("ecs").list_clusters()["clusterArns"] == []


@pytest.mark.parametrize("path", ["/moto-api/reset", "/moto-api/data.json", "/_trimtab/journal", "/_trimtab/faults"])
def test_no_inner_page_is_open(cloud: RunningCloud, path):
    assert POOL.request("POST", f"{cloud.info.endpoint}{path}").status == 403


def test_health_is_open_and_says_nothing(cloud: RunningCloud):
    assert POOL.request("GET", f"{cloud.info.endpoint}/_trimtab/health").json() == {"status": "ok"}


def test_a_wrong_secret_is_refused_with_aws_own_code(cloud: RunningCloud):

    client = boto3.client(
        "ecs",
        endpoint_url=cloud.info.endpoint,
        region_name="us-east-1",
        aws_access_key_id=cloud.info.access_key_id,
        aws_secret_access_key="wrong",
    )
    with pytest.raises(ClientError) as raised:
        client.list_clusters()
    assert code_of(raised) == "SignatureDoesNotMatch"


def test_a_presigned_url_works_and_an_edited_one_does_not(cloud: RunningCloud):
    s3 = cloud.client("s3", signature_version="s3v4", s3={"addressing_style": "path"})
    s3.put_object(Bucket="trimtab-local-data", Key="a b/c+d", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "trimtab-local-data", "Key": "a b/c+d"})
    assert POOL.request("GET", url).data == b"x"
    assert POOL.request("GET", url.replace("c%2Bd", "other")).status == 403


def test_only_loopback_is_bound_and_the_state_is_the_owners(cloud: RunningCloud):
    assert cloud.folder.stat().st_mode & 0o777 == 0o700
    for name in ("cloud.json", "key.json"):
        assert (cloud.folder / name).stat().st_mode & 0o077 == 0
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=False).stdout
    for port in cloud.ports:
        for line in (each for each in listening.splitlines() if f":{port} " in each):
            assert f"127.0.0.1:{port}" in line


# --- what is not there ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "call", "arguments"),
    [
        ("ecs", "list_container_instances", {}),
        ("sagemaker", "list_endpoints", {}),
        ("elbv2", "describe_ssl_policies", {}),
        ("apigateway", "get_domain_names", {}),
        ("logs", "describe_queries", {}),
        ("iam", "list_mfa_device_tags", {"SerialNumber": "x" * 10}),
        ("pricing", "describe_services", {}),
        ("ce", "get_anomalies", {"DateInterval": {"StartDate": "2026-01-01"}}),
    ],
)
def test_what_is_not_implemented_is_an_error_of_the_protocol(cloud: RunningCloud, service, call, arguments):
    with pytest.raises(ClientError) as raised:
        getattr(cloud.client(service), call)(**arguments)
    assert code_of(raised) not in ("", "500")


def signed(cloud: RunningCloud, verb: str, path: str, service: str, body: bytes = b"", **headers: str) -> Any:
    request = AWSRequest(verb, f"{cloud.info.endpoint}{path}", data=body, headers=headers)
    credentials = Credentials(cloud.info.access_key_id, cloud.info.secret_access_key)
    SigV4Auth(credentials, service, cloud.info.region).add_auth(request)
    return POOL.request(verb, request.url, body=body, headers=dict(request.headers.items()))


ECS = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/making-api-requests.html
def test_a_service_that_speaks_json_as_well_answers_forms_in_xml(cloud: RunningCloud):
    def ask(action: str, **fields: str) -> Any:
        return signed(cloud, "POST", "/", "monitoring", urlencode({"Action": action, **fields}).encode(), **FORM)

    alarm = {"Namespace": "N", "MetricName": "M", "ComparisonOperator": "GreaterThanThreshold", "Threshold": "5"}
    alarm |= {"Period": "60", "EvaluationPeriods": "1", "Statistic": "Sum", "AlarmName": "by-form"}
    dimension = {"Dimensions.member.1.Name": "D", "Dimensions.member.1.Value": "1"}
    made = ask("PutMetricAlarm", **alarm, **dimension)
    assert (made.status, made.headers["Content-Type"]) == (200, "text/xml")
    (found,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=["by-form"])["MetricAlarms"]
    assert (found["Threshold"], found["Dimensions"]) == (5.0, [{"Name": "D", "Value": "1"}])
    shown = ElementTree.fromstring(ask("DescribeAlarms", **{"AlarmNames.member.1": "by-form"}).data)
    assert [each.text for each in shown.iter() if each.tag.endswith("}AlarmName")] == ["by-form"]
    refused = ask("DeleteAlarms", **{"AlarmNames.member.1": "none"})
    assert (refused.status, b"<Code>ResourceNotFound</Code>" in refused.data) == (404, True)


@pytest.mark.parametrize(
    ("verb", "path", "service", "body", "headers", "status", "code"),
    [
        pytest.param("POST", "/moto-api/reset", "s3", b"", {}, 403, "AccessDenied", id="moto's own API, signed"),
        pytest.param("GET", "/moto-api/data.json", "iam", b"", {}, 403, "AccessDenied", id="moto's own data, signed"),
        pytest.param("BREW", "/", "s3", b"", {}, 405, "MethodNotAllowed", id="no such method"),
        pytest.param("POST", "/", "iam", b"Action=Nope&Version=2010-05-08", FORM, 400, "InvalidAction", id="no such action"),
        pytest.param("GET", "/nope", "apigateway", b"", {}, 400, "UnknownOperationException", id="no such path"),
        pytest.param("POST", "/", "ecs", b"{no json", ECS, 400, "SerializationException", id="no JSON"),
        pytest.param("POST", "/", "ecs", b"[1]", ECS, 400, "SerializationException", id="no mapping"),
    ],
)
def test_no_request_however_odd_is_answered_by_a_page(cloud: RunningCloud, verb, path, service, body, headers, status, code):
    reply = signed(cloud, verb, path, service, body, **headers)
    assert reply.status == status, reply.data
    assert code.encode() in reply.data
    assert "html" not in reply.headers["Content-Type"]
    assert cloud.client("s3").list_buckets()["Buckets"]  # nothing was reset


def test_a_fault_of_its_own_is_an_error_of_the_protocol(tmp_path, monkeypatch):
    with job_cloud(tmp_path / "state", tmp_path / "cache") as here:
        broken = here.world.overlay("sagemaker")
        monkeypatch.setattr(broken, "list_training_jobs", lambda *_: {}["missing"])
        with pytest.raises(ClientError) as raised:
            here.client("sagemaker").list_training_jobs()
    assert code_of(raised) == "InternalFailure"
    assert "KeyError" in str(raised.value)


def test_constraints_of_the_model_are_checked(cloud: RunningCloud):
    client = cloud.client("sagemaker", parameter_validation=False)
    with pytest.raises(ClientError) as raised:
        client.create_training_job(TrainingJobName="under_score")
    assert code_of(raised) == "ValidationException"
    assert "Member must satisfy regular expression pattern" in str(raised.value)


def test_the_caller_is_known(cloud: RunningCloud):
    identity = cloud.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"


def test_eight_threads_find_no_fault(cloud: RunningCloud):
    def work(number: int) -> None:
        s3, iam = cloud.client("s3"), cloud.client("iam")
        for each in range(10):
            s3.put_object(Bucket="trimtab-local-data", Key=f"load/{number}/{each}", Body=b"x")
            iam.list_roles()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    listed = cloud.client("s3").list_objects_v2(Bucket="trimtab-local-data", Prefix="load/")
    assert listed["KeyCount"] == 80


# --- its life -------------------------------------------------------------------------------------------------------


def test_a_killed_gateway_comes_back_with_everything(tmp_path):
    with running_cloud(tmp_path / "state") as cloud:
        s3, iam, ec2 = cloud.client("s3"), cloud.client("iam"), cloud.client("ec2")
        s3.put_object(Bucket="trimtab-local-data", Key="small", Body=b"small")
        s3.put_object(Bucket="trimtab-local-data", Key="large", Body=b"l" * 200_000)
        role = iam.create_role(RoleName="kept", AssumeRolePolicyDocument="{}")["Role"]["RoleId"]
        vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["trimtab-local"]}])["Vpcs"][0]["VpcId"]
        cloud.client("ecs").create_cluster(clusterName="kept")
        os.kill(cloud.info.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while is_up(cloud.folder) and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        again = up(cloud.folder, *cloud.ports)
        assert again.started
        assert again.lost == ()
        assert again.info.access_key_id == cloud.info.access_key_id
        assert s3.get_object(Bucket="trimtab-local-data", Key="large")["Body"].read() == b"l" * 200_000
        assert iam.get_role(RoleName="kept")["Role"]["RoleId"] == role
        assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["VpcId"] == vpc
        assert cloud.client("ecs").describe_clusters(clusters=["kept"])["clusters"][0]["status"] == "ACTIVE"


def test_two_starts_at_once_start_one(tmp_path):
    ports = free_ports(2)
    try:
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(up, tmp_path / "state", *ports) for _ in range(2)]
            made = [each.result() for each in both]
        assert sorted(each.started for each in made) == [False, True]
        assert made[0].info == made[1].info
    finally:
        down(tmp_path / "state", purge=True)


@pytest.mark.parametrize("words", [("local", "up"), ("local", "exec", "--", "sleep", "600")], ids=["up", "exec"])
def test_an_interrupted_start_leaves_nothing_running(tmp_path, words):
    (tmp_path / "state").mkdir(mode=0o700)
    variables = {**os.environ, "TRIMTAB_LOCAL_STATE": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}
    port, invoke_port = free_ports(2)
    ports = ["--port", str(port), "--invoke-port", str(invoke_port)] if words[1] == "up" else []
    process = subprocess.Popen([TRIMTAB, *words, *ports], env=variables, stderr=subprocess.PIPE, text=True)
    until(lambda: servers_of(tmp_path))
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130, told
    assert servers_of(tmp_path) == []


def servers_of(folder: Path) -> list[str]:
    """Gateways whose state lies in the folder."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has just ended
        if "trimtab.local.server" in words and any(word.startswith(str(folder)) for word in words):
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize(("words", "code"), [(["true"], 0), (["sh", "-c", "exit 7"], 7)])
def test_exec_passes_the_exit_status_on_and_leaves_nothing(tmp_path, words, code):
    done = subprocess.run([TRIMTAB, "local", "exec", "--", *words], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode == code
    assert list(tmp_path.glob("trimtab-local-*")) == []


def test_unmodified_clients_reach_a_cloud_of_their_own():
    aws = str(Path(sys.executable).parent / "aws")
    done = subprocess.run(
        [TRIMTAB, "local", "exec", "--", aws, "sts", "get-caller-identity"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "arn:aws:iam::123456789012:user/trimtab" in done.stdout


def test_a_port_in_use_is_named(tmp_path, cloud: RunningCloud):
    from trimtab.core.errors import UserError

    with pytest.raises(UserError, match=f"port {cloud.ports[0]} of 127.0.0.1 is in use"):
        up(tmp_path / "state", *cloud.ports)
