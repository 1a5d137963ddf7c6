"""What moved in the world between a plan and its apply is named, from what to what; what nobody declares never is."""

import pytest

from boxes import HISTORY, KINDS, OURS, SeenBox, box, look
from trimtab.core.kind import UID, Moving, Unknown
from trimtab.graph.node import graph_of
from trimtab.plan.basis import basis, moved
from trimtab.plan.drift import Rules
from trimtab.plan.plan import plan
from trimtab.plan.snapshot import Absent, Found

GRAPH = graph_of([box("a"), box("b", "a")], {})
A, B = "test.Box/a", "test.Box/b"


def stands(a, b=None, rules=Rules()) -> dict:  # noqa: B008 - frozen
    snapshot = look(GRAPH, {A: a} | ({B: b} if b else {}))
    return basis(GRAPH, snapshot, plan(GRAPH, snapshot, HISTORY, KINDS, rules), KINDS, rules)


def there(**fields) -> Found:
    return Found(SeenBox("", **fields), OURS)


def held_by(uid: str | None) -> Found:
    return Found(SeenBox(""), {UID: uid} if uid else {})


@pytest.mark.parametrize(
    ("before", "now", "named"),
    [
        pytest.param(there(), there(), [], id="nothing"),
        pytest.param(there(), there(size=5), [f"{A} size: 1 -> 5"], id="changed by hand"),
        pytest.param(there(size=5), there(), [f"{A} size: 5 -> 1"], id="put right by hand"),
        pytest.param(there(size=5), there(size=7), [f"{A} size: 5 -> 7"], id="changed once more"),
        pytest.param(Absent(), there(), [f"{A}: it is not there -> it is there"], id="made by somebody"),
        pytest.param(there(), Absent(), [f"{A}: it is there -> it is not there"], id="deleted by hand"),
        pytest.param(there(), Unknown("no"), [f"{A}: it is there -> it could not be read"], id="not read"),
        pytest.param(there(), there(state=Moving("runs")), [], id="a state is no field"),
        pytest.param(there(), there(id="other"), [], id="what nobody declares"),
        pytest.param(there(), held_by(None), [f"{A} owner: this deployment -> nobody"], id="its owner tag was taken away"),
        pytest.param(held_by(None), held_by("uid2"), [f"{A} owner: nobody -> uid2"], id="another took it"),
        pytest.param(held_by(None), held_by(None), [], id="it is nobody's still"),
    ],
)
def test_what_moved_is_named(before, now, named):
    assert list(moved(stands(before), stands(now))) == named


def test_a_field_that_refers_to_a_parent_is_compared_once_that_is_known():
    assert list(moved(stands(there(), there(holds="id-of-it")), stands(there(), there(holds="x")))) == [
        f"{B} holds: id-of-it -> x"
    ]


def test_what_the_document_leaves_alone_moves_nothing():
    rules = Rules(ignore=("test.Box:size",))
    assert list(moved(stands(there(), rules=rules), stands(there(size=5), rules=rules))) == []
