"""What a pass reads of contents in S3 is counted, paced and traced like all its other calls."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clouds import running_cloud
from samples_compile import spec
from trimtab.cli.operating.site import served
from trimtab.clients.aws import Made
from trimtab.clients.clock import SystemClock
from trimtab.clients.pace import Pace
from trimtab.core.kind import Call, Caller, Progress, Reply
from trimtab.engine.declared import Declared
from trimtab.engine.transfers import Cancelled
from trimtab.model.load import load

HERE = "s3://contents/models"
READS = {"ListObjectsV2": 4, "HeadObject": 3, "GetObject": 3}  # two prefixes, listed before and after; three files


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    with running_cloud(tmp_path / "state") as made:
        monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(made.folder))
        monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
        s3 = made.client("s3")
        s3.create_bucket(Bucket="contents")
        for name in ("data/train/x", "data/test/x", "model/train.py"):
            s3.put_object(Bucket="contents", Key=f"models/{name}", Body=name)
        yield made


class Observed:
    """Whoever looks at calls."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.traced: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()

    def observe(self, made: Made) -> None:
        self.made[made.call.operation] += 1

    def trace(self, caller: Caller) -> Caller:
        observed = self

        class Traced:
            def make(self, call: Call) -> Reply:
                observed.traced[call.operation] += 1
                return caller.make(call)

        return Traced()


@pytest.fixture
def observed(monkeypatch) -> Observed:
    here, pay = Observed(), Pace.pay

    def paid(self: Pace, service: str, operation: str) -> None:
        here.paid[operation] += 1
        pay(self, service, operation)

    monkeypatch.setattr(Pace, "pay", paid)
    return here


def declared() -> Declared:
    text = json.dumps(spec("environmentRef", {"name": "local"})).encode()
    return Declared(load(text, "digits.yaml")[0], HERE, "mark")


def test_reads_of_contents_in_s3_are_counted_paced_and_traced(cloud, observed):
    told: list[Progress] = []
    with served(["local"], observed.observe, observed.trace, lambda *_: None, SystemClock()) as sites:
        wanted = sites["local"].resolve(declared(), told.append)
        assert observed.made == observed.traced == observed.paid == READS
        again = sites["local"].resolve(declared(), told.append)
        assert observed.made["GetObject"] == READS["GetObject"]
        assert observed.made["ListObjectsV2"] == 2 * READS["ListObjectsV2"]
    assert again.digests == wanted.digests
    size = len("data/train/x") + len("data/test/x")
    assert Progress(size, size, "bytes", "dataset") in told


def test_what_was_hashed_before_it_was_ended_is_not_read_again(cloud, observed, tmp_path):
    def ended(progress: Progress) -> None:
        if progress.note == "code":
            raise Cancelled

    def start() -> Any:
        return served(["local"], observed.observe, observed.trace, lambda *_: None, SystemClock())

    with start() as sites, pytest.raises(Cancelled):
        sites["local"].resolve(declared(), ended)
    assert observed.made["GetObject"] == 2
    assert Path(tmp_path / "cache" / "digests.json").exists()
    with start() as sites:
        sites["local"].resolve(declared(), lambda _: None)
    assert observed.made["GetObject"] == 3
