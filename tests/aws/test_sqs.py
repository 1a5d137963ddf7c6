"""SQS through boto3: queues, messages, and what is refused in SQS's own words.

The pages: Amazon SQS API Reference, each operation; Developer Guide, "Calculating the MD5 message digest for message
attributes".
"""

import hashlib
import json
import threading
import uuid

import pytest
from botocore.exceptions import ClientError

from clouds import running_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("sqs") / "state") as made:
        yield made


@pytest.fixture
def sqs(cloud):
    return cloud.client("sqs")


@pytest.fixture
def url(sqs):
    return sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]


def refusal(call, **arguments) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def receive(sqs, url, **given):
    return sqs.receive_message(QueueUrl=url, **given).get("Messages", [])


def test_a_queue_is_found_by_name_and_described(sqs):
    made = sqs.create_queue(QueueName="described", Attributes={"VisibilityTimeout": "45", "Policy": '{"Version": "2012"}'})
    url = sqs.get_queue_url(QueueName="described")["QueueUrl"]
    assert url == made["QueueUrl"]
    assert url in sqs.list_queues(QueueNamePrefix="descr")["QueueUrls"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["QueueArn"] == "arn:aws:sqs:us-east-1:123456789012:described"
    assert {name: found[name] for name in ("VisibilityTimeout", "DelaySeconds", "MessageRetentionPeriod", "Policy")} == {
        "VisibilityTimeout": "45",
        "DelaySeconds": "0",
        "MessageRetentionPeriod": "345600",
        "Policy": '{"Version": "2012"}',
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": "", "DelaySeconds": "3"})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "DelaySeconds"])["Attributes"]
    assert found == {"DelaySeconds": "3"}


def test_a_second_create_is_the_same_queue_unless_its_attributes_differ(sqs, url):
    name = url.rpartition("/")[2]
    assert sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30"})["QueueUrl"] == url
    assert refusal(sqs.create_queue, QueueName=name, Attributes={"VisibilityTimeout": "31"}) == "QueueAlreadyExists"


def test_lists_have_pages(sqs):
    urls = [sqs.create_queue(QueueName=f"page-{number}")["QueueUrl"] for number in range(5)]
    pages = list(sqs.get_paginator("list_queues").paginate(QueueNamePrefix="page-", PaginationConfig={"PageSize": 2}))
    assert [url for page in pages for url in page["QueueUrls"]] == urls
    assert len(pages) == 3


def test_a_message_with_attributes_comes_as_it_was_sent(sqs, url):
    attributes = {
        "name": {"DataType": "String", "StringValue": "x"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody="hällo", MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5("hällo".encode()).hexdigest()
    (message,) = receive(sqs, url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "hällo")
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["SenderId"] == "arn:aws:iam::123456789012:user/trimtab"


def test_the_digest_of_attributes_is_that_of_the_documented_algorithm(sqs, url):
    """Length and bytes of the name, length and bytes of the type, 1 for a text, length and bytes of the value."""
    sent = sqs.send_message(
        QueueUrl=url, MessageBody="x", MessageAttributes={"a": {"DataType": "Number", "StringValue": "12"}}
    )
    encoded = b"\0\0\0\1a" + b"\0\0\0\6Number" + b"\1" + b"\0\0\0\00212"
    assert sent["MD5OfMessageAttributes"] == hashlib.md5(encoded).hexdigest()


def test_only_the_attributes_asked_for_are_answered(sqs, url):
    names = ("a.one", "a.two", "b")
    given = {name: {"DataType": "String", "StringValue": name} for name in names}
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=given)
    (message,) = receive(sqs, url, VisibilityTimeout=0)
    assert not {"Attributes", "MessageAttributes"} & set(message)
    (message,) = receive(sqs, url, VisibilityTimeout=0, MessageAttributeNames=["a.*"], AttributeNames=["SentTimestamp"])
    assert (set(message["MessageAttributes"]), set(message["Attributes"])) == ({"a.one", "a.two"}, {"SentTimestamp"})


def test_batches_answer_for_each_entry(sqs, url):
    entries = [{"Id": str(number), "MessageBody": f"m{number}"} for number in range(3)]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [each["Id"] for each in sent["Successful"]] == ["0", "1", "2"]
    found = receive(sqs, url, MaxNumberOfMessages=10)
    assert [each["Body"] for each in found] == ["m0", "m1", "m2"]
    hidden = [{"Id": "0", "ReceiptHandle": found[0]["ReceiptHandle"], "VisibilityTimeout": 0}]
    assert sqs.change_message_visibility_batch(QueueUrl=url, Entries=hidden)["Successful"] == [{"Id": "0"}]
    gone = [{"Id": str(place), "ReceiptHandle": each["ReceiptHandle"]} for place, each in enumerate(found[1:])]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=[*gone, {"Id": "bad", "ReceiptHandle": "?"}])
    assert [each["Id"] for each in answer["Successful"]] == ["0", "1"]
    assert [(each["Id"], each["Code"]) for each in answer["Failed"]] == [("bad", "ReceiptHandleIsInvalid")]
    assert [each["Body"] for each in receive(sqs, url, MaxNumberOfMessages=10)] == ["m0"]


def test_a_long_poll_holds_up_nobody_else(cloud, sqs, url):
    """Not even a call that changes something, which waits for the control plane's lock."""
    found: list[str] = []
    poll = threading.Thread(target=lambda: found.extend(m["Body"] for m in receive(sqs, url, WaitTimeSeconds=20)))
    poll.start()
    cloud.client("ecs", read_timeout=10).create_cluster(clusterName="meanwhile")
    assert poll.is_alive()
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="at last")
    poll.join(timeout=15)
    assert found == ["at last"]


def test_tags_are_kept_and_the_tagging_api_knows_them(cloud, sqs, url):
    sqs.tag_queue(QueueUrl=url, Tags={"team": "vision", "stage": "test"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["stage"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "vision"}
    found = cloud.client("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["sqs"])["ResourceTagMappingList"]
    assert url.rpartition("/")[2] in str(found)


def test_a_dead_letter_queue_names_its_sources(sqs, url):
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    source = sqs.create_queue(QueueName="source", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=url)["queueUrls"] == [source]


def test_a_deleted_queue_is_gone_with_its_messages(sqs):
    url = sqs.create_queue(QueueName="short-lived")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.delete_queue(QueueUrl=url)
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x") == "AWS.SimpleQueueService.NonExistentQueue"
    sqs.create_queue(QueueName="short-lived")
    assert receive(sqs, url) == []


def test_a_missing_queue_has_the_exception_of_the_sdk(sqs):
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="nowhere")


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("create_queue", {"QueueName": "a b"}, "InvalidParameterValue"),
        (
            "create_queue",
            {"QueueName": "a.fifo", "Attributes": {"FifoQueue": "true"}},
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
        ("create_queue", {"QueueName": "x1", "Attributes": {"VisibilityTimeout": "43201"}}, "InvalidAttributeValue"),
        ("create_queue", {"QueueName": "x2", "Attributes": {"RedrivePolicy": "{}"}}, "InvalidAttributeValue"),
        ("create_queue", {"QueueName": "x3", "Attributes": {"Colour": "red"}}, "InvalidAttributeName"),
        ("send_message", {"MessageBody": "\x00"}, "InvalidMessageContents"),
        ("send_message", {"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValue"),
        ("send_message", {"MessageBody": "x" * 1_048_577}, "InvalidParameterValue"),
        ("receive_message", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
        ("receive_message", {"WaitTimeSeconds": 21}, "InvalidParameterValue"),
        ("delete_message", {"ReceiptHandle": "?"}, "ReceiptHandleIsInvalid"),
        ("send_message_batch", {"Entries": []}, "AWS.SimpleQueueService.EmptyBatchRequest"),
        (
            "send_message_batch",
            {"Entries": [{"Id": "a", "MessageBody": "x"}] * 2},
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            "send_message_batch",
            {"Entries": [{"Id": str(number), "MessageBody": "x"} for number in range(11)]},
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        ("get_queue_attributes", {"AttributeNames": ["Colour"]}, "InvalidAttributeName"),
        ("add_permission", {"Label": "l", "AWSAccountIds": ["1"], "Actions": ["*"]}, "UnknownOperationException"),
    ],
)
def test_what_is_refused(sqs, url, operation, arguments, code):
    given = arguments if "QueueName" in arguments else {"QueueUrl": url, **arguments}
    assert refusal(getattr(sqs, operation), **given) == code
