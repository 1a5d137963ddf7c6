"""A bucket of another region, as S3 answers for it, and as an SDK follows.

What is told where none can follow: tests/unit/clients/test_errors.py.

Source: Amazon S3 User Guide, "Request redirection and the REST API".
"""

import boto3
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from clouds import running_cloud
from trimtab.clients.aws import Account, Aws
from trimtab.core.kind import Call
from trimtab.sources.s3 import S3Source

BUCKET = "models-of-europe"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("regions") / "state") as made:
        made.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield made


@pytest.fixture
def aws(cloud):
    info = cloud.info
    return Aws(Account(info.region, info.endpoint, info.access_key_id, info.secret_access_key))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_s3_says_where_the_bucket_is(cloud, method):
    url = f"{cloud.info.endpoint}/{BUCKET}/a.yaml"
    request = AWSRequest(method, url, headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    SigV4Auth(Credentials(cloud.info.access_key_id, cloud.info.secret_access_key), "s3", "us-east-1").add_auth(request)
    answer = urllib3.request(method, url, headers=dict(request.headers.items()), redirect=False, retries=False)
    assert (answer.status, answer.headers["x-amz-bucket-region"]) == (301, "eu-west-1")
    assert (b"<Code>PermanentRedirect</Code>" in answer.data) is (method == "GET")


def test_an_sdk_follows_and_so_does_a_source(cloud, aws):
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="models/a.yaml", Body=b"a: [")
    s3.put_object(Bucket="trimtab-local-data", Key="elsewhere/a", Body=b"at home")
    assert aws.make(Call("s3", "GetObject", {"Bucket": BUCKET, "Key": "models/a.yaml"}))["Body"] == b"a: ["
    assert aws.make(Call("s3", "GetObject", {"Bucket": "trimtab-local-data", "Key": "elsewhere/a"}))["Body"] == b"at home"
    source = S3Source(aws, BUCKET, "models/")
    source.read()
    assert [each.file for each in source.read().refused] == ["a.yaml"]  # it was read, and is half-written
    source.report("vision/digits", {"conditions": []})
    assert s3.get_object(Bucket=BUCKET, Key="models/.trimtab/vision/digits.json")["Body"].read()
    abroad = boto3.Session(cloud.info.access_key_id, cloud.info.secret_access_key, region_name="eu-west-1")
    assert abroad.client("s3", endpoint_url=cloud.info.endpoint).list_objects_v2(Bucket=BUCKET)["KeyCount"] == 2
