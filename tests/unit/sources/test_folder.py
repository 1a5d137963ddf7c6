"""A folder as a source: half-saved files, files on their way back, a folder that is not there."""

import json

import pytest

from trimtab.core.errors import Transient
from trimtab.sources.folder import GONE_S, SETTLED_S, FolderSource

TEXT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: digits, namespace: vision}
spec:
  model: {source: ./model}
"""


class Clock:
    """Seconds since the epoch, from the last write on."""

    def __init__(self) -> None:
        self.after_s = 0.0
        self.base = 0.0
        self.since_start_s = 0.0

    def __call__(self) -> float:
        return self.base + self.after_s

    def monotonic(self) -> float:
        return self.since_start_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def source(tmp_path, clock):
    root = tmp_path / "models"
    (root / "digits" / "model").mkdir(parents=True)
    (root / "digits" / "model" / "model.onnx").write_text("x")
    made = FolderSource(root, now=clock, monotonic=clock.monotonic)
    save(made, TEXT)
    clock.after_s = SETTLED_S + 1
    return made


def save(source: FolderSource, text: str) -> None:
    file = source.root / "digits" / "deployment.yaml"
    file.write_text(text)
    source.now.base = file.stat().st_mtime
    source.now.after_s = 0.0


def names(source: FolderSource) -> list[str]:
    return sorted(source.read().declared)


def test_documents_are_found_at_any_depth(source):
    assert names(source) == ["vision/digits"]
    assert source.read().declared["vision/digits"].folder == source.root / "digits"


def test_a_file_is_taken_once_it_has_come_to_rest(source):
    before = source.read().declared["vision/digits"].mark
    save(source, TEXT[: len(TEXT) // 2])  # an editor has written half of it
    assert source.read().declared["vision/digits"].mark == before
    save(source, TEXT + "  suspend: false\n")
    assert source.read().declared["vision/digits"].mark == before
    source.now.after_s = SETTLED_S + 1
    assert source.read().declared["vision/digits"].mark != before


def test_a_new_file_that_is_still_being_written_is_not_there_yet(source):
    assert names(source) == ["vision/digits"]
    file = source.root / "other.yaml"
    file.write_text("apiVersion: trimtab.dev/v1alpha1")
    source.now.base, source.now.after_s = file.stat().st_mtime, 0.0
    assert source.read().refused == ()
    source.now.after_s = SETTLED_S + 1
    assert [each.file for each in source.read().refused] == ["other.yaml"]


def test_a_file_that_comes_back_was_never_gone(source):
    assert names(source) == ["vision/digits"]
    file = source.root / "digits" / "deployment.yaml"
    file.rename(file.with_suffix(".bak"))
    assert names(source) == ["vision/digits"]
    source.now.since_start_s += GONE_S - 1
    assert names(source) == ["vision/digits"]
    file.with_suffix(".bak").rename(file)
    assert names(source) == ["vision/digits"]
    file.unlink()
    assert names(source) == ["vision/digits"]
    source.now.since_start_s += GONE_S
    assert names(source) == []


def test_a_document_whose_file_is_renamed_stays_the_same_and_is_no_mistake(source):
    assert names(source) == ["vision/digits"]
    file = source.root / "digits" / "deployment.yaml"
    file.rename(file.with_name("renamed.yaml"))
    for _ in range(2):
        listing = source.read()
        assert (listing.declared["vision/digits"].file, listing.refused) == ("digits/renamed.yaml", ())
        source.now.since_start_s += GONE_S
    file.with_name("renamed.yaml").unlink()
    save(source, TEXT.replace("digits", "numbers"))  # the name of the document itself: another one, and the old one goes
    source.now.after_s = SETTLED_S + 1
    source.read()
    source.now.since_start_s += GONE_S
    assert names(source) == ["vision/numbers"]


def test_a_mount_that_is_gone_makes_no_document_vanish(source):
    assert names(source) == ["vision/digits"]
    mounted = source.root.rename(source.root.with_name("elsewhere"))
    source.root.mkdir()
    for _ in range(2):
        with pytest.raises(Transient, match="another folder than before, and an empty one"):
            source.read()
        source.now.since_start_s += GONE_S
    source.root.rmdir()
    mounted.rename(source.root)
    assert names(source) == ["vision/digits"]


@pytest.mark.parametrize("jump_s", [6 * 3600, -6 * 3600])
def test_a_clock_that_jumps_makes_no_document_vanish(source, jump_s):
    assert names(source) == ["vision/digits"]
    file = source.root / "digits" / "deployment.yaml"
    file.rename(file.with_suffix(".bak"))
    assert names(source) == ["vision/digits"]
    source.now.after_s += jump_s
    assert names(source) == ["vision/digits"]  # it may be on its way back all the same
    file.with_suffix(".bak").rename(file)
    assert names(source) == ["vision/digits"]


@pytest.mark.parametrize(
    "name", [".deployment.yaml.swp", ".hidden.yaml", "#deployment.yaml", "notes.txt", "deployment.yaml~"]
)
def test_what_editors_leave_is_no_document(source, name):
    (source.root / name).write_text("no: document")
    assert source.read().refused == ()


def test_the_status_that_is_written_back_is_no_document(source):
    source.report("vision/digits", {"revision": 1})
    written = source.root / ".trimtab" / "vision" / "digits.json"
    assert json.loads(written.read_text()) == {"revision": 1}
    before = source.read()
    source.report("vision/digits", {"revision": 2})
    assert source.read() == before
    source.report("vision/digits", None)
    source.report("vision/digits", None)
    assert not written.exists()


def test_a_folder_that_is_not_there_says_so(source):
    assert names(source) == ["vision/digits"]
    source.root.rename(source.root.with_name("elsewhere"))
    with pytest.raises(Transient, match="cannot be listed"):
        source.read()
    with pytest.raises(Transient, match="is not there"):
        source.report("vision/digits", {"revision": 1})
    assert not source.root.exists()


def test_a_change_of_a_file_that_the_document_names_is_seen(source):
    before = source.read().declared["vision/digits"].mark
    assert source.read().declared["vision/digits"].mark == before
    (source.root / "digits" / "model" / "model.onnx").write_text("yz")
    assert source.read().declared["vision/digits"].mark != before


def test_a_file_too_large_to_be_a_document_is_not_read(source):
    with (source.root / "huge.yaml").open("wb") as file:
        file.truncate(50_000_000)
    source.now.after_s += 1e9
    listing = source.read()
    assert list(listing.declared) == ["vision/digits"]
    assert "50,000,000 bytes" in str(listing.refused[0].mistakes[0])


def test_a_link_out_of_the_folder_is_not_followed(source, tmp_path):
    (tmp_path / "outside.yaml").write_text(TEXT.replace("digits", "outside"))
    (source.root / "inside.yaml").symlink_to(tmp_path / "outside.yaml")
    assert names(source) == ["vision/digits"]


def test_a_mistake_that_stands_is_the_same_at_every_look(source):
    """It is told once: what compares as new is told again every few seconds."""
    save(source, TEXT + "  nonsense: 1\n")
    source.now.after_s = SETTLED_S + 1
    first = source.read().refused
    assert [each.file for each in first] == ["digits/deployment.yaml"]
    assert source.read().refused == first
    save(source, TEXT + "  nonsense: 2\n")
    source.now.after_s = SETTLED_S + 1
    assert source.read().refused != first
