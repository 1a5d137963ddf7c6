"""What an earlier tree holds is decided from its record and a listing, without a call."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.engine.contents import Origin
from trimtab.engine.workers.reuse import Earlier, Listed, sources_in
from trimtab_container.digests import Entry

WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
A, B = Entry("a", 3, "aa" * 32), Entry("sub/b", 5, "bb" * 32)
LISTED = {"a": Listed(3, '"1"', WRITTEN), "sub/b": Listed(5, '"2"', WRITTEN)}
TREE = Earlier("b", "d/old/", WRITTEN, (A, B), LISTED)


def test_an_unchanged_file_comes_from_the_earlier_tree():
    assert sources_in(TREE, [B]) == {"sub/b": Origin("b", "d/old/sub/b", '"2"')}


def test_a_renamed_file_comes_from_under_its_old_name():
    assert sources_in(TREE, [replace(A, path="moved/a")]) == {"moved/a": Origin("b", "d/old/a", '"1"')}


def test_a_file_with_other_bytes_is_in_no_earlier_tree():
    assert sources_in(TREE, [replace(A, sha256="cc" * 32)]) == {}


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param({}, id="gone"),
        pytest.param({"a": Listed(4, '"1"', WRITTEN)}, id="another size"),
        pytest.param({"a": Listed(3, '"9"', WRITTEN + timedelta(seconds=1))}, id="written after the record"),
    ],
)
def test_an_object_that_is_not_as_recorded_is_no_source(listed):
    assert sources_in(replace(TREE, listed=listed), [A]) == {}


def test_where_one_of_two_same_files_is_gone_the_other_serves():
    twin = replace(A, path="twin")
    tree = replace(TREE, entries=(A, twin), listed={"twin": Listed(3, '"3"', WRITTEN)})
    assert sources_in(tree, [A]) == {"a": Origin("b", "d/old/twin", '"3"')}
