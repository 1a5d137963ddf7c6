"""The neighbours' journal is compacted: what is left leads to the same state, is bounded, and survives a SIGKILL."""

import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from trimtab.local import neighbours as module
from trimtab.local.neighbours import Neighbours
from trimtab.local.protocol import Request
from trimtab.local.store import SqliteStore

ACCOUNT, REGION = "123456789012", "us-east-1"
SCOPE = f"20260101/{REGION}/s3/aws4_request"
SIGNED = {"authorization": f"AWS4-HMAC-SHA256 Credential=local/{SCOPE}, SignedHeaders=host, Signature=0"}
KEYS = ("ledger", "a b/c+d", "é&<>", "status")
LARGE = 70_000  # bytes: beyond what is kept in the database


class Place:
    """Neighbours over a folder, as a gateway has them; `again` is what the next gateway sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = SqliteStore(folder / "state.sqlite")
        self.neighbours = Neighbours(folder, self.store, ACCOUNT, REGION)
        self.lost = self.neighbours.replay()

    def again(self) -> "Place":
        self.store.close()
        return Place(self.folder)

    def ask(self, method: str, uri: str, body: bytes = b"", **headers: str) -> Any:
        given = SIGNED | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.neighbours.handle(Request(method, uri, given, body), reading=method in ("GET", "HEAD"))

    def put(self, key: str, body: bytes, bucket: str = "bbb") -> Any:
        return self.ask("PUT", f"/{bucket}/{quote(key)}", body)

    def begin(self, key: str) -> str:
        return re.findall(rb"<UploadId>(.+?)<", self.ask("POST", f"/bbb/{quote(key)}?uploads").body)[0].decode()

    def part(self, key: str, upload: str, number: int, body: bytes) -> str:
        answer = self.ask("PUT", f"/bbb/{quote(key)}?partNumber={number}&uploadId={upload}", body)
        assert answer.status == 200, answer.body
        return dict(answer.headers)["ETag"]

    def finish(self, key: str, upload: str, *tags: str) -> Any:
        parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in enumerate(tags, 1))
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        return self.ask("POST", f"/bbb/{quote(key)}?uploadId={upload}", body)

    def seen(self) -> dict[str, Any]:
        """All that a client can see, but for times."""
        found: dict[str, Any] = {}
        for bucket in re.findall(r"<Name>(.+?)</Name>", self.ask("GET", "/").body.decode()):
            settings = [self.ask("GET", f"/{bucket}?{each}").body.decode() for each in ("tagging", "versioning")]
            found[f"{bucket} settings"] = [re.findall(r"<(?:Key|Value|Status)>(.+?)<", each) for each in settings]
            versions = self.ask("GET", f"/{bucket}?versions").body.decode()
            found[f"{bucket} versions"] = re.findall(r"<VersionId>(.+?)<", versions)
            uploads = self.ask("GET", f"/{bucket}?uploads").body.decode()
            found[f"{bucket} uploads"] = sorted(re.findall(r"<UploadId>(.+?)<", uploads))
            for key, size in self.neighbours.keys(bucket, ""):
                got = self.ask("GET", f"/{bucket}/{quote(key)}")
                kept = {
                    name: value for name, value in got.headers if name.lower() in ("etag", "content-type", "x-amz-meta-x")
                }
                tags = self.ask("GET", f"/{bucket}/{quote(key)}?tagging").body
                found[f"{bucket}/{key}"] = (size, got.body, kept, tags)
        return found

    @property
    def requests(self) -> int:
        return len(list(self.store.requests()))

    @property
    def body_bytes(self) -> int:
        return sum(file.stat().st_size for file in (self.folder / "bodies").iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.ask("PUT", "/bbb")
    return made


def act(place: Place, draw: random.Random, uploads: dict[str, str]) -> None:
    """One request of S3's, drawn."""
    key, other = draw.choice(KEYS), draw.choice(KEYS)
    path, body = f"/bbb/{quote(key)}", draw.randbytes(draw.choice((10, LARGE)))
    tags = f"<Tagging><TagSet><Tag><Key>k</Key><Value>{draw.random()}</Value></Tag></TagSet></Tagging>".encode()
    escaped = key.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    choices: list[Callable[[], Any]] = [
        lambda: place.put(key, body),
        lambda: place.ask("PUT", path, body, if_none_match="*", x_amz_meta_x=str(draw.random())),
        lambda: place.ask("PUT", path, b"", x_amz_copy_source=f"/bbb/{quote(other)}"),
        lambda: place.ask("PUT", f"/ccc/{quote(key)}", b"", x_amz_copy_source=f"bbb/{quote(other)}"),
        lambda: place.ask("DELETE", path),
        lambda: place.ask("POST", "/bbb?delete", f"<Delete><Object><Key>{escaped}</Key></Object></Delete>".encode()),
        lambda: place.ask("PUT", "/bbb/status?tagging", tags),
        lambda: place.ask("PUT", "/bbb?tagging", tags),
        lambda: uploads.setdefault(key, place.begin(key)),
    ]
    if upload := uploads.get(key):
        choices += [
            lambda: place.part(key, upload, 1, draw.randbytes(LARGE)),
            lambda: place.finish(key, uploads.pop(key), place.part(key, upload, 1, draw.randbytes(LARGE))),
            lambda: place.ask("DELETE", f"{path}?uploadId={uploads.pop(key)}"),
        ]
    draw.choice(choices)()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "copied into a bucket with versions"])
def test_a_compacted_journal_leads_to_the_same_state(place, seed, versioned):
    draw, uploads = random.Random(seed), dict[str, str]()
    place.ask("PUT", "/ccc")
    if versioned:
        place.ask("PUT", "/ccc?versioning", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
    for number in range(80):
        act(place, draw, uploads)
        if number == 40:
            place.neighbours.compact()
    before, requests = place.seen(), place.requests
    after = place.again()
    assert (after.lost, after.seen()) == (0, before), f"seed {seed}"
    assert after.requests < requests


def test_a_key_that_is_written_over_and_over_takes_bounded_room(place, monkeypatch):
    monkeypatch.setattr(module, "_GROWTH", 500_000)
    place.neighbours.compact()
    most = 0
    for number in range(60):
        place.put("ledger", bytes([number]) * LARGE)
        most = max(most, place.body_bytes)
    assert most < 500_000 + 2 * LARGE
    assert place.again().seen()["bbb/ledger"][1] == bytes([59]) * LARGE


def test_what_is_deleted_leaves_no_bytes_and_no_request(place):
    begun = place.requests
    place.put("large", b"x" * LARGE)
    upload = place.begin("parts")
    place.finish("parts", upload, place.part("parts", upload, 1, b"y" * LARGE))
    place.ask("DELETE", "/bbb/large")
    place.ask("DELETE", "/bbb/parts")
    place.neighbours.compact()
    assert (place.body_bytes, place.requests) == (0, begun)


def test_an_upload_goes_on_after_a_restart(place):
    upload = place.begin("parts")
    tag = place.part("parts", upload, 1, b"1" * (5 << 20))
    after = place.again()
    done = after.finish("parts", upload, tag, after.part("parts", upload, 2, b"2"))
    assert done.status == 200
    assert after.again().seen()["bbb/parts"][1] == b"1" * (5 << 20) + b"2"


def test_a_write_that_was_conditional_on_what_is_dropped_is_made_again(place):
    tag = dict(place.put("ledger", b"1").headers)["ETag"]
    assert place.ask("PUT", "/bbb/ledger", b"2", if_match=tag).status == 200
    assert place.ask("PUT", "/bbb/ledger", b"3", if_match=tag).status == 412
    after = place.again()
    assert (after.lost, after.seen()["bbb/ledger"][1]) == (0, b"2")


def test_numbers_are_not_given_twice_when_the_last_request_is_dropped(place):
    first = place.begin("parts")
    place.ask("DELETE", f"/bbb/parts?uploadId={first}")
    assert place.again().begin("parts") != first


def test_a_bucket_with_versions_is_left_as_it_is(place):
    place.ask("PUT", "/bbb?versioning", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
    versions = [dict(place.put("k", each).headers)["x-amz-version-id"] for each in (b"1", b"2")]
    after = place.again()
    assert [after.ask("GET", f"/bbb/k?versionId={each}").body for each in versions] == [b"1", b"2"]


def test_a_body_that_is_missing_is_said(place):
    place.put("large", b"x" * LARGE)
    for file in (place.folder / "bodies").iterdir():
        file.unlink()
    assert place.again().lost == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from trimtab.local.neighbours import Neighbours
from trimtab.local.protocol import Request
from trimtab.local.store import SqliteStore
sys.path.insert(0, {tests!r})
from unit.local.test_compaction import Place

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

place = Place(Path({folder!r}))
place.ask("PUT", "/bbb")
for number in range(9):
    place.put("ledger", bytes([number]) * 70_000)
{moment}
place.neighbours.compact()
"""
MOMENTS = {
    "before the requests go": "SqliteStore.drop_requests = die",
    "in the transaction": "place.store._database.set_trace_callback(lambda text: 'INTO documents' in text and die())",
    "before the first body goes": "Path.unlink = die",
    "between two bodies": "gone = Path.unlink; Path.unlink = lambda path: (gone(path), die())",
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
def test_a_kill_in_mid_compaction_loses_nothing(tmp_path, moment):
    tests = str(Path(__file__).resolve().parents[2])
    script = KILLED.format(tests=tests, folder=str(tmp_path), moment=moment)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert next((tmp_path / "bodies").iterdir(), None)
    after = Place(tmp_path)
    assert (after.lost, after.seen()["bbb/ledger"][1]) == (0, bytes([8]) * 70_000)
    assert after.body_bytes == 70_000
