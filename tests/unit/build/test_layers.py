"""Layers are the same bytes wherever they are made."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.build.image import HOST, Parts, assemble, is_host
from trimtab.build.layers import layer, stored_gzip

BASE_CONFIG = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"trimtab.dev/base": HOST}}, "rootfs": {"type": "layers", "diff_ids": []}}
BASE_MANIFEST = {"layers": []}


@given(st.binary(max_size=200_000))
def test_a_stored_gzip_unpacks_to_what_went_in(data):
    assert gzip.decompress(stored_gzip(data)) == data


def test_the_bytes_of_a_layer_never_change():
    made = layer({"opt/program/a.py": b"print(1)\n", "opt/program/b/c.txt": b"x"}, frozenset({"opt/program/a.py"}))
    assert made.digest == "sha256:a52cd1b196bc850e2777edd944604e70513a3d34a0bc22dd619e229e8c707179"


def test_order_and_times_of_files_do_not_matter(tmp_path: Path):
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    one = layer({"x/b": tmp_path / "b", "x/a": tmp_path / "a"})
    (tmp_path / "a").touch()
    assert layer({"x/a": tmp_path / "a", "x/b": tmp_path / "b"}) == one


def test_modes_owners_and_times_are_fixed():
    made = layer({"opt/run": b"#!", "opt/data": b"d"}, frozenset({"opt/run"}))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(made.data))) as archive:
        entries = {member.name: (oct(member.mode), member.uid, member.mtime) for member in archive}
    assert entries == {"opt": ("0o755", 0, 0), "opt/data": ("0o644", 0, 0), "opt/run": ("0o755", 0, 0)}


def parts(tmp_path: Path, **changes: object) -> Parts:
    (tmp_path / "launcher").write_bytes(b"pyz")
    (tmp_path / "model").write_bytes(b"weights")
    fields = {"code": {}, "model": {"model.onnx": tmp_path / "model"}, "launcher": tmp_path / "launcher", "requirements": "numpy==1", "packages": {}}
    return Parts(**(fields | changes))  # type: ignore[arg-type]


def test_an_image_sets_no_user_and_runs_the_launcher(tmp_path: Path):
    import json

    image = assemble(BASE_MANIFEST, BASE_CONFIG, parts(tmp_path), {"trimtab.dev/artifact": "sha256:1"})
    config = json.loads(image.config)["config"]
    assert "User" not in config
    assert (config["Entrypoint"], config["Cmd"]) == (["python3", "/opt/trimtab/launcher.pyz"], ["serve"])
    assert config["Labels"] == {"trimtab.dev/base": "host", "trimtab.dev/artifact": "sha256:1", "trimtab.dev/requirements": "numpy==1"}


@pytest.mark.parametrize("change", ["model", "code", "requirements"])
def test_another_part_gives_another_digest(tmp_path: Path, change: str):
    (tmp_path / "other").write_bytes(b"other")
    other = "numpy==2" if change == "requirements" else {"f": tmp_path / "other"}
    one = assemble(BASE_MANIFEST, BASE_CONFIG, parts(tmp_path), {})
    assert assemble(BASE_MANIFEST, BASE_CONFIG, parts(tmp_path), {}).digest == one.digest
    assert assemble(BASE_MANIFEST, BASE_CONFIG, parts(tmp_path, **{change: other}), {}).digest != one.digest


def test_only_a_labelled_base_stands_for_the_machines_python():
    assert is_host(BASE_CONFIG)
    assert not is_host({"config": {"Labels": None}})
