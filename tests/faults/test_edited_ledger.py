"""A ledger that is lost, edited or put back, under a deployment that serves: nothing is made twice, nothing is touched."""

import json
import subprocess
import sys
import threading
import time

import pytest

from faults.test_releases import asked_throughout, edit, full_name, outcomes, status
from quick_rollout import ONE_OF_EACH, Calls, apply, delete, inventory, is_held, name_of, rolled_back
from trimtab.cli import failures
from trimtab.cli.context import environment_named
from trimtab.core.kind import Call

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("edited-ledger")]


class Writes(Calls):
    """Writes outside of our own buckets."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def before(self, call: Call) -> None:
        if call.repeat != "read" and call.service not in ("trimtab", "s3"):
            self.made.append(call.operation)


@pytest.fixture
def ledger(cloud, project):
    """The object of the project's ledger, once the project is applied."""
    assert apply(project).outcome.is_converged
    stored = Stored(cloud.client("s3"), f"ledgers/{full_name(project)}.json")
    good = stored.text()
    yield stored
    try:
        json.loads(stored.text())
    except ValueError:  # the test failed before it put it back
        stored.put(good)
    assert delete(project).how == "gone"
    left = {kind for kind, count in inventory(cloud, name_of(project)).items() if count}
    assert not left - {"definitions"}  # a definition of an earlier release is not told by tags: `trimtab orphans` lists it


class Stored:
    def __init__(self, s3, key: str) -> None:
        self.s3, self.place = s3, {"Bucket": environment_named("local").spec.buckets.state, "Key": key}

    def text(self) -> bytes:
        return self.s3.get_object(**self.place)["Body"].read()

    def put(self, text: bytes) -> None:
        self.s3.put_object(**self.place, Body=text)

    def remove(self) -> None:
        self.s3.delete_object(**self.place)


def until_asked(codes: list[int], times: int) -> None:
    """Wait until so many predictions were answered."""
    deadline = time.monotonic() + 30
    while len(codes) < times:
        assert time.monotonic() < deadline, codes
        threading.Event().wait(0.05)


def refused(*words: str) -> tuple[int, str]:
    """(exit code, stderr) of a command of its own."""
    command = [sys.executable, "-c", "from trimtab.cli import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def applied(project) -> tuple[int, str, list[str]]:
    """As `trimtab apply`: (exit code, what is told, writes that it made)."""
    writes = Writes()
    try:
        end = apply(project, writes)
    except Exception as error:
        return failures.exit_code(error), str(error), writes.made
    return 0 if end.outcome.is_converged else 1, "", writes.made


@pytest.mark.parametrize("how", ["garbage", "uid", "another's"])
def test_an_edited_ledger_stops_everything_but_what_serves(cloud, project, ledger, how):
    good = ledger.text()
    edited = {
        "garbage": good[: len(good) // 2],
        "uid": json.dumps({**json.loads(good), "uid": "0" * 32}).encode(),
        "another's": json.dumps({**json.loads(good), "name": "other"}).encode(),
    }
    with asked_throughout(project) as codes:
        ledger.put(edited[how])
        code, told, writes = applied(project)
        assert (code, writes) == (1, [])
        assert "LedgerEdited" in told
        named = [] if how == "uid" else [()]  # the list stands on ledgers alone, and that one is whole
        for words in [*named, (full_name(project),)]:
            code, told = refused("status", *words)
            assert code == 1
            assert "put its last version back, or delete it" in told
        ledger.put(good)
        assert applied(project) == (0, "", [])
        until_asked(codes, len(codes) + 10)
    assert set(codes) == {200}
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH


def test_a_lost_ledger_is_made_anew_from_tags(cloud, project, ledger):
    edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}")
    assert apply(project).outcome.is_converged
    assert rolled_back(project).outcome.is_converged
    assert is_held(project)
    uid = json.loads(ledger.text())["uid"]
    before = inventory(cloud, name_of(project))
    with asked_throughout(project) as codes:
        ledger.remove()
        apply(project)
        until_asked(codes, len(codes) + 10)
    assert set(codes) == {200}
    assert json.loads(ledger.text())["uid"] == uid
    assert is_held(project)  # the log group's tag remembers it
    assert inventory(cloud, name_of(project)) == before


def test_an_older_ledger_that_is_put_back_makes_nothing_twice(cloud, project, ledger):
    older = ledger.text()
    edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}")
    assert apply(project).outcome.is_converged
    before = inventory(cloud, name_of(project))
    with asked_throughout(project) as codes:
        ledger.put(older)
        code, _, writes = applied(project)
        until_asked(codes, len(codes) + 10)
    assert set(codes) == {200}
    assert (code, writes) == (0, [])
    assert inventory(cloud, name_of(project)) == before
    assert outcomes(project)[-1] == "Serving"
    assert status(project)["conditions"]
