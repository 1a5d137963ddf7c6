"""What an upload sends and what it has S3 copy, on a local cloud over HTTP."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from job_cloud import KEY, REGION, JobCloud, job_cloud
from trimtab.clients.aws import Account, Aws, Made
from trimtab.core.kind import Failure, Progress
from trimtab.engine.contents import Content
from trimtab.engine.workers import Bench, upload
from trimtab.engine.workers.upload import Upload
from trimtab_container.digests import folder_entries, tree_digest

BUCKET, FOLDER = "data", "deployments/u/datasets"
MANY = {f"f{number:02}": f"file {number} ".encode() * 100 for number in range(20)}


@dataclass
class Sent:
    """What one upload asked of S3."""

    operations: Counter[str] = field(default_factory=Counter)
    size: int = 0  # bytes of files
    copied: list[str] = field(default_factory=list)

    def note(self, made: Made) -> None:
        arguments = made.call.arguments
        self.operations[made.call.operation] += 1
        if made.call.operation in ("PutObject", "UploadPart") and not arguments["Key"].endswith(".json"):
            self.size += len(arguments["Body"])
        if not made.code and "CopySource" in arguments:
            self.copied.append(arguments["CopySource"]["Key"].removeprefix(f"{FOLDER}/").partition("/")[2])


class Place:
    """A folder, and the bucket that it is uploaded to."""

    def __init__(self, cloud: JobCloud, root: Path) -> None:
        self.cloud, self.root = cloud, root
        self.s3: Any = cloud.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def write(self, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(data)

    def prefix(self) -> str:
        return f"{FOLDER}/{tree_digest(folder_entries(self.root)).removeprefix('sha256:')}"

    def upload(self) -> Sent:
        sent = Sent()
        entries = folder_entries(self.root)
        content = Content(self.root, entries, tree_digest(entries))
        account = Account(REGION, f"http://127.0.0.1:{self.cloud.port}", KEY.id, KEY.secret)
        prefix = self.prefix()
        self.reports: list[Progress] = []
        arguments = {"bucket": BUCKET, "prefix": f"{prefix}/", "manifest_key": f"{prefix}.json", "source": "dataset"}
        bench = Bench(Aws(account, observer=sent.note), {"dataset": content}, "", self.root)
        Upload(bench)({**arguments, "digest": content.digest}, self.reports.append)
        assert self.reports[-1].done == self.reports[-1].total == content.size_bytes
        return sent

    def stored(self) -> dict[str, bytes]:
        """What lies under the prefix of the folder as it is now."""
        prefix = f"{self.prefix()}/"
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
        keys = [each["Key"] for each in listed]
        return {key.removeprefix(prefix): self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with job_cloud(tmp_path / "state", tmp_path / "cache") as cloud:
        (tmp_path / "tree").mkdir()
        yield Place(cloud, tmp_path / "tree")


def test_an_edit_of_one_file_of_many_sends_the_bytes_of_that_file_alone(place):
    place.write(MANY)
    first = place.upload()
    assert (first.size, first.operations["CopyObject"]) == (sum(map(len, MANY.values())), 0)
    edited = {**MANY, "f07": b"edited"}
    place.write(edited)
    before = len(place.cloud.cloud.journal())
    sent = place.upload()
    assert sent.size == len(b"edited")
    assert (sent.operations["CopyObject"], sent.operations["PutObject"]) == (19, 2)  # one is the record
    assert sum(each.write for each in place.cloud.cloud.journal()[before:]) == 21
    assert place.stored() == edited


def test_an_upload_of_what_is_there_sends_and_copies_nothing(place):
    place.write(MANY)
    place.upload()
    again = place.upload()
    assert (again.size, again.copied) == (0, [])


def test_a_renamed_file_is_not_sent(place):
    place.write(MANY)
    place.upload()
    (place.root / "f03").rename(place.root / "other name, with ünicode +")
    sent = place.upload()
    assert (sent.size, len(sent.copied)) == (0, 20)
    assert place.stored()["other name, with ünicode +"] == MANY["f03"]


def test_files_come_from_more_than_one_earlier_tree(place):
    place.write({"a": b"first a", "b": b"first b"})
    place.upload()
    place.write({"a": b"second a", "b": b"second b"})
    place.upload()
    place.write({"a": b"first a"})
    sent = place.upload()
    assert (sent.size, sorted(sent.copied)) == (0, ["a", "b"])
    assert place.stored() == {"a": b"first a", "b": b"second b"}


def test_what_is_gone_from_the_earlier_tree_is_sent(place):
    place.write(MANY)
    place.upload()
    place.s3.delete_object(Bucket=BUCKET, Key=f"{place.prefix()}/f01")
    place.write({"f07": b"edited"})
    assert place.upload().size == len(b"edited") + len(MANY["f01"])
    assert place.stored() == {**MANY, "f07": b"edited"}


def test_a_copy_with_another_checksum_than_the_record_says_is_sent_after_all(place):
    """The listing cannot show it: the object was other than its record from the first."""
    place.write({"a": b"wrong", "b": b"b"})
    place.upload()
    old = place.prefix()
    record = json.loads(place.s3.get_object(Bucket=BUCKET, Key=f"{old}.json")["Body"].read())
    place.write({"a": b"right", "b": b"c"})
    right = next(each.sha256 for each in folder_entries(place.root) if each.path == "a")
    record["files"] = [[path, size, right if path == "a" else sha256] for path, size, sha256 in record["files"]]
    place.s3.put_object(Bucket=BUCKET, Key=f"{old}.json", Body=json.dumps(record).encode())
    sent = place.upload()
    assert (sent.copied, sent.size) == (["a"], len(b"right") + len(b"c"))
    assert place.stored() == {"a": b"right", "b": b"c"}


@pytest.mark.parametrize("record", [b"{", b"[]", b'{"files": [["a", 3]]}', b'{"files": 7}'])
def test_a_record_that_says_nothing_is_passed_over(place, record):
    place.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{'0' * 64}.json", Body=record)
    place.write({"a": b"abc"})
    assert place.upload().size == 3


def test_an_interrupted_upload_is_continued_by_copying_the_rest(place, monkeypatch):
    place.write(MANY)
    place.upload()
    place.write({"f07": b"edited"})
    real, left = Aws.make, [5]

    def make(self: Aws, call: Any) -> Any:
        if call.operation == "CopyObject":
            left[0] -= 1
            if left[0] < 0:
                raise Failure("denied", "the rights went", code="ExpiredToken")
        if call.operation == "PutObject" and left[0] < 0:
            raise Failure("denied", "the rights went", code="ExpiredToken")
        return real(self, call)

    with monkeypatch.context() as patch:
        patch.setattr(Aws, "make", make)
        with pytest.raises(Failure):
            place.upload()
    there = len(place.stored())
    assert 5 <= there < 20
    sent = place.upload()
    assert len(sent.copied) + (1 if sent.size else 0) == 20 - there
    assert place.stored() == {**MANY, "f07": b"edited"}


def test_a_large_object_is_copied_in_parts_and_only_the_changed_part_is_sent(place, monkeypatch):
    """Parts of a file that was not changed; one that the earlier object does not hold is sent."""
    monkeypatch.setattr(upload, "PART", 5 << 20)
    monkeypatch.setattr(upload, "_WHOLE", 6 << 20)
    monkeypatch.setattr(upload, "_COPY_WHOLE", 7 << 20)
    large = bytes(range(256)) * (11 << 12)  # 11 MiB: three parts
    place.write({"large": large, "small": b"one"})
    first = place.upload()
    assert first.operations["UploadPart"] == 3
    place.write({"small": b"two"})
    sent = place.upload()
    assert (sent.operations["UploadPartCopy"], sent.operations["UploadPart"], sent.size) == (3, 0, 3)
    assert place.stored() == {"large": large, "small": b"two"}


def test_a_file_of_several_parts_is_copied_whole_up_to_the_limit(place, monkeypatch):
    monkeypatch.setattr(upload, "PART", 5 << 20)
    monkeypatch.setattr(upload, "_WHOLE", 6 << 20)
    large = bytes(range(256)) * (11 << 12)
    place.write({"large": large, "small": b"one"})
    place.upload()
    place.write({"small": b"two"})
    sent = place.upload()
    assert (sent.copied, sent.operations["UploadPart"], sent.size) == (["large"], 0, 3)
    assert place.stored() == {"large": large, "small": b"two"}
