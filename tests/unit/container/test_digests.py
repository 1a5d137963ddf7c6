"""One digest for a tree, whatever it lies in."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab_container import bundle
from trimtab_container.digests import DigestError, Entry, folder_digest, folder_entries, tree_digest

ENTRIES = st.lists(
    st.builds(Entry, st.text(min_size=1, max_size=8), st.integers(0, 9), st.sampled_from(["0" * 64, "1" * 64])),
    unique_by=lambda entry: entry.path,
    max_size=6,
)


@given(ENTRIES)
def test_order_does_not_matter(entries):
    assert tree_digest(entries) == tree_digest(reversed(entries))


@given(ENTRIES, ENTRIES)
def test_other_trees_have_other_digests(one, other):
    assert (tree_digest(one) == tree_digest(other)) == (set(one) == set(other))


def test_a_digest_stays_what_it_was():
    assert (
        tree_digest([Entry("a", 1, "0" * 64)]) == "sha256:999b98597c3644832bf4246e1e5902b37f099fe32a3250886d11a4bac19e6261"
    )


def test_modes_times_and_empty_folders_do_not_matter(tmp_path):
    (tmp_path / "a").write_text("x")
    before = folder_digest(tmp_path)
    (tmp_path / "a").chmod(0o700)
    os.utime(tmp_path / "a", (1, 1))
    (tmp_path / "empty").mkdir()
    assert folder_digest(tmp_path) == before


def test_names_are_normalised_and_twins_refused(tmp_path):
    (tmp_path / "e\u0301").touch()
    assert [entry.path for entry in folder_entries(tmp_path)] == ["\u00e9"]
    (tmp_path / "\u00e9").touch()
    with pytest.raises(DigestError):
        folder_digest(tmp_path)


def test_a_link_that_leaves_is_refused(tmp_path):
    (tmp_path / "l").symlink_to("/etc/hostname")
    with pytest.raises(DigestError):
        folder_digest(tmp_path)


def test_a_launcher_is_the_same_bytes_twice(tmp_path: Path):
    assert bundle.build(tmp_path / "a.pyz") == bundle.build(tmp_path / "b.pyz")
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()
