"""Jobs whose name stays taken after they failed: another try is another name, `<base>-a1`, `<base>-a2`, ...

For the kinds that are one. Attempts are found by describing a1, a2, ... until one is absent: never from a list, never from
memory.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from trimtab.core.kind import Call, Failure, Reply, Steps, Unknown
from trimtab.core.times import rfc3339
from trimtab.resources.objects import delete_tree
from trimtab.resources.shared import ask, unknown

RUN_VARIABLE = "TRIMTAB_RUN"  # tags are not in what a describe answers; the environment is
NOT_ENDED = ("InProgress", "Stopping")
RUNNING = (*NOT_ENDED, "Deleting")
PLATFORM_FAULTS = ("CapacityError", "InternalServerError", "InternalError")


class Attempt(Protocol):
    """One job as it stands."""

    @property
    def number(self) -> int: ...

    @property
    def status(self) -> str: ...  # InProgress, Completed, Failed, Stopping, Stopped

    @property
    def failure_reason(self) -> str: ...

    @property
    def run(self) -> str: ...  # fingerprint of what shapes an attempt and not its result


A = TypeVar("A", bound=Attempt)


def job_name(base: str, number: int) -> str:
    return f"{base}-a{number}"


def rows(
    names: Sequence[str], describe: Callable[[str], Call], seen: Callable[[Reply, int], A]
) -> Steps[dict[str, tuple[A, ...] | Unknown]]:
    """The attempts of each base name, first to last.

    One describe past the end proves that there is no more; past one that has not ended none was ever made.
    describe: the call that reads a job by its name. seen: an attempt, from the answer and its number.
    """
    found: dict[str, tuple[A, ...] | Unknown] = dict.fromkeys(names, ())
    open_ = list(found)
    number = 1
    while open_:
        replies = yield from ask(describe(job_name(name, number)) for name in open_)
        for name, reply in zip(list(open_), replies, strict=True):
            row = found[name]
            if not isinstance(reply, Failure) and not isinstance(row, Unknown):
                attempt = seen(reply, number)
                found[name] = (*row, attempt)
                if attempt.status not in NOT_ENDED:
                    continue
            open_.remove(name)
            if isinstance(reply, Failure) and reply.meaning != "absent":
                found[name] = unknown(reply)
        number += 1
    return found


def row_of(base: str, describe: Callable[[str], Call], seen: Callable[[Reply, int], A]) -> Steps[tuple[A, ...]]:
    """The attempts of one base name. Raises Failure when they cannot be read."""
    found = yield from rows([base], describe, seen)
    row = found[base]
    if isinstance(row, Unknown):
        raise Failure("transient", f"the attempts of {base} cannot be read: {row.reason}")
    return row


def is_active(attempt: Attempt) -> bool:
    return attempt.status in RUNNING


def platform_fault(attempt: Attempt) -> str:
    """The code of a failure that is not the program's: "CapacityError". Empty for others."""
    return next((each for each in PLATFORM_FAULTS if attempt.failure_reason.startswith(each)), "")


def another_may_help(attempts: Sequence[Attempt], run: str, most: int) -> bool:
    """A fault of the platform, as long as tries are left in this run; or a run that is declared and was not tried."""
    if run and attempts[-1].run != run:
        return True
    in_this_run = [each for each in attempts if each.run == run]
    return bool(platform_fault(attempts[-1])) and len(in_this_run) < most


def stands(attempts: Sequence[Attempt], lowest: int = 1) -> bool:
    """Whether no further attempt is to be made: one runs, or one is done that will do."""
    return bool(attempts) and (
        is_active(attempts[-1]) or (attempts[-1].status == "Completed" and attempts[-1].number >= lowest)
    )


def delete_outputs(folder: str) -> Steps[None]:
    """Remove what the platform wrote for one attempt: everything below "s3://bucket/prefix"."""
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    if bucket:
        yield from delete_tree(bucket, prefix.strip("/"))


def time_of(value: Any) -> str:
    """RFC 3339; "" for what has no time yet."""
    return rfc3339(value) if isinstance(value, datetime) else ""
