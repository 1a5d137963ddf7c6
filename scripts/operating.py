"""`trimtab run` as a process of its own, for as long as a block lasts."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from outside import TRIMTAB, Broken, Outside, until

GIVEN_UP = ("RolledBack", "RolloutFailed")  # why Ready is False once ECS has given a release up


@dataclass
class Operator:
    """A running one, by its process and its log."""

    process: subprocess.Popen[bytes]
    log: Path
    is_killed: bool = False

    def kill(self) -> None:
        """SIGKILL: it can neither end what it does nor write anything down."""
        self.is_killed = True
        self.process.kill()
        self.process.wait()

    def metric(self, name: str) -> float:
        """What it tells under that name just now, summed over labels; it must listen."""
        (listening,) = self.events("health.listening")
        reply = urllib3.request("GET", f"http://{listening['address']}/metrics", timeout=30, retries=False)
        told = (line for line in reply.data.decode().splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(line.rpartition(" ")[2]) for line in told)

    def events(self, event: str) -> list[Mapping[str, Any]]:
        """What it has logged under that name, oldest first."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [each for each in lines if each["event"] == event]

    def until(self, holds: Callable[[], Any], what: str, patience_s: float = 120.0) -> Any:
        """Look until it holds. Where it never does, the end of the operator's log says why."""

        def looked() -> Any:
            if self.process.poll() is not None:
                raise Broken(f"trimtab run has ended with {self.process.returncode}")
            return holds()

        try:
            return until(looked, what, patience_s)
        except Broken as broken:
            raise Broken(f"{broken}; trimtab run said last:\n{self.log.read_text()[-3000:]}") from None


@contextmanager
def operating(
    outside: Outside,
    name: str,
    sources: Sequence[Mapping[str, Any]],
    *,
    sweep: str = "2s",
    queue: str = "",
    options: Sequence[str] = (),
) -> Iterator[Operator]:
    """An operator of those sources. queue: URL of the queue that wakes it. options: of `trimtab run`, besides."""
    file, log = outside.work / f"{name}.yaml", outside.work / f"{name}.log"
    spec = {"sources": list(sources), "sweep": sweep, "listen": None, "logs": {"format": "json"}}
    spec |= {"events": [{"environment": "local", "queue": queue}]} if queue else {}
    head = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "OperatorConfig", "metadata": {"name": name}}
    file.write_text(json.dumps({**head, "spec": spec}, indent=2) + "\n")
    with log.open("w") as output:
        words = [TRIMTAB, "run", "--config", str(file), *options]
        process = subprocess.Popen(words, cwd=outside.work, env=outside.variables, stdout=output, stderr=output)
    operator = Operator(process, log)
    try:
        yield operator
        process.send_signal(signal.SIGTERM)  # nothing happens to one that has ended
        if (code := process.wait(60)) and not operator.is_killed:
            raise Broken(f"trimtab run ended with {code}:\n{log.read_text()[-3000:]}")
    finally:
        process.kill()
        process.wait()


# --- what it tells, and what a person does about it ---


def status_in(folder: Path, name: str) -> Mapping[str, Any]:
    """What an operator has written beside the documents of a folder; empty while there is nothing."""
    try:
        return json.loads((folder / ".trimtab" / f"{name}.json").read_text())
    except FileNotFoundError:
        return {}


def ready(status: Mapping[str, Any], after: int, version: str = "") -> bool:
    """Whether a later generation than that is served as declared. version: as the source calls it, where it does."""
    return (
        status.get("observedGeneration", 0) > after
        and condition(status, "Ready")[0] == "True"
        and (not version or status.get("version") == version)
    )


def condition(status: Mapping[str, Any], type_: str) -> tuple[str, str, str]:
    """Its status, reason and message; empty ones where it is not told."""
    found = (each for each in status.get("conditions", ()) if each["type"] == type_)
    return next(((each["status"], each["reason"], each["message"]) for each in found), ("", "", ""))


def given_up(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The status where it tells of a release that ECS gave up and that is in quarantine; empty where it does not."""
    return status if condition(status, "Ready")[1] in GIVEN_UP and status["quarantine"] else {}


def braked(status: Mapping[str, Any]) -> bool:
    """Whether it tells that a document which vanished is not deleted without a person's word."""
    return any("confirm-deletes" in each for each in status.get("notes", ()))


def edited(document: Path, before: str, after: str) -> None:
    """Change a document as a person would."""
    text = document.read_text()
    if before not in text:
        raise Broken(f"{document.name} no longer holds {before!r}")
    document.write_text(text.replace(before, after))
