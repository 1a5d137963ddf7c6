"""What is to be done about every deployment, from what sources declare and what ledgers say."""

import pytest

from trimtab.engine.board import Board, Configured, Keep, Known, Make, Refuse, Vanish, changed
from trimtab.engine.declared import Declared, Listing
from trimtab.sources.files import listing_of

A, B = Configured("folder:a"), Configured("folder:b")
TEXT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: @NAME@, namespace: vision}
spec:
  environmentRef: {name: @ENVIRONMENT@}
  model: {source: ./model}
"""


def text(name: str, environment: str = "local") -> bytes:
    return TEXT.replace("@NAME@", name).replace("@ENVIRONMENT@", environment).encode()


def listing(**files: bytes) -> Listing:
    return listing_of({f"{name}.yaml": each for name, each in files.items()}, lambda document: ("/", document.file))


def board(a: Listing | None = None, b: Listing | None = None, **known: Known) -> Board:
    by_key = {f"vision/{name}": each for name, each in known.items()}
    return Board((A, B), frozenset({"local"}), {"folder:a": a, "folder:b": b}, by_key)


def of(source: str, file: str = "d.yaml", environment: str = "local") -> Known:
    return Known(environment, source, file)


def test_what_a_source_declares_is_made():
    (task,) = board(listing(d=text("digits"))).tasks().values()
    assert isinstance(task, Make)
    assert (task.source, task.declared.key) == ("folder:a", "vision/digits")


def test_a_file_that_cannot_be_taken_leaves_what_stood_in_it_in_force():
    tasks = board(listing(d=text("digits") + b"  nonsense: 1\n"), digits=of("folder:a")).tasks()
    assert isinstance(tasks["vision/digits"], Keep)
    assert "nonsense" in str(tasks["vision/digits"].mistakes[0])


def test_a_file_that_is_no_yaml_any_more_names_nothing_and_still_keeps_what_stood_in_it():
    tasks = board(listing(d=b"\t{"), digits=of("folder:a"), other=of("folder:a", "other.yaml")).tasks()
    assert isinstance(tasks["vision/digits"], Keep)
    assert isinstance(tasks["vision/other"], Vanish)


def test_a_bad_file_concerns_itself_alone():
    tasks = board(listing(bad=text("bad") + b"  nonsense: 1\n", good=text("good"))).tasks()
    assert isinstance(tasks["vision/bad"], Refuse)
    assert isinstance(tasks["vision/good"], Make)


def test_an_empty_file_is_no_wish_to_delete():
    assert isinstance(board(listing(d=b""), digits=of("folder:a")).tasks()["vision/digits"], Keep)


def test_nothing_is_concluded_from_a_source_that_was_not_read():
    assert isinstance(board(None, listing(), digits=of("folder:a")).tasks()["vision/digits"], Keep)


def test_what_its_source_has_no_more_vanishes():
    assert board(listing(), digits=of("folder:a")).tasks() == {"vision/digits": Vanish("folder:a")}


def test_what_a_person_applied_is_nobodys_here():
    assert board(listing(), listing(), digits=of("")).tasks() == {}


def test_a_document_of_two_sources_is_an_error_that_names_both():
    (task,) = board(listing(d=text("digits")), listing(e=text("digits"))).tasks().values()
    assert isinstance(task, Refuse)
    assert "folder:a (d.yaml) and folder:b (e.yaml)" in str(task.mistakes[0])


def test_the_source_that_had_it_first_keeps_it():
    task = board(listing(d=text("digits")), listing(e=text("digits")), digits=of("folder:b")).tasks()["vision/digits"]
    assert isinstance(task, Make)
    assert task.source == "folder:b"


def test_a_document_may_move_from_one_source_to_another():
    task = board(listing(), listing(e=text("digits")), digits=of("folder:a")).tasks()["vision/digits"]
    assert isinstance(task, Make)
    assert task.source == "folder:b"


def test_one_name_in_two_files_of_a_source_is_refused_in_both():
    tasks = board(listing(d=text("digits"), e=text("digits"), f=text("fine"))).tasks()
    assert isinstance(tasks["vision/digits"], Refuse)
    assert "stands in" in str(tasks["vision/digits"].mistakes[0])
    assert isinstance(tasks["vision/fine"], Make)


@pytest.mark.parametrize(
    ("environment", "known", "reason"),
    [
        pytest.param("staging", None, "EnvironmentMissing", id="not served"),
        pytest.param("local", of("folder:a", environment="old"), "EnvironmentMoved", id="moved"),
    ],
)
def test_an_environment_must_be_served_and_may_not_change(environment, known, reason):
    seen = board(listing(d=text("digits", environment)), **({"digits": known} if known else {})).tasks()["vision/digits"]
    assert isinstance(seen, Keep if known else Refuse)
    assert [each.reason for each in seen.mistakes] == [reason]


def test_a_source_speaks_for_its_namespaces_alone():
    limited = Board(
        (Configured("folder:a", frozenset({"text"})),), frozenset({"local"}), {"folder:a": listing(d=text("digits"))}
    )
    (task,) = limited.tasks().values()
    assert isinstance(task, Refuse)
    assert task.mistakes[0].reason == "NamespaceRefused"


def test_only_what_changed_is_looked_at():
    before = board(listing(d=text("digits"), e=text("other"))).tasks()
    again = board(listing(d=text("digits"), e=text("other"))).tasks()
    assert changed(before, again) == frozenset()
    moved = listing_of({"d.yaml": text("digits"), "e.yaml": text("other")}, lambda document: ("/", f"{document.file}x"))
    assert changed(before, board(moved).tasks()) == {"vision/digits", "vision/other"}
    assert changed(before, board(listing(d=text("digits"))).tasks()) == {"vision/other"}


def test_documents_of_other_groups_are_no_mistake():
    files = {"d.yaml": text("digits"), "app.yaml": b"apiVersion: apps/v1\nkind: Deployment\n"}
    found = listing_of(files, lambda document: ("/", ""))
    assert (list(found.declared), found.refused) == (["vision/digits"], ())
    assert isinstance(found.declared["vision/digits"], Declared)
