"""A Git repository as a source: what a ref stands for, whatever became of it; status on a branch; signatures."""

import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from trimtab.core.errors import Conflict, Denied, Transient, UserError
from trimtab.sources.git import GitSource
from trimtab.sources.git_remote import Remote, shown

TEXT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: digits, namespace: vision}
spec:
  model: {source: ./model}
"""
QUIET = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


class Clone:
    """A person's working copy, and the bare repository that it is pushed to."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.work = folder / "models.git", folder / "work"
        self.git("init", "-q", "--bare", "-b", "main", str(self.bare), within=folder)
        self.git("init", "-q", "-b", "main", str(self.work), within=folder)
        self.write("digits/deployment.yaml", TEXT)
        self.write("digits/model/model.onnx", "x")
        self.commit("Add digits")

    def git(self, *words: str, within: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words], cwd=within or self.work, env={**os.environ, **QUIET}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        (self.work / path).parent.mkdir(parents=True, exist_ok=True)
        (self.work / path).write_text(text)

    def commit(self, message: str, *options: str) -> str:
        self.git("add", "-A")
        self.git(
            *(["-c", "gpg.format=ssh"] if "-S" in options else []), "commit", "-q", "--allow-empty", "-m", message, *options
        )
        self.push()
        return self.git("rev-parse", "HEAD")

    def push(self, *more: str) -> None:
        self.git("push", "-q", "-f", str(self.bare), *(more or ["HEAD:main"]))

    def pushed(self, ref: str, path: str) -> str | None:
        """A file at a ref of the bare repository; None where it is not there."""
        done = subprocess.run(["git", "show", f"{ref}:{path}"], cwd=self.bare, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else None


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


@pytest.fixture
def source(clone, tmp_path):
    return source_of(clone, tmp_path)


def source_of(clone: Clone, tmp_path: Path, **fields) -> GitSource:
    return GitSource(Remote(str(clone.bare), tmp_path / "store" / "copy"), tmp_path / "store", **fields)


def digits(source: GitSource):
    return source.read().declared["vision/digits"]


def test_documents_and_what_they_name_are_written_out(clone, source):
    declared = digits(source)
    assert (declared.file, declared.version) == ("digits/deployment.yaml", clone.git("rev-parse", "HEAD"))
    assert (declared.folder / "model" / "model.onnx").read_text() == "x"
    assert source.name == f"git:{clone.bare}@main:"


def test_only_what_concerns_a_document_changes_its_mark(clone, source):
    first = digits(source)
    clone.write("README.md", "words")
    second = clone.commit("Say something else")
    assert (digits(source).mark, digits(source).folder) == (first.mark, first.folder)
    assert source.read().version == second
    clone.write("digits/model/model.onnx", "y")
    clone.commit("Another model")
    third = digits(source)
    assert third.mark != first.mark
    assert (third.folder / "model" / "model.onnx").read_text() == "y"
    assert (first.folder / "model" / "model.onnx").read_text() == "x"  # a pass may still read it
    clone.write("digits/deployment.yaml", TEXT + "  suspend: true\n")
    clone.commit("Suspend")
    assert digits(source).mark != third.mark
    assert not first.folder.exists()  # and no longer than that


def test_nothing_is_fetched_while_the_ref_stands_still(clone, source, monkeypatch):
    listing = source.read()
    monkeypatch.setattr(Remote, "fetched", None)
    assert source.read() is listing


def test_a_forced_push_is_what_counts(clone, source):
    first = digits(source).version
    clone.write("digits/model/model.onnx", "y")
    clone.commit("Another model")
    assert digits(source).version != first
    clone.git("reset", "-q", "--hard", first)
    clone.push()
    assert digits(source).version == first


def test_a_branch_that_is_gone_concludes_nothing_and_is_found_again(clone, source):
    source.read()
    clone.git("update-ref", "-d", "refs/heads/main", within=clone.bare)
    with pytest.raises(UserError, match="has no branch or tag main"):
        source.read()
    clone.git("checkout", "-q", "--orphan", "other")
    clone.write("digits/model/model.onnx", "z")
    clone.commit("From the beginning")
    assert (digits(source).folder / "model" / "model.onnx").read_text() == "z"


def test_an_empty_tree_is_an_empty_source_where_a_commit_made_it_so(clone, source):
    source.read()
    clone.git("rm", "-rq", ".")
    clone.commit("Nothing")
    assert source.read().declared == {}


def test_a_forced_push_to_an_empty_tree_concludes_nothing_and_is_mended_by_the_next(clone, source, tmp_path):
    first = digits(source).version
    clone.git("checkout", "-q", "--orphan", "slip")
    clone.git("rm", "-rqf", ".")
    clone.commit("Nothing")
    for each in (source, source_of(clone, tmp_path / "anew")):  # and so where the operator starts anew just then
        with pytest.raises(UserError, match="has no files, and does not follow on what was read last") as raised:
            each.read()
        assert "push what was there again" in raised.value.fix
    clone.git("checkout", "-q", "main")
    clone.push()
    assert digits(source).version == first
    clone.git("checkout", "-q", "slip")
    clone.write("README.md", "All is to go")
    clone.commit("Say so")
    assert source.read().declared == {}


def test_a_huge_document_is_refused_alone(clone, source):
    clone.write("huge.yaml", "a: 1\n" * (50 << 20 >> 2))
    clone.commit("Add 50 MB")
    listing = source.read()
    (refused,) = listing.refused
    assert "at most 262,144 are read" in str(refused.mistakes[0])
    assert list(listing.declared) == ["vision/digits"]


def test_a_folder_that_is_not_in_the_commit_concludes_nothing(clone, tmp_path):
    inside = source_of(clone, tmp_path, path="digits")
    assert digits(inside).file == "deployment.yaml"
    with pytest.raises(UserError, match="has no folder words"):
        source_of(clone, tmp_path, path="words").read()


@pytest.mark.parametrize("annotated", [True, False])
def test_a_tag_is_a_ref_too_and_may_move(clone, tmp_path, annotated):
    tagged = source_of(clone, tmp_path, ref="v1")
    clone.git("tag", *(["-a", "-m", "one"] if annotated else []), "v1")
    clone.push("v1")
    first = digits(tagged).version
    clone.write("digits/model/model.onnx", "y")
    second = clone.commit("Another model")
    assert digits(tagged).version == first
    clone.git("tag", "-f", *(["-a", "-m", "one"] if annotated else []), "v1")
    clone.push("v1")
    assert digits(tagged).version == second


def test_a_bad_document_is_refused_alone(clone, source):
    clone.write("digits/deployment.yaml", TEXT + "  colour: blue\n")
    clone.write("text/deployment.yaml", TEXT.replace("digits", "text"))
    clone.commit("A mistake")
    listing = source.read()
    assert list(listing.declared) == ["vision/text"]
    assert [each.file for each in listing.refused] == ["digits/deployment.yaml"]


@pytest.mark.parametrize(
    ("path", "make", "said"),
    [
        ("digits/model/big", lambda file: file.write_text("version https://git-lfs.github.com/spec/v1\noid x\n"), "Git LFS"),
    ],
)
def test_what_is_no_file_is_refused(clone, source, path, make, said):
    make(clone.work / path)
    clone.commit("No file")
    (refused,) = source.read().refused
    assert said in str(refused.mistakes[0])
    assert refused.keys == {"vision/digits"}


def test_a_link_is_written_as_one_and_followed_by_nobody_here(clone, source):
    (clone.work / "digits" / "model" / "out").symlink_to("/etc")
    clone.commit("A link")
    assert (digits(source).folder / "model" / "out").readlink() == Path("/etc")  # refused where the folder is read


def test_a_repository_that_is_not_there_is_said(clone, source):
    source.read()
    clone.bare.rename(clone.bare.with_suffix(".away"))
    with pytest.raises(Transient, match="is no repository"):
        source.read()


def test_a_server_that_never_answers_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        remote = Remote(f"http://ana:secret@127.0.0.1:{port}/models.git", tmp_path / "copy", patience_s=0.2)
        with pytest.raises(Transient) as told:
            remote.commit_of("main")
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # it was asked once: the wait is not made several times over
            silent.accept()
    assert "secret" not in str(told.value)
    assert f"http://127.0.0.1:{port}/models.git" in str(told.value)


def test_a_server_that_asks_who_we_are_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            for _ in range(4):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(
                        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        remote = Remote(f"http://ana:secret@127.0.0.1:{server.getsockname()[1]}/models.git", tmp_path / "copy", 5.0)
        with pytest.raises(Denied) as told:
            remote.commit_of("main")
        server.close()
    assert "secret" not in str(told.value)


def test_credentials_are_shown_nowhere(tmp_path):
    url = "https://ana:secret@git.example.com/models.git"
    assert shown(url) == "https://git.example.com/models.git"
    assert "secret" not in GitSource(Remote(url, tmp_path), tmp_path).name
    with pytest.raises(UserError, match="reached by git"):
        Remote("git://git.example.com/models.git", tmp_path)


# --- status -------------------------------------------------------------------------------------------------------------


def test_status_is_pushed_to_a_branch_of_its_own_when_it_changes(clone, tmp_path):
    source = source_of(clone, tmp_path, status="trimtab-status")
    for value in ({"ready": False}, {"ready": True}, {"ready": True}):
        source.report("vision/digits", value)
    source.report("vision/text", {"ready": True})
    assert json.loads(clone.pushed("trimtab-status", ".trimtab/vision/digits.json")) == {"ready": True}
    assert json.loads(clone.pushed("trimtab-status", ".trimtab/vision/text.json")) == {"ready": True}
    assert clone.git("rev-list", "--count", "trimtab-status", within=clone.bare) == "3"
    source.report("vision/digits", None)
    assert clone.pushed("trimtab-status", ".trimtab/vision/digits.json") is None
    assert clone.git("fsck", "--strict", within=clone.bare) == ""
    assert clone.git("log", "-1", "--format=%s %an", "trimtab-status", within=clone.bare) == "Forget vision/digits trimtab"


def test_a_status_that_others_push_beside_is_pushed_all_the_same(clone, tmp_path, monkeypatch):
    one, other = (source_of(clone, tmp_path / each, status="trimtab-status") for each in ("one", "other"))
    one.report("vision/digits", {"ready": True})
    meanwhile = iter(range(2))
    make = GitSource._commit

    def slow(self, to, last, path, blob):
        if self is one and (number := next(meanwhile, None)) is not None:
            other.report("vision/text", {"number": number})
        return make(self, to, last, path, blob)

    monkeypatch.setattr(GitSource, "_commit", slow)
    one.report("vision/digits", {"ready": False})
    assert json.loads(clone.pushed("trimtab-status", ".trimtab/vision/digits.json")) == {"ready": False}
    assert json.loads(clone.pushed("trimtab-status", ".trimtab/vision/text.json")) == {"number": 1}


def test_a_branch_that_never_stands_still_is_told(clone, tmp_path, monkeypatch):
    source = source_of(clone, tmp_path, status="trimtab-status")

    def moved(*_):
        raise Conflict("was pushed to meanwhile")

    monkeypatch.setattr(Remote, "pushed", moved)
    with pytest.raises(Transient, match="meanwhile"):
        source.report("vision/digits", {})


# --- signatures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("needs ssh-keygen")
    for name in ("ana", "eve"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(tmp_path / name)], check=True)
    key = " ".join((tmp_path / "ana.pub").read_text().split()[:2])
    (tmp_path / "allowed").write_text(f'ana@example.com namespaces="git" {key}\n')
    return tmp_path


def signed(clone: Clone, key: Path, message: str) -> str:
    clone.git("config", "user.signingKey", str(key))
    return clone.commit(message, "-S")


def test_only_signed_commits_are_taken_where_that_is_asked_for(clone, tmp_path, keys):
    source = source_of(clone, tmp_path, allowed=keys / "allowed")
    with pytest.raises(UserError, match="has no signature"):
        source.read()
    first = signed(clone, keys / "ana", "By ana")
    assert source.read().version == first
    signed(clone, keys / "eve", "By eve")
    with pytest.raises(UserError, match="signed by none of those"):
        source.read()
    assert source._listing.version == first  # what was read before is what stands


def test_a_signature_of_another_commit_does_not_hold(clone, tmp_path, keys):
    signed(clone, keys / "ana", "By ana")
    raw = subprocess.run(["git", "cat-file", "commit", "HEAD"], cwd=clone.work, capture_output=True, check=True).stdout
    forged = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=clone.work,
        input=raw.replace(b"By ana", b"By eve"),
        capture_output=True,
        check=True,
    ).stdout.decode().strip()  # fmt: skip
    clone.push(f"{forged}:main")
    with pytest.raises(UserError, match="does not hold"):
        source_of(clone, tmp_path, allowed=keys / "allowed").read()
