"""The image of a Dockerfile: its bytes, its layers, and a configuration over its base's."""

import gzip
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trimtab.build.image import Image
from trimtab.build.layers import Layer, layer
from trimtab.build.own import assemble_own
from trimtab.core.errors import UserError
from trimtab_container.dockerfile import Copy, Recipe

INSIDE = {
    "Env": ["PATH=/usr/bin", "LANG=C"], "Entrypoint": ["/base"], "Cmd": ["run"], "User": "7",
    "Labels": {"of": "base"}, "ExposedPorts": {"80/tcp": {}},
}  # fmt: skip
BASE = {"architecture": "arm64", "os": "linux", "config": INSIDE, "rootfs": {"type": "layers", "diff_ids": ["sha256:d"]}}
HOST = {**BASE, "config": {"Labels": {"trimtab.dev/base": "host", "trimtab.dev/requirements": "a==1\n"}}}
MANIFEST = {"layers": [{"digest": "sha256:l"}]}
RECIPE = Recipe("base", entrypoint=("python3", "server.py"))


def made(recipe: Recipe, base: Any = BASE, packages: Any = None, lock: str = "", files: Any = None) -> Image:
    return assemble_own(MANIFEST, base, recipe, files or {}, lock, packages or {}, {"trimtab.dev/key": "k"})


def config(image: Image) -> dict[str, Any]:
    return json.loads(image.config)["config"]


def entries(one: Layer) -> dict[str, tuple[str, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(one.data))) as archive:
        return {member.name: (oct(member.mode), member.uid, member.gid) for member in archive}


def test_what_the_dockerfile_says_lies_over_what_the_base_says():
    recipe = replace(RECIPE, environment={"LANG": "de", "A": "b"}, labels={"v": "1"}, ports=("8080/tcp",), folder="/opt/x")
    assert config(made(recipe)) == {
        "Env": ["PATH=/usr/bin", "LANG=de", "A=b"],
        "Labels": {"of": "base", "v": "1", "trimtab.dev/key": "k", "trimtab.dev/requirements": ""},
        "ExposedPorts": {"80/tcp": {}, "8080/tcp": {}},
        "Entrypoint": ["python3", "server.py"],
        "WorkingDir": "/opt/x",
        "User": "7",
    }


def test_an_entry_point_drops_the_bases_command_and_a_command_alone_keeps_its_entry_point():
    assert "Cmd" not in config(made(RECIPE))
    kept = config(made(Recipe("base", command=("serve",), user="10001")))
    assert (kept["Entrypoint"], kept["Cmd"], kept["User"]) == (["/base"], ["serve"], "10001")


def test_each_copy_is_a_layer_above_the_bases_and_the_bytes_never_change(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"print(1)\n")
    files = {"server.py": tmp_path / "a"}
    copies = (
        Copy((1, 1), {"opt/program/server.py": "server.py"}, "opt/program"),
        Copy((2, 1), {"opt/program/run": "server.py"}, "opt/program", 0o750, (10001, 5)),
    )
    image = made(replace(RECIPE, copies=copies), files=files)
    assert [each["digest"] for each in json.loads(image.manifest)["layers"]] == ["sha256:l", *(x.digest for x in image.layers)]
    assert json.loads(image.config)["rootfs"]["diff_ids"] == ["sha256:d", *(each.diff_id for each in image.layers)]
    first, second = image.layers
    assert entries(first) == {"opt": ("0o755", 0, 0), "opt/program": ("0o755", 0, 0), "opt/program/server.py": ("0o644", 0, 0)}
    owned = ("0o755", 10001, 5)
    assert entries(second) == {"opt": ("0o755", 0, 0), "opt/program": owned, "opt/program/run": ("0o750", 10001, 5)}
    assert image.digest == "sha256:964d8705b85a578cab9a4045d17626f4215be633dec984d0cc55ee59f8d7723d"


def test_a_layer_leaves_the_modes_of_a_bases_own_folders():
    found = entries(layer({"tmp/a": b"", "var/tmp/b": b"", "root/c": b""}))
    assert [found[name][0] for name in ("tmp", "var/tmp", "root", "var")] == ["0o1777", "0o1777", "0o700", "0o755"]


def test_a_folder_that_no_copy_makes_is_made():
    (only,) = made(replace(RECIPE, folder="/opt/empty")).layers
    assert entries(only) == {"opt": ("0o755", 0, 0), "opt/empty": ("0o755", 0, 0)}


def test_packages_are_found_behind_own_modules_and_their_programs_first():
    packages = {"click/__init__.py": b"", "bin/uvicorn": b"#!"}
    image = made(replace(RECIPE, environment={"PYTHONPATH": "/mine"}), packages=packages, lock="click==1\n")
    root = "opt/trimtab/packages"
    assert entries(image.layers[0])[f"{root}/bin/uvicorn"][0] == "0o755"
    assert entries(image.layers[0])[f"{root}/click/__init__.py"][0] == "0o644"
    assert config(image)["Env"] == [f"PATH=/{root}/bin:/usr/bin", "LANG=C", f"PYTHONPATH=/mine:/{root}"]


def test_on_a_host_base_the_lock_is_a_label_beside_the_bases_own():
    assert config(made(RECIPE, HOST, lock="b==2\n"))["Labels"]["trimtab.dev/requirements"] == "a==1\nb==2\n"
    assert config(made(RECIPE, HOST))["Labels"]["trimtab.dev/requirements"] == "a==1\n"


@pytest.mark.parametrize(
    ("recipe", "base", "said"),
    [
        (Recipe("base"), HOST, "neither the Dockerfile nor its base has an ENTRYPOINT"),
        (replace(RECIPE, folder="/app"), HOST, "WORKDIR /app is outside /opt"),
        (replace(RECIPE, copies=(Copy((4, 1), {"app/x": "x"}, "app"),)), HOST, "line 4 of the Dockerfile copies to /app/x"),
    ],
)
def test_what_cannot_run_is_refused(recipe, base, said):
    with pytest.raises(UserError, match=said) as refused:
        made(recipe, base)
    assert refused.value.fix
