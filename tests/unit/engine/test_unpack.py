"""A model archive is hostile: nothing but regular files inside, within limits."""

import io
import tarfile
from pathlib import Path

import pytest

from trimtab.engine.workers import unpack
from trimtab.engine.workers.unpack import unpack as unpack_archive


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def member(name: str, type_: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = type_, link
    return made


def test_regular_files_come_out(tmp_path):
    unpack_archive(
        archive(tmp_path / "a.tgz", (member("m/model.onnx"), b"x"), (member("card.json"), b"{}")), tmp_path / "out"
    )
    assert (tmp_path / "out" / "m" / "model.onnx").read_bytes() == b"x"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(member("../evil"), id="parent"),
        pytest.param(member("/etc/evil"), id="absolute"),
        pytest.param(member("l", tarfile.SYMTYPE, "/etc/passwd"), id="link"),
        pytest.param(member("h", tarfile.LNKTYPE, "card.json"), id="hard link"),
        pytest.param(member("d", tarfile.CHRTYPE), id="device"),
        pytest.param(member("f", tarfile.FIFOTYPE), id="pipe"),
    ],
)
def test_what_is_no_plain_file_inside_is_refused(tmp_path, bad):
    with pytest.raises(ValueError):
        unpack_archive(archive(tmp_path / "a.tgz", (bad, b"")), tmp_path / "out")
    assert not any(path.is_file() for path in tmp_path.rglob("evil"))


def test_a_bomb_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "_FREE", 1000)
    monkeypatch.setattr(unpack, "MAX_RATIO", 2)
    bomb = archive(tmp_path / "a.tgz", (member("zeros"), b"\0" * 5_000_000))
    with pytest.raises(ValueError, match="more than"):
        unpack_archive(bomb, tmp_path / "out")
    assert not (tmp_path / "out" / "zeros").exists()


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_FILES", 2)
    many = archive(tmp_path / "a.tgz", *((member(str(number)), b"") for number in range(3)))
    with pytest.raises(ValueError, match="2 files"):
        unpack_archive(many, tmp_path / "out")
