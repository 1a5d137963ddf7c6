"""The operator's loop, played from outside: `trimtab run` as a process, a local cloud of its own, real HTTP, and a person.

Writes build/gitops.json, and ends with 1 when a promise does not hold. Leaves nothing running.
"""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

from gitops_deletion import removed, removed_without_rights
from gitops_life import OFTEN_S, Served, away, drift, silent_rollback, sweep
from gitops_load import autoscaler
from gitops_sources import GitSource, S3Source, play_source
from outside import TOP, Broken, Outside

BUILD = TOP / "build"


def main() -> None:
    outside = Outside(BUILD / "gitops")
    started = time.monotonic()
    outside.down("--purge")
    shutil.rmtree(outside.work, ignore_errors=True)
    outside.work.mkdir(parents=True)
    try:
        told(outside)
        wrong = failures(outside.result)
    except Broken as broken:  # what was measured until then is written all the same
        wrong = [str(broken)]
    finally:
        outside.down()
    outside.result["seconds"]["total"] = round(time.monotonic() - started, 1)
    (BUILD / "gitops.json").write_text(json.dumps(outside.result | {"broken": wrong}, indent=2) + "\n")
    for each in wrong:
        print(f"NOT AS PROMISED: {each}")
    print(f"\n{outside.result['seconds']['total']} s in all; figures in build/gitops.json")
    sys.exit(1 if wrong else 0)


def told(outside: Outside) -> None:
    """Step by step."""
    outside.step("A local cloud comes up: AWS's APIs on loopback", "up", lambda: outside.up("--trail-delay", "0s"))
    for title, name, make, ends in SOURCES:
        outside.step(title, name, lambda make=make, name=name, ends=ends: play_source(outside, make, name, ends))
    model = Served(outside, outside.work / "models", "first")
    for title, name, play in LIFE:
        outside.step(title, name, lambda play=play: play(outside, model))


MARGIN = 1.15  # of the calls that are stated of a sweep
MOST_WITH_EVENTS_S = 10  # until a change by hand is repaired: less
MOST_POLLING_S = OFTEN_S + 5  # a sweep, and what it finds is looked at once more and put right
SOURCES = (
    ("Documents in Git: declared, edited, spoilt, reverted, removed", "git", GitSource, removed),
    ("Documents in S3: the same, and a right is missing when they are removed", "s3", S3Source, removed_without_rights),
)
LIFE = (
    ("Hands change things: an event brings the repair, or a sweep, and their owner is named", "drift", drift),
    ("A release is rolled back while nobody can look", "silent_rollback", silent_rollback),
    ("Sweeps that find nothing to do", "sweep", sweep),
    ("An autoscaler and the operator share a service", "autoscaler", autoscaler),
    ("Every document is removed", "deletion", away),
)


def failures(result: Mapping[str, Any]) -> list[str]:
    """What was promised and did not hold."""
    shared, silent, deletion = result["autoscaler"], result["silent_rollback"], result["deletion"]
    checks = {
        "each change by hand repaired, and ana named": all(
            each["repaired"] and each["actor"].endswith(":user/ana") for each in result["drift"]
        ),
        f"each change by hand repaired in less than {MOST_WITH_EVENTS_S} s where events come": all(
            each["seconds_with_events"] < MOST_WITH_EVENTS_S for each in result["drift"]
        ),
        f"each change by hand repaired within {MOST_POLLING_S} s where sweeps come every {OFTEN_S}": all(
            each["seconds_polling"] <= MOST_POLLING_S for each in result["drift"]
        ),
        "an hour of an autoscaler's own: 4 scalings, no write of the operator": (
            shared["virtual_minutes"] >= 60 and shared["scalings"] >= 4 and shared["operator_writes"] == 0
        ),
        "a silent rollback that is told, put in quarantine and never reported Ready": (
            (silent["reported_ready"], silent["reason"], silent["quarantined"]) == (False, "RolledBack", True)
        ),
        "deletions that leave nothing": deletion["leftovers"] == 0,
        "a deletion without rights that says what is left, and ends once they are back": (
            deletion["with_rights_revoked"] == {"listed": True, "then_finished": True}
        ),
        "sweeps that write nothing": all(each["writes"] == 0 for each in result["sweep"]),
        "sweeps that take the calls that are stated": all(
            each["calls"] <= MARGIN * each["formula"] for each in result["sweep"]
        ),
    }
    wrong = [what for what, held in checks.items() if not held]
    return [*(f"{name}: {each}" for name in ("git", "s3") for each in _failed(result[name])), *wrong]


def _failed(played: Mapping[str, Any]) -> list[str]:
    """Of one source."""
    bad = played["bad_commit"]
    checks = {
        "every good version converged": played["converged"] == played["commits"],
        "100 requests without a failure while a bad version is declared": (
            bad["served_requests"] >= 100 and bad["failed_requests"] == 0 and bad["only_the_last_good_one_answered"]
        ),
        "a bad version that is given up, and what served serves on": bad["status"] == "RolledBack" and bad["serving"],
    }
    return [what for what, held in checks.items() if not held]


if __name__ == "__main__":
    main()
