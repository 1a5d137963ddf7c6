"""Services on the process executor and the registry that the local cloud really has."""

import gzip
import hashlib
import io
import json
import os
import signal
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ecs_world import ACCOUNT, REGION, MiniCloud, Network, eventually, network
from trimtab.local.cloud import Cloud, Settings
from trimtab.local.ecr import Ecr
from trimtab.local.ecs import Ecs
from trimtab.local.elbv2 import Elbv2
from trimtab.local.images import Repository
from trimtab.local.overlay import Running
from trimtab.local.security import Key
from trimtab.local.server import executor

from .test_ecs_services import Line, Load

pytestmark = pytest.mark.slow

CONFIG, MANIFEST = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json"
HOST = {"trimtab.dev/base": "host"}
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class RealCloud(MiniCloud):
    """A MiniCloud whose tasks run on the executor, from images of the registry."""

    def _open(self) -> Cloud:
        settings = Settings(self.folder, ACCOUNT, REGION, port=4566, invoke_port=4567, key=Key("AKIDLOCAL", "secret"))
        cloud = Cloud(settings, executor, (Ecr, Elbv2, Ecs))
        cloud.world.logs = self.lines
        self.executor = cloud.world.executor
        return cloud

    def program(self, image: str, source: str, labels: Mapping[str, str] = HOST) -> str:
        """Push an image whose one layer holds a program; answers its name in the registry."""
        images, name = self.world.images, image.partition(":")[0]
        layer = images.add_blob(layer_of(source))
        entry = {"Labels": dict(labels), "Entrypoint": ["python3", "/opt/program/serve.py"]}
        config = images.add_blob(json.dumps({"config": entry}).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config, "size": 1},
            "layers": [{"mediaType": LAYER, "digest": layer, "size": 1}],
        }
        now = self.world.clock.now()
        repository = images.repositories.get(name) or Repository(name, now)
        images.put_manifest(repository, image.partition(":")[2], json.dumps(manifest).encode(), MANIFEST, now)
        return f"127.0.0.1:4566/{image}"

    def close(self) -> None:
        self._halt()
        self.executor.stop_all(0.0)
        self._shut()


def layer_of(source: str) -> bytes:
    raw, data = io.BytesIO(), source.encode()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        member = tarfile.TarInfo("opt/program/serve.py")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealCloud]:
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
    made = RealCloud(tmp_path)
    yield made
    made.close()


@pytest.fixture
def place(cloud: RealCloud) -> Network:
    return network(cloud)


def pid_of(cloud: RealCloud, task_arn: str) -> int:
    state = cloud.executor.state(f"task/main/{task_arn.rsplit('/', 1)[1]}/model")
    assert isinstance(state, Running)
    return state.pid


def test_real_units_serve_roll_heal_and_survive_the_gateway(cloud: RealCloud, place: Network) -> None:
    first, second = (cloud.server(f"web:{version}", f"v{version}") for version in "12")
    line = Line(cloud, place, image=first)
    line.stable()
    digest = cloud.executor.image_digest(first)
    assert digest is not None
    assert digest == "sha256:" + hashlib.sha256(cloud.world.images.manifest(digest)).hexdigest()
    assert {each["containers"][0]["imageDigest"] for each in line.tasks()} == {digest}
    with Load(line, clients=2) as load:
        load.some("v1")
        line.update(taskDefinition=line.definition(second))
        line.stable()
        load.some("v2")
    assert load.failures == []
    kept = {each["taskArn"]: pid_of(cloud, each["taskArn"]) for each in line.tasks()}
    assert cloud.restart() == []
    line.stable()
    assert {arn: pid_of(cloud, arn) for arn in kept} == kept
    victim = next(iter(kept))
    os.kill(kept[victim], signal.SIGKILL)
    eventually(lambda: victim not in {each["taskArn"] for each in line.tasks()})
    assert line.stable()["runningCount"] == 2
    pids = [pid_of(cloud, each["taskArn"]) for each in line.tasks()]
    line.delete()
    assert cloud.executor.units() == []
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_container_that_exits_leaves_its_code_and_its_last_words(cloud: RealCloud, place: Network) -> None:
    image = cloud.program("web:1", "import sys; sys.exit('no model here')")
    line = Line(cloud, place, image=image, desired=1)
    eventually(lambda: line.service()["deployments"][0]["rolloutState"] == "FAILED")
    task = line.tasks("STOPPED")[0]
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("EssentialContainerExited", 1)
    eventually(lambda: any(text == "no model here" for _, _, text in cloud.lines.written))
    line.delete()


def test_an_image_that_needs_a_container_engine_says_so(cloud: RealCloud, place: Network) -> None:
    image = cloud.program("other:1", "", labels={})
    line = Line(cloud, place, image=image, desired=1)
    eventually(lambda: line.service()["deployments"][0]["rolloutState"] == "FAILED")
    task = line.tasks("STOPPED")[0]
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError: ")
    assert "does not stand on a host base" in task["stoppedReason"]
    line.delete()
