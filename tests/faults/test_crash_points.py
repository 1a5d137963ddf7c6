"""A crash before or after any write is harmless: the next apply converges, and nothing is there twice."""

import pytest

from quick_rollout import ONE_OF_EACH, Calls, apply, delete, inventory, name_of, rolled_back
from trimtab.core.kind import Call

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crashes")]

WRITES_OF_A_FIRST_ROLLOUT = 50  # ledger writes included; the reference run holds that it is not more


class Crash(BaseException):
    """The process is gone."""


class Fuse(Calls):
    """Blows at the nth write, before or after its effect."""

    def __init__(self, nth: int = 0, *, late: bool = False) -> None:
        self.writes: list[str] = []
        self._nth, self._late = nth, late

    def before(self, call: Call) -> None:
        if call.repeat != "read" and call.service != "trimtab":
            self.writes.append(f"{call.service}:{call.operation}")
            if len(self.writes) == self._nth and not self._late:
                raise Crash(self.writes[-1])

    def after(self, call: Call) -> None:
        if call.repeat != "read" and call.service != "trimtab" and len(self.writes) == self._nth and self._late:
            raise Crash(self.writes[-1])


def test_the_reference_run_writes_no_more_than_is_crashed(cloud, project):
    fuse = Fuse()
    assert apply(project, fuse).how == "converged"
    assert len(fuse.writes) <= WRITES_OF_A_FIRST_ROLLOUT, fuse.writes
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH
    again = Fuse()
    assert apply(project, again).how == "converged"
    assert again.writes == []
    assert delete(project).how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}


# Every second write, in turn before and after its effect: a first rollout takes seconds, and there are many.
CASES = [(nth, nth // 2 % 2 == 1) for nth in range(1, WRITES_OF_A_FIRST_ROLLOUT + 1, 2)]


@pytest.mark.parametrize(("nth", "late"), CASES, ids=[f"{'after' if late else 'before'}-{nth}" for nth, late in CASES])
def test_a_crash_at_any_write_of_a_first_rollout_is_harmless(cloud, project, nth, late):
    fuse = Fuse(nth, late=late)
    try:
        apply(project, fuse)
    except Crash:
        assert apply(project).how == "converged"
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH
    assert delete(project).how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}


@pytest.mark.parametrize("nth", range(2, 22, 4))
def test_a_crash_at_any_write_of_a_deletion_is_harmless(cloud, project, nth):
    assert apply(project).how == "converged"
    try:
        how = delete(project, Fuse(nth, late=True)).how
    except Crash:
        how = delete(project).how
    assert how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}


# (what a person does to a deployment that serves, how its apply ends). Every third write, before and after in turn.
EDITS = {
    "edit": ("{replicas: {min: 1}, env: {COLOUR: blue}}", "converged"),
    "bad-edit": ("{replicas: {min: 1}, env: {PYTHONHOME: /nowhere}}", "stuck"),
}
LATER = [(nth, nth % 2 == 0) for nth in range(1, 11, 3)]


@pytest.mark.parametrize(("nth", "late"), LATER, ids=[f"{'after' if late else 'before'}-{nth}" for nth, late in LATER])
@pytest.mark.parametrize("which", list(EDITS))
def test_a_crash_at_any_write_of_an_edit_is_harmless(cloud, project, which, nth, late):
    assert apply(project).how == "converged"
    serving, ends = EDITS[which]
    project.write_text(project.read_text().replace("{replicas: {min: 1}}", serving))
    try:
        apply(project, Fuse(nth, late=late))
    except Crash:
        assert apply(project).how == ends
    assert inventory(cloud, name_of(project)) == {**ONE_OF_EACH, "definitions": 2}  # nothing was trained or made twice
    assert apply(project).how == ends
    assert delete(project).how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}


@pytest.mark.parametrize(("nth", "late"), LATER, ids=[f"{'after' if late else 'before'}-{nth}" for nth, late in LATER])
def test_a_crash_at_any_write_of_a_rollback_is_harmless(cloud, project, nth, late):
    assert apply(project).how == "converged"
    project.write_text(project.read_text().replace("{replicas: {min: 1}}", EDITS["edit"][0]))
    assert apply(project).how == "converged"
    try:
        rolled_back(project, Fuse(nth, late=late))
    except Crash:
        end = apply(project)  # the hold was written, or the document still stands: either way all is as one of the two
        assert end.how == "converged"
    assert inventory(cloud, name_of(project)) == {**ONE_OF_EACH, "definitions": 2}
    assert delete(project).how == "gone"
