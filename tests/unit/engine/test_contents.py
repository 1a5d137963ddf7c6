"""A folder has one digest, and a change while it is read is never missed."""

import os
from pathlib import Path

import pytest

from trimtab.core.errors import Position, UserError
from trimtab.core.kind import Progress
from trimtab.engine import contents
from trimtab.engine.contents import Count, DigestCache, read_folder

HERE = Position("deployment.yaml", 5, 13, "spec.dataset.source")


def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "train").mkdir(parents=True)
    (root / "train" / "a").write_text("a")
    (root / "b").write_text("bb")
    return root


def digest(tmp_path: Path) -> str:
    return read_folder(tmp_path / "data", tmp_path, HERE).digest


def refused(root: Path, inside: Path) -> UserError:
    with pytest.raises(UserError) as raised:
        read_folder(root, inside, HERE)
    assert raised.value.position == HERE
    return raised.value


def test_modes_and_times_do_not_matter(tmp_path):
    root = folder(tmp_path)
    before = digest(tmp_path)
    (root / "b").chmod(0o755)
    os.utime(root / "b", (1, 1))
    assert digest(tmp_path) == before


@pytest.mark.parametrize("change", ["bytes", "name", "more"])
def test_bytes_names_and_number_of_files_matter(tmp_path, change):
    root = folder(tmp_path)
    before = digest(tmp_path)
    {
        "bytes": lambda: (root / "b").write_text("cc"),
        "name": lambda: (root / "b").rename(root / "c"),
        "more": lambda: (root / "d").touch(),
    }[change]()
    assert digest(tmp_path) != before


def test_a_part_has_paths_below_its_folder(tmp_path):
    folder(tmp_path)
    content = read_folder(tmp_path / "data", tmp_path, HERE)
    part = content.part(lambda _: True, below="train")
    assert [entry.path for entry in part.entries] == ["a"]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda root: None, "TT2001", id="missing"),
        pytest.param(lambda root: root.write_text("x"), "TT2001", id="a file"),
        pytest.param(lambda root: root.mkdir(), "TT2002", id="empty"),
        pytest.param(lambda root: root.symlink_to("/etc"), "TT2003", id="a link outside"),
        pytest.param(
            lambda root: (root.mkdir(), (root / "l").symlink_to("/etc/hostname")), "TT2003", id="a file linked outside"
        ),
        pytest.param(lambda root: (root.mkdir(), os.mkfifo(root / "pipe")), "TT2004", id="a pipe"),
        pytest.param(
            lambda root: (root.mkdir(), (root / "gone").symlink_to(root / "nowhere")), "TT2004", id="a dangling link"
        ),
        pytest.param(
            lambda root: (root.mkdir(), (root / "e\u0301").touch(), (root / "\u00e9").touch()), "TT2006", id="NFC twins"
        ),
        pytest.param(
            lambda root: (root.mkdir(), Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9")).touch()), "TT2004", id="no UTF-8"
        ),
    ],
)
def test_what_has_no_digest_is_refused_at_the_field(tmp_path, make, code):
    make(tmp_path / "data")
    assert refused(tmp_path / "data", tmp_path).code == code


def test_a_name_that_no_file_system_takes_is_refused_at_the_field(tmp_path):
    assert refused(tmp_path / ("a" * 300), tmp_path).code == "TT2001"


def test_a_file_is_found_again_whatever_form_of_unicode_its_disk_keeps(tmp_path):
    root = folder(tmp_path)
    (root / "train" / "cafe\u0301").write_text("decomposed, as macOS writes it")
    content = read_folder(root, tmp_path, HERE)
    for part in (content, content.part(lambda _: True, below="train")):
        (entry,) = [each for each in part.entries if each.path.endswith("caf\u00e9")]
        assert part.file(entry).read_text() == "decomposed, as macOS writes it"
        assert all(part.file(each).is_file() for each in part.entries)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    root = folder(tmp_path)
    real = contents._hash

    def meddle(*given):
        value = real(*given)
        (root / "b").write_text("changed meanwhile")
        return value

    monkeypatch.setattr(contents, "_hash", meddle)
    assert refused(root, tmp_path).reason == "DatasetChanged"


def test_a_file_that_appears_meanwhile_is_refused(tmp_path, monkeypatch):
    root = folder(tmp_path)
    real = contents._hash
    monkeypatch.setattr(contents, "_hash", lambda *given: ((root / "late").touch(), real(*given))[1])
    assert refused(root, tmp_path).reason == "DatasetChanged"


def test_the_cache_spares_the_second_reading_and_forgets_what_was_touched(tmp_path, monkeypatch):
    root = folder(tmp_path)
    for path in (root / "b", root / "train" / "a"):
        os.utime(path, (1, 1))
    cache = DigestCache(tmp_path / "cache.json")
    monkeypatch.setattr(contents, "_SETTLED_S", -1.0)
    first = read_folder(root, tmp_path, HERE, cache=cache).digest
    cache.save()
    again = DigestCache(tmp_path / "cache.json")
    again.load()
    read: list[str] = []
    real = contents._hash
    monkeypatch.setattr(contents, "_hash", lambda path, *rest: (read.append(path.name), real(path, *rest))[1])
    assert read_folder(root, tmp_path, HERE, cache=again).digest == first
    assert read == []
    (root / "b").write_text("xx")
    assert read_folder(root, tmp_path, HERE, cache=again).digest != first
    assert read == ["b"]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_cache_is_no_cache(tmp_path, text):
    (tmp_path / "cache.json").write_text(text)
    cache = DigestCache(tmp_path / "cache.json")
    cache.load()
    folder(tmp_path)
    assert read_folder(tmp_path / "data", tmp_path, HERE, cache=cache).digest == digest(tmp_path)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    (tmp_path / "file").touch()
    cache = DigestCache(tmp_path / "file" / "cache.json")  # below a file nothing can be made
    cache.load()
    cache.put_object("mark", "sha256")
    cache.save()
    assert not cache.path.exists()


class Killed(Exception):
    """As a process is: nothing is saved at the end."""


def test_what_was_hashed_before_the_process_is_killed_is_not_read_again(tmp_path, monkeypatch):
    root = folder(tmp_path)
    for path in (root / "b", root / "train" / "a"):
        os.utime(path, (1, 1))
    monkeypatch.setattr(contents, "_SETTLED_S", -1.0)
    monkeypatch.setattr(contents, "_SAVE_S", -1.0)

    def killed(progress: Progress) -> None:
        if progress.done == 3:  # at the end of the second file, before its digest is known
            raise Killed

    with pytest.raises(Killed):
        read_folder(root, tmp_path, HERE, cache=DigestCache(tmp_path / "cache.json"), count=Count(killed, "dataset"))
    again = DigestCache(tmp_path / "cache.json")
    again.load()
    read: list[str] = []
    real = contents._hash
    monkeypatch.setattr(contents, "_hash", lambda path, *rest: (read.append(path.name), real(path, *rest))[1])
    assert read_folder(root, tmp_path, HERE, cache=again).digest == digest(tmp_path)
    assert read == ["a", "b", "a"]  # the second alone; both for the digest that it is compared with


def test_how_far_it_is_is_told_in_bytes_of_all_that_there_are(tmp_path):
    told: list[Progress] = []
    read_folder(folder(tmp_path), tmp_path, HERE, count=Count(told.append, "dataset"))
    assert Progress(2, 3, "bytes", "dataset") in told
    assert told[-1] == Progress(3, 3, "bytes", "dataset")


def test_two_that_write_one_cache_lose_nothing_of_each_other(tmp_path):
    ours, theirs = DigestCache(tmp_path / "cache.json"), DigestCache(tmp_path / "cache.json")
    for cache, mark in ((ours, "a"), (theirs, "b")):
        cache.load()
        cache.put_object(mark, f"sha256 of {mark}")
    ours.save()
    theirs.save()
    read = DigestCache(tmp_path / "cache.json")
    read.load()
    assert [read.get_object(each) for each in "ab"] == ["sha256 of a", "sha256 of b"]
