"""Documents in Git and in S3, for `make gitops`: declared, edited, spoilt, reverted and removed, as a person would."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from by_hand import BROKEN
from operating import Operator, condition, edited, given_up, operating, ready
from outside import Broken, Outside, asking

NAME = "default/toy"
BODY = b"[[0.1, 3.9]]"
ENOUGH = 200  # requests while the bad version is what is declared
PERSON = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "ana",
    "GIT_AUTHOR_EMAIL": "ana@example.com",
    "GIT_COMMITTER_NAME": "ana",
    "GIT_COMMITTER_EMAIL": "ana@example.com",
}


class Source(Protocol):
    """A place of documents, and a person's folder of what is in it."""

    folder: Path

    @property
    def config(self) -> Mapping[str, Any]:
        """As an operator's configuration has it."""
        ...

    def declare(self, message: str) -> str:
        """Bring the folder's content there; answers what the source calls that version, "" where it has no name."""
        ...

    def revert(self) -> str:
        """Undo the last version, there and in the folder; answers as `declare`."""
        ...

    def status(self, name: str) -> Mapping[str, Any]:
        """What the operator has written beside the document; empty while there is nothing."""
        ...


class GitSource:
    """A bare repository on this machine, and a person's clone of it."""

    def __init__(self, outside: Outside) -> None:
        self.folder, self._bare = outside.work / "clone", outside.work / "models.git"
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self._bare))
        self._git("clone", "--quiet", str(self._bare), str(self.folder))

    @property
    def config(self) -> Mapping[str, Any]:
        return {"git": {"repository": str(self._bare), "statusBranch": "trimtab-status"}, "interval": "1s"}

    def declare(self, message: str) -> str:
        self._git("add", "--all", folder=self.folder)
        self._git("commit", "--quiet", "--message", message, folder=self.folder)
        return self._pushed()

    def revert(self) -> str:
        self._git("revert", "--no-edit", "HEAD", folder=self.folder)
        return self._pushed()

    def _pushed(self) -> str:
        self._git("push", "--quiet", "origin", "HEAD:main", folder=self.folder)
        return self._git("rev-parse", "HEAD", folder=self.folder).strip()

    def status(self, name: str) -> Mapping[str, Any]:
        place = f"trimtab-status:.trimtab/{name}.json"
        shown = subprocess.run(["git", "show", place], cwd=self._bare, capture_output=True, text=True, check=False)
        return json.loads(shown.stdout) if shown.returncode == 0 else {}

    def _git(self, *words: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words], cwd=folder, env={**os.environ, **PERSON}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Broken(f"git {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout


class S3Source:
    """A prefix of a bucket, and a person's folder that is brought there."""

    bucket, prefix = "team-models", "models"

    def __init__(self, outside: Outside) -> None:
        self.folder, self._s3 = outside.work / "synced", outside.person("ana")("s3")
        self.folder.mkdir()
        self._versions: list[Mapping[str, bytes]] = []
        self._s3.create_bucket(Bucket=self.bucket)

    @property
    def config(self) -> Mapping[str, Any]:
        return {"s3": {"bucket": self.bucket, "prefix": self.prefix}, "interval": "1s"}

    def declare(self, message: str) -> str:
        self._versions.append({str(each.relative_to(self.folder)): each.read_bytes() for each in _files(self.folder)})
        self._put(self._versions[-1])
        return ""

    def revert(self) -> str:
        kept = self._versions[-2]
        for each in _files(self.folder):
            if str(each.relative_to(self.folder)) not in kept:
                each.unlink()
        for path, content in kept.items():
            (self.folder / path).write_bytes(content)
        return self.declare("")

    def _put(self, files: Mapping[str, bytes]) -> None:
        """Have those below the prefix, and nothing else but what the operator writes there."""
        for path, content in files.items():
            self._s3.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{path}", Body=content)
        listed = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/").get("Contents", ())
        for key in (each["Key"] for each in listed):
            path = key.removeprefix(f"{self.prefix}/")
            if path not in files and not path.startswith(".trimtab/"):
                self._s3.delete_object(Bucket=self.bucket, Key=key)

    def status(self, name: str) -> Mapping[str, Any]:
        try:
            place = {"Bucket": self.bucket, "Key": f"{self.prefix}/.trimtab/{name}.json"}
            return json.loads(self._s3.get_object(**place)["Body"].read())
        except self._s3.exceptions.NoSuchKey:
            return {}


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


class Play:
    """One source, from the first document to the last good version."""

    def __init__(self, outside: Outside, source: Source, operator: Operator) -> None:
        self.outside, self.source, self.operator = outside, source, operator
        self.project = source.folder / "toy"
        self.commits, self.spent = 0, list[float]()

    def play(self) -> Mapping[str, Any]:
        self._made()
        self._edited("learning-rate: 0.01", "learning-rate: 0.02")
        self._edited("  serving:\n", "  serving:\n    env: {COLOUR: blue}\n")
        self._edited("rate: 50", "rate: 60")
        bad = self._spoilt()
        self._converged("reverted", self.source.revert)
        return {
            "commits": self.commits,
            "converged": len(self.spent),
            "seconds_each": self.spent,
            "bad_commit": bad,
            "revert_seconds": self.spent[-1],
        }

    def _made(self) -> None:
        self.outside.trimtab("init", str(self.project), "--name", "toy")
        subprocess.run([sys.executable, str(self.project / "make_data.py")], check=True, capture_output=True)
        self._converged("declared: trained, gated, packaged, served", lambda: self.source.declare("Add toy"))
        self.url = self.source.status(NAME)["endpoint"]["url"]
        self.key = self.outside.trimtab("key", NAME).stdout.strip()

    def _edited(self, before: str, after: str) -> None:
        edited(self.project / "deployment.yaml", before, after)
        self._converged(f"edited: {after.strip().rpartition('    ')[2]}", lambda: self.source.declare("Edit toy"))

    def _converged(self, what: str, declare: Callable[[], str]) -> None:
        """Bring another version there, and measure until the source is told that it is so."""
        before = self.source.status(NAME).get("observedGeneration", 0)
        started = time.monotonic()
        version = declare()
        self.commits += 1
        self.operator.until(lambda: ready(self.source.status(NAME), before, version), f"Ready after: {what}", 180)
        self.spent.append(round(time.monotonic() - started, 1))
        self.outside.say(f"{what}: Ready after {self.spent[-1]} s")

    def _spoilt(self) -> Mapping[str, Any]:
        """A server that cannot start is declared: ECS gives it up, and the last good one answers all the while."""
        good = self.outside.post(self.url, self.key, BODY, "application/json").headers["X-Trimtab-Release"]
        (self.project / "model" / "inference.py").write_text(BROKEN)
        with asking(lambda: self.outside.post(self.url, self.key, BODY, "application/json")) as counts:
            started = time.monotonic()
            self.source.declare("Bring a server that cannot start")
            self.operator.until(lambda: given_up(self.source.status(NAME)), "word of the bad one")
            seconds = round(time.monotonic() - started, 1)
            self.operator.until(lambda: counts["requests"] >= ENOUGH, f"{ENOUGH} requests")
        # Asked once more: while the quarantine is noted on a tag, the status says Progressing for a moment.
        status = self.operator.until(lambda: given_up(self.source.status(NAME)), "word of the bad one")
        self.outside.say(f"a server that cannot start: {condition(status, 'Ready')[1]} after {seconds} s")
        self.outside.say(f"{counts['requests']} requests while it is declared, {counts['failed_requests']} failed")
        return {
            "served_requests": counts["requests"] - counts["failed_requests"],
            "failed_requests": counts["failed_requests"],
            "only_the_last_good_one_answered": counts["releases"] == {good},
            "status": condition(status, "Ready")[1],
            "serving": condition(status, "Serving")[0] == "True",
            "seconds": seconds,
        }


def play_source(outside: Outside, make: Callable[[Outside], Source], name: str, ends: Callable[[Play], None]) -> None:
    """One source with an operator of its own. ends: how its documents are taken away."""
    source = make(outside)
    with operating(outside, name, [source.config]) as operator:
        play = Play(outside, source, operator)
        outside.result[name] = play.play()
        ends(play)
