"""A source that is emptied all of a sudden, from its files to the operator's word on each deployment."""

import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trimtab.clients.clock import SystemClock
from trimtab.engine.board import Configured, Known
from trimtab.engine.brake import Vanished, confirmed
from trimtab.engine.ledger import Stored
from trimtab.engine.operator import Operator
from trimtab.sources.folder import GONE_S, FolderSource
from trimtab.sources.s3 import S3Source

TEXT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {{name: {name}, namespace: vision}}
spec:
  model: {{source: ./model}}
"""


class Time(SystemClock):
    """Goes as the test lets it."""

    seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Place:
    """Ledgers of an environment, as far as the brake asks them."""

    def __init__(self) -> None:
        self.ledgers, self.memory = self, Vanished()

    def load_vanished(self, source: str) -> Stored:
        return Stored(self.memory, None)

    def save_vanished(self, source: str, memory: Vanished, etag: str | None) -> str:
        self.memory = memory
        return "etag"


class Quiet:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **fields: None


class Folder:
    """Documents in a folder, which stays the same one."""

    def __init__(self, root: Path, time: Time) -> None:
        self.root = root / "models"
        self.source = FolderSource(self.root, now=lambda: 2e9, monotonic=time.monotonic)

    def put(self, name: str) -> None:
        (self.root / name / "model").mkdir(parents=True)
        (self.root / name / "deployment.yaml").write_text(TEXT.format(name=name))

    def remove(self, name: str) -> None:
        shutil.rmtree(self.root / name)


class Prefix:
    """Documents below a prefix in S3."""

    def __init__(self, root: Path, time: Time) -> None:
        self.objects: dict[str, bytes] = {}
        self.source = S3Source(self, "team", "models/", now=time.monotonic)

    def put(self, name: str) -> None:
        self.objects[f"models/{name}/deployment.yaml"] = TEXT.format(name=name).encode()

    def remove(self, name: str) -> None:
        del self.objects[f"models/{name}/deployment.yaml"]

    def make(self, call):
        if call.operation == "GetObject":
            return {"Body": self.objects[call.arguments["Key"]]}
        tags = {key: hashlib.md5(body).hexdigest() for key, body in self.objects.items()}
        return {"Contents": [{"Key": key, "ETag": f'"{tag}"', "Size": 1} for key, tag in tags.items()]}


class Operated:
    """An operator of one source, whose documents are all made."""

    def __init__(self, made: type[Folder] | type[Prefix], root: Path, names: list[str]) -> None:
        self.time, self.place, self.names = Time(), Place(), names
        self.documents = made(root, self.time)
        source = self.documents.source
        self.operator = Operator(
            [source], [Configured(source.name)], {"local": self.place}, self.time, Quiet(), Quiet(), workers=0
        )
        for name in names:
            self.documents.put(name)
            self.operator._know(f"vision/{name}", Known("local", source.name, f"{name}/deployment.yaml"))
        self.look()

    def look(self) -> None:
        """Until what is gone is taken to be so."""
        for _ in range(3):
            if listing := self.documents.source.read():
                self.operator._take(self.documents.source.name, listing)
            self.time.seconds += GONE_S

    def remove(self, *names: str) -> None:
        for name in names:
            self.documents.remove(name)
        self.look()

    @property
    def doomed(self) -> set[str]:
        return {each.removeprefix("vision/") for each in self.operator._doomed}

    @property
    def held(self) -> set[str]:
        return {
            each.removeprefix("vision/") for each, because in self.operator._braked.items() if "confirm-deletes" in because
        }


@pytest.fixture(params=[Folder, Prefix], ids=["folder", "s3"])
def operated(request, tmp_path):
    return lambda *names: Operated(request.param, tmp_path, list(names))


@pytest.mark.parametrize("names", ["ab", "abc"])
def test_a_source_that_is_emptied_of_a_few_deletes_none_until_a_person_says_so(operated, names):
    made = operated(*names)
    assert (made.doomed, made.held) == (set(), set())
    made.remove(*names)
    assert (made.doomed, made.held) == (set(), set(names))
    made.documents.put("a")  # it is put back file by file
    made.look()
    assert (made.doomed, made.held) == (set(), set(names) - {"a"})
    made.place.memory = confirmed(made.place.memory, made.place.memory.waiting)
    made.look()
    assert (made.doomed, made.held) == (set(names) - {"a"}, set())


def test_the_only_document_of_a_source_goes_without_a_word(operated):
    made = operated("a")
    made.remove("a")
    assert (made.doomed, made.held) == ({"a"}, set())


def test_some_of_several_go_without_a_word_and_many_do_not(operated):
    made = operated(*"abcde")
    made.remove(*"ab")
    assert (made.doomed, made.held) == (set("ab"), set())
    made.remove(*"cd")
    assert (made.doomed, made.held) == (set("ab"), set("cd"))
