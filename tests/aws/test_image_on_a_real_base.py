"""Images on a base that is a system of its own: requirements become a layer of wheels; all is the same in every build."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from clouds import RunningCloud, running_cloud
from made_images import MANIFEST, parts_of, tar_of
from trimtab.clients.aws import Account, Aws
from trimtab.clients.registry import Registry
from trimtab.core.errors import UserError
from trimtab.core.kind import Call
from trimtab.engine.workers import Bench, serving_lock
from trimtab.engine.workers.image import BuildImage

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("images")]

NO_WHEEL = "docopt==0.6.2 --hash=sha256:49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491\n"


def lock_of(*names: str) -> str:
    """Those packages of the serving lock, one of them pure Python and one compiled."""
    blocks = re.split(r"\n(?=\S)", serving_lock())
    found = [block for block in blocks if block.partition("==")[0] in names]
    assert len(found) == len(names)
    return "\n".join(found) + "\n"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Place:
    """A registry with a base image, and a bucket with what goes on top."""

    def __init__(self, cloud: RunningCloud) -> None:
        info = cloud.info
        self.aws = Aws(Account(info.region, info.endpoint, info.access_key_id, info.secret_access_key))
        self.host = info.endpoint.removeprefix("http://")
        self.registry = Registry(self.host, self._token)
        self.s3 = cloud.client("s3")
        self.s3.create_bucket(Bucket="parts")
        for key, body in {"launcher/launcher.pyz": "#", "model/model.onnx": "m", "code/serve/a.py": "a = 1"}.items():
            self.s3.put_object(Bucket="parts", Key=key, Body=body)
        for name in ("bases/python", "vision/digits"):
            cloud.client("ecr").create_repository(repositoryName=name)

    def _token(self) -> str:
        return self.aws.make(Call("ecr", "GetAuthorizationToken", {}))["authorizationData"][0]["authorizationToken"]

    def push_base(self, architecture: str = "amd64", *variables: str) -> str:
        layer = tar_of({"etc/os-release": "NAME=base"})
        diff = digest_of(gzip.decompress(layer))
        inside = {"Env": ["PATH=/usr/bin", "PYTHONPATH=/old", *variables], "Labels": {"base": "yes"}}
        config = json.dumps(
            {"architecture": architecture, "os": "linux", "config": inside, "rootfs": {"type": "layers", "diff_ids": [diff]}}
        ).encode()
        for data in (layer, config):
            self.registry.push_blob("bases/python", digest_of(data), data, lambda _: None)
        manifest = parts_of([layer], [digest_of(layer)], digest_of(config), config)
        self.registry.push_manifest("bases/python", architecture, manifest, MANIFEST)
        return digest_of(manifest)

    def build(self, scratch: Path, tag: str, base: str, lock: str, **changes: str) -> tuple[dict[str, Any], str, int]:
        """(manifest, digest, bytes sent)."""
        scratch.mkdir()
        sent: list[int] = [0]
        arguments = {
            "repository_uri": f"{self.host}/vision/digits", "tag": tag, "base": f"{self.host}/bases/python@{base}",
            "code_uri": "s3://parts/code/", "launcher_uri": "s3://parts/launcher/", "model_uri": "s3://parts/model/",
            "artifact_digest": "sha256:a", "packaging": "baked", "dockerfile": "",
        }  # fmt: skip
        arguments |= changes

        def report(progress: Any) -> None:
            if progress.note == "pushing layers":
                sent[0] = progress.done

        BuildImage(Bench(self.aws, {}, lock, scratch))(arguments, report)
        manifest, digest = self.registry.manifest("vision/digits", tag)
        return manifest, digest, sent[0]

    def layer(self, manifest: dict[str, Any], number: int) -> dict[str, bytes]:
        data = self.registry.blob("vision/digits", manifest["layers"][number]["digest"])
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
            return {each.name: archive.extractfile(each).read() for each in archive if each.isfile()}  # type: ignore[union-attr]

    def build_own(
        self, scratch: Path, tag: str, dockerfile: str, *variables: str, **files: str
    ) -> tuple[dict[str, Any], str]:
        """(manifest, digest) of what a Dockerfile makes of the base."""
        for name, text in {"Dockerfile": dockerfile, **files}.items():
            self.s3.put_object(Bucket="parts", Key=f"{tag}/{name.replace('__', '.')}", Body=text)
        given = {"model_uri": f"s3://parts/{tag}/", "code_uri": "", "launcher_uri": "", "dockerfile": "Dockerfile"}
        return self.build(scratch, tag, self.push_base("amd64", *variables), "", **given)[:2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("images") / "state") as cloud:
        yield Place(cloud)


def test_wheels_become_a_layer_that_imports_and_is_the_same_in_every_build(place, tmp_path):
    base, lock = place.push_base(), lock_of("click", "orjson")
    manifest, digest, sent = place.build(tmp_path / "one", "1", base, lock)
    assert sent > 100_000
    again, same, sent_again = place.build(tmp_path / "a-longer-name", "2", base, lock)
    assert [each["digest"] for each in again["layers"]] == [each["digest"] for each in manifest["layers"]]
    assert sent_again < 10_000  # the configuration alone: it carries the tag as a label

    packages = place.layer(manifest, 1)
    target = tmp_path / "unpacked"
    for name, body in packages.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(body)
    names = {name.removeprefix("opt/trimtab/packages/") for name in packages}
    assert not any(name.startswith("bin/") or name.endswith(("RECORD", "INSTALLER", ".pyc")) for name in names)
    code = "import click, orjson, importlib.metadata as m; print(click.__file__, m.version('orjson'))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(target / "opt/trimtab/packages")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(target) in done.stdout

    config = json.loads(place.registry.blob("vision/digits", manifest["config"]["digest"]))
    assert "User" not in config["config"]
    assert config["config"]["Entrypoint"] == ["python3", "/opt/trimtab/launcher.pyz"]
    assert config["config"]["Env"][:2] == ["PATH=/usr/bin", "PYTHONPATH=/opt/trimtab/packages"]
    assert config["config"]["Labels"]["base"] == "yes"
    unpacked = [
        digest_of(gzip.decompress(place.registry.blob("vision/digits", each["digest"]))) for each in manifest["layers"]
    ]
    assert config["rootfs"]["diff_ids"] == unpacked
    assert digest != same  # tags differ, and with them the label
    assert place.layer(manifest, 2) == {"opt/program/serve/a.py": b"a = 1"}


def test_wheels_are_those_of_the_bases_architecture(place, tmp_path):
    manifest, _, _ = place.build(tmp_path / "arm", "arm", place.push_base("arm64"), lock_of("orjson"))
    (library,) = [body for name, body in place.layer(manifest, 1).items() if name.endswith(".so")]
    assert library[18:20] == b"\xb7\x00"  # ELF e_machine: AArch64


def test_an_architecture_that_is_not_known_is_refused_with_a_way_out(place, tmp_path):
    with pytest.raises(UserError, match="the base image is for riscv64") as refused:
        place.build(tmp_path / "riscv", "riscv", place.push_base("riscv64"), lock_of("click"))
    assert refused.value.fix == "choose a base for amd64 or arm64"


def test_a_requirement_without_a_wheel_is_an_error_and_no_image_is_made(place, tmp_path):
    with pytest.raises(UserError, match="docopt") as refused:
        place.build(tmp_path / "sdist", "sdist", place.push_base(), NO_WHEEL)
    assert "wheel" in refused.value.fix
    images = place.aws.make(Call("ecr", "ListImages", {"repositoryName": "vision/digits"}))["imageIds"]
    assert "sdist" not in {each.get("imageTag") for each in images}


OWN = """ARG TRIMTAB_BASE
FROM ${TRIMTAB_BASE}
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY server.py .
ENTRYPOINT ["uvicorn", "server:app"]
"""


def test_a_dockerfiles_packages_bring_their_programs_and_it_comes_out_the_same_again(place, tmp_path):
    lock = lock_of("click", "h11", "uvicorn")
    manifest, _ = place.build_own(tmp_path / "own", "own", OWN, requirements__txt=lock, server__py="app = 1\n")
    again, _ = place.build_own(tmp_path / "longer-name", "own2", OWN, requirements__txt=lock, server__py="app = 1\n")
    assert [each["digest"] for each in again["layers"]] == [each["digest"] for each in manifest["layers"]]
    packages = place.layer(manifest, 1)
    root = tmp_path / "unpacked"
    for name, body in packages.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)
    program = root / "opt/trimtab/packages/bin/uvicorn"
    done = subprocess.run(
        [sys.executable, "-S", str(program), "--version"],
        env={"PYTHONPATH": str(root / "opt/trimtab/packages")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Running uvicorn 0.54.0" in done.stdout
    assert place.layer(manifest, 3) == {"app/server.py": b"app = 1\n"}
    inside = json.loads(place.registry.blob("vision/digits", manifest["config"]["digest"]))["config"]
    assert inside["Entrypoint"] == ["uvicorn", "server:app"]
    assert inside["Env"] == ["PATH=/opt/trimtab/packages/bin:/usr/bin", "PYTHONPATH=/old:/opt/trimtab/packages"]
    assert inside["WorkingDir"] == "/app"


def test_packages_that_others_need_must_be_pinned_too_and_are_named(place, tmp_path):
    loose = OWN.replace("-r requirements.txt", "uvicorn==0.54.0 h11==0.16.0").replace("COPY requirements.txt .\n", "")
    with pytest.raises(UserError, match=r"need others that it does not pin: click==[\d.]+") as refused:
        place.build_own(tmp_path / "loose", "loose", loose, server__py="")
    assert refused.value.fix.startswith("add them to what it installs: click==")
    exact = loose.replace("h11==0.16.0", "h11==0.16.0 click==8.5.1")
    manifest, _ = place.build_own(tmp_path / "exact", "exact", exact, server__py="")
    assert any(name.endswith("/click/__init__.py") for name in place.layer(manifest, 1))


def test_wheels_are_those_of_the_python_that_the_base_says_it_has(place, tmp_path):
    lock = lock_of("orjson")
    for version, tag in (("3.12.4", "cpython-312"), ("", "cpython-311")):
        manifest, _ = place.build_own(
            tmp_path / tag, tag, OWN, f"PYTHON_VERSION={version}", requirements__txt=lock, server__py=""
        )
        (library,) = [name for name in place.layer(manifest, 1) if name.endswith(".so")]
        assert tag in library
