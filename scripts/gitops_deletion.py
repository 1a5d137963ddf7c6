"""How the documents of a source go, for `make gitops`: all that they made goes with them, or is named and goes later."""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitops_sources import NAME, Play
from outside import Outside


def removed(play: Play) -> None:
    """The document is taken out of the source: all that it made goes."""
    shutil.rmtree(play.project)
    play.source.declare("Remove toy")
    play.operator.until(lambda: play.outside.told("status") == [], "end of the deletion")
    left = play.outside.leftovers()
    play.outside.result["deletion"] = {"leftovers": len(left)}
    play.outside.say(f"taken out of the source; left, by AWS's own lists: {', '.join(left) or 'nothing'}")


def removed_without_rights(play: Play) -> None:
    """The same, but a right is missing half-way: what is left is named, and goes once the right is back."""
    outside, before = play.outside, _its_own(play.outside)
    denied = ("--service", "ecr", "--operation", "DeleteRepository", "--kind", "denied", "--times", "100000")
    outside.trimtab("local", "fault", "add", *denied)
    shutil.rmtree(play.project)
    play.source.declare("Remove toy")
    told = play.operator.until(lambda: _stuck(play), "list of what is left, and why")
    there = _its_own(outside)
    outside.say(f"{len(before) - len(there)} of {len(before)} are gone when ecr:DeleteRepository is denied; named as left:")
    outside.say(", ".join(there))
    outside.say(f"because: {told['because'][0][:160]}")
    outside.trimtab("local", "fault", "clear")
    play.operator.until(lambda: outside.told("status") == [], "end of the deletion once the right is back")
    left = outside.leftovers()
    outside.say(f"the right is back; left, by AWS's own lists: {', '.join(left) or 'nothing'}")
    deletion = outside.result["deletion"]
    deletion["leftovers"] += len(left)
    deletion["with_rights_revoked"] = {"listed": 0 < len(there) < len(before), "then_finished": not left}


OWN = ("role", "log group", "repository", "training job", "task definition", "target group", "API", "usage plan")


def _its_own(outside: Outside) -> list[str]:
    """What AWS lists of the deployment; what deployments share is not among it."""
    return [each for each in outside.leftovers() if each.startswith(tuple(f"{kind} " for kind in OWN))]


def _stuck(play: Play) -> Mapping[str, Any]:
    """What the source is told once only what was denied and what waits for it is there, all named; empty before."""
    status = play.source.status(NAME)
    left = status.get("left", ())
    is_denied = "AccessDenied" in str(status.get("because", "")) and not any("ecs.Service" in each for each in left)
    return status if is_denied and not unnamed(_its_own(play.outside), left) else {}


def unnamed(there: Iterable[str], left: Sequence[str]) -> list[str]:
    """What AWS lists, as "<kind> <name or ARN>", and the status does not name among what is left."""
    named = " ".join(left)
    return [each for each in there if bare(each.rpartition(" ")[2]) not in named]


def bare(name: str) -> str:
    """A name without what AWS puts around it (ARN, revision), and without the number of a job's attempt."""
    return re.sub(r"(:\d+|-a\d+)$", "", name.rpartition("task-definition/")[2])
