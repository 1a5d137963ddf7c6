"""An S3 prefix as a source: whole sets alone, by ETags; errors conclude nothing; status by conditional writes."""

import hashlib
import json
import threading

import pytest

from trimtab.core.errors import Transient, UserError
from trimtab.core.kind import Failure
from trimtab.engine.hearing import Ear
from trimtab.model.yaml_loader import MAX_BYTES
from trimtab.sources.s3 import GONE_S, S3Source

TEXT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: digits, namespace: vision}
spec:
  model: {source: ./model}
"""


def etag(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


class Bucket:
    """Objects by key, with S3's conditions. fails: raised by the operation of that name."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.fails: dict[str, Failure] = {}
        self.messages: list[dict[str, str]] = []

    def make(self, call):
        self.asked.append(call.operation)
        if call.operation in self.fails:
            raise self.fails[call.operation]
        return getattr(self, call.operation)(**call.arguments)

    def ListObjectsV2(self, Bucket, Prefix):
        found = {key: body for key, body in self.objects.items() if key.startswith(Prefix)}
        return {"Contents": [{"Key": k, "ETag": f'"{etag(b)}"', "Size": len(b)} for k, b in found.items()]}

    def GetObject(self, Bucket, Key, IfMatch):
        if f'"{etag(self.objects[Key])}"' != IfMatch:
            raise Failure("conflict", "PreconditionFailed")
        return {"Body": self.objects[Key]}

    def HeadObject(self, Bucket, Key):
        if Key not in self.objects:
            raise Failure("absent", "NoSuchKey")
        return {"ETag": f'"{etag(self.objects[Key])}"'}

    def PutObject(self, Bucket, Key, Body, ContentType, IfMatch=None, IfNoneMatch=None):
        known = f'"{etag(self.objects[Key])}"' if Key in self.objects else None
        if (IfNoneMatch and known) or (IfMatch and known != IfMatch):
            raise Failure("absent" if IfMatch and not known else "conflict", "PreconditionFailed")
        self.objects[Key] = Body
        return {"ETag": f'"{etag(Body)}"'}

    def DeleteObject(self, Bucket, Key):
        self.objects.pop(Key, None)
        return {}

    def ReceiveMessage(self, **_):
        found, self.messages = self.messages, []
        return {"Messages": found}

    def DeleteMessageBatch(self, **_):
        return {}


@pytest.fixture
def bucket():
    made = Bucket()
    put(made, "digits/deployment.yaml", TEXT)
    put(made, "digits/model/model.onnx", "x")
    made.objects["elsewhere/deployment.yaml"] = b"not of this prefix"
    return made


@pytest.fixture
def source(bucket):
    return S3Source(bucket, "team", "models/")


def put(bucket: Bucket, path: str, text: str) -> None:
    bucket.objects[f"models/{path}"] = text.encode()


def settled(source: S3Source):
    source.read()
    return source.read()


def test_a_set_counts_once_two_listings_in_a_row_are_equal(bucket, source):
    assert source.read() is None
    declared = source.read().declared["vision/digits"]
    assert (declared.folder, declared.file) == ("s3://team/models/digits", "digits/deployment.yaml")
    put(bucket, "text/deployment.yaml", TEXT.replace("digits", "text"))
    assert source.read() is None
    put(bucket, "text/model/model.onnx", "x")
    assert source.read() is None
    assert set(source.read().declared) == {"vision/digits", "vision/text"}


def test_only_documents_that_changed_are_read(bucket, source):
    settled(source)
    bucket.asked.clear()
    settled(source)
    assert bucket.asked == ["ListObjectsV2", "ListObjectsV2"]
    put(bucket, "text/deployment.yaml", TEXT.replace("digits", "text"))
    bucket.asked.clear()
    settled(source)
    assert bucket.asked.count("GetObject") == 1


def test_a_mark_changes_with_what_the_document_names_and_with_nothing_else(bucket, source):
    first = settled(source).declared["vision/digits"].mark
    put(bucket, "README.md", "words")
    put(bucket, "digits/other/file", "words")
    assert settled(source).declared["vision/digits"].mark == first
    put(bucket, "digits/model/model.onnx", "y")
    second = settled(source).declared["vision/digits"].mark
    assert second != first
    put(bucket, "digits/deployment.yaml", TEXT + "  suspend: true\n")
    assert settled(source).declared["vision/digits"].mark not in (first, second)


def test_a_document_that_is_written_while_it_is_read_is_taken_later(bucket, source):
    source.read()
    get = bucket.GetObject

    def late(**arguments):
        put(bucket, "digits/deployment.yaml", TEXT + "  suspend: true\n")
        return get(**arguments)

    bucket.GetObject = late
    assert source.read() is None
    bucket.GetObject = get
    assert settled(source).declared["vision/digits"].deployment.spec.suspend is True


def test_half_written_yaml_is_refused_alone(bucket, source):
    put(bucket, "text/deployment.yaml", TEXT.replace("digits", "text"))
    put(bucket, "digits/deployment.yaml", TEXT[:-20] + "{")
    listing = settled(source)
    assert list(listing.declared) == ["vision/text"]
    assert [each.file for each in listing.refused] == ["digits/deployment.yaml"]


def test_a_huge_object_is_refused_and_never_read(bucket, source):
    put(bucket, "big.yaml", "#" * (MAX_BYTES + 1))
    listing = settled(source)
    assert [each.file for each in listing.refused] == ["big.yaml"]
    assert list(listing.declared) == ["vision/digits"]
    assert bucket.asked.count("GetObject") == 1


def test_a_document_that_is_gone_may_be_on_its_way_back(bucket, source):
    at = [100.0]
    source.now = lambda: at[0]
    first = settled(source).declared["vision/digits"]
    kept = dict(bucket.objects)
    bucket.objects.clear()
    assert settled(source).declared["vision/digits"].mark == first.mark
    at[0] += GONE_S - 1
    assert list(settled(source).declared) == ["vision/digits"]
    bucket.objects |= kept
    assert settled(source).declared["vision/digits"].mark == first.mark
    bucket.objects.clear()
    settled(source)
    at[0] += GONE_S
    assert settled(source).declared == {}


def test_a_document_that_was_moved_is_found_where_it_is_by_then(bucket, source):
    at = [100.0]
    source.now = lambda: at[0]
    settled(source)
    bucket.objects["models/other/deployment.yaml"] = bucket.objects.pop("models/digits/deployment.yaml")
    listing = settled(source)
    assert (listing.declared["vision/digits"].file, listing.refused) == ("other/deployment.yaml", ())
    at[0] += GONE_S
    assert settled(source).declared["vision/digits"].file == "other/deployment.yaml"


def test_a_set_that_never_comes_to_rest_is_told(bucket, source):
    at = [100.0]
    source.now = lambda: at[0]
    for number in range(7):
        put(bucket, "digits/model/model.onnx", str(number))
        assert source.read() is None
        at[0] += 10
    put(bucket, "digits/model/model.onnx", "again")
    with pytest.raises(Transient, match="has not been whole for 70 s"):
        source.read()
    assert list(source.read().declared) == ["vision/digits"]


def test_ten_thousand_objects_are_a_listing(bucket, source):
    for number in range(10_000):
        put(bucket, f"digits/model/{number}", "x")
    bucket.asked.clear()
    assert list(settled(source).declared) == ["vision/digits"]
    assert bucket.asked == ["ListObjectsV2", "ListObjectsV2", "GetObject"]  # all pages are one call here


@pytest.mark.parametrize("operation", ["ListObjectsV2", "GetObject"])
@pytest.mark.parametrize("meaning", ["denied", "throttled", "transient"])
def test_what_cannot_be_read_concludes_nothing(bucket, source, operation, meaning):
    source.read()
    bucket.fails[operation] = Failure(meaning, "ana may not")
    with pytest.raises(Failure, match="may not"):
        source.read()
    bucket.fails.clear()
    assert list(settled(source).declared) == ["vision/digits"]


# --- a manifest -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def listed(bucket):
    return S3Source(bucket, "team", "models/", manifest="MANIFEST")


def test_with_a_manifest_a_set_is_what_it_lists(bucket, listed):
    with pytest.raises(UserError, match="has no manifest"):
        listed.read()
    put(bucket, "text/deployment.yaml", TEXT.replace("digits", "text"))  # not listed: it does not count
    put(bucket, "MANIFEST", "digits/deployment.yaml\n./digits/model/model.onnx\n\n")
    assert list(listed.read().declared) == ["vision/digits"]
    put(bucket, "MANIFEST", "digits/deployment.yaml\ndigits/model/model.onnx\nmore/deployment.yaml\n")
    assert listed.read() is None  # what it lists is still on its way


def test_a_manifest_as_md5sum_writes_it_holds_each_object_to_its_content(bucket, listed):
    new = TEXT + "  suspend: true\n"
    lines = [f"{etag(new.encode())}  ./digits/deployment.yaml", f"{etag(b'x')}  ./digits/model/model.onnx"]
    put(bucket, "MANIFEST", "\n".join(lines))
    assert listed.read() is None
    put(bucket, "digits/deployment.yaml", new)
    assert listed.read().declared["vision/digits"].deployment.spec.suspend is True


@pytest.mark.parametrize("line", ["/etc/passwd", "../other/deployment.yaml"])
def test_a_manifest_that_leaves_the_prefix_is_none(bucket, listed, line):
    put(bucket, "MANIFEST", f"digits/deployment.yaml\n{line}\n")
    with pytest.raises(UserError, match="MANIFEST:2"):
        listed.read()


# --- hints ----------------------------------------------------------------------------------------------------------------


def test_an_event_ends_the_wait_and_garbage_does_no_harm(bucket):
    source = S3Source(bucket, "team", "models/", ear=Ear(bucket, "http://q", lambda: "me"), interval_s=3600)
    settled(source)
    later = iter([[{"Body": "garbage", "ReceiptHandle": "1"}], [{"Body": json.dumps({"a": 1}), "ReceiptHandle": "2"}]])
    bucket.ReceiveMessage = lambda **_: {"Messages": next(later)}
    source.wait(threading.Event(), 3600)
    assert next(later, None) is None


def test_a_queue_that_cannot_be_read_leaves_the_polls(bucket):
    source = S3Source(bucket, "team", "models/", ear=Ear(bucket, "http://q", lambda: "me"))
    settled(source)
    bucket.fails["ReceiveMessage"] = Failure("denied", "no")
    stop = threading.Event()
    stop.set()
    source.wait(stop, 3600)
    source.wait(threading.Event(), 2.01)


# --- status ---------------------------------------------------------------------------------------------------------------


def told(bucket: Bucket):
    return json.loads(bucket.objects["models/.trimtab/vision/digits.json"])


def test_status_is_written_over_what_is_there_and_is_no_document(bucket, source):
    before = settled(source).declared["vision/digits"].mark
    put(bucket, ".trimtab/vision/digits.json", "of an operator before us")
    source.report("vision/digits", {"ready": False})
    source.report("vision/digits", {"ready": True})
    assert told(bucket) == {"ready": True}
    assert source.read().declared["vision/digits"].mark == before  # at once: the set is as it was
    source.report("vision/digits", None)
    assert "models/.trimtab/vision/digits.json" not in bucket.objects
    source.report("vision/digits", {"ready": True})
    put(bucket, ".trimtab/vision/digits.json", "by another")
    source.report("vision/digits", {"ready": False})
    bucket.objects.pop("models/.trimtab/vision/digits.json")
    source.report("vision/digits", {"ready": True})
    assert told(bucket) == {"ready": True}


def test_a_status_that_others_write_all_the_time_is_told(bucket, source):
    bucket.fails["PutObject"] = Failure("conflict", "PreconditionFailed")
    with pytest.raises(Transient, match="written by others"):
        source.report("vision/digits", {})


def test_a_status_that_may_not_be_written_is_told(bucket, source):
    bucket.fails["PutObject"] = Failure("denied", "ana may not s3:PutObject")
    with pytest.raises(Failure, match="may not"):
        source.report("vision/digits", {})
