"""Faults that a first user meets, through the program itself: each is said plainly, and the next apply goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clouds import RunningCloud, running_cloud
from quick_rollout import ONE_OF_EACH, TRAIN, inventory, name_of, quick_training, write_project
from trimtab.cli.context import documents, environment_named, resolved, session
from trimtab.engine.converge import converge

TRIMTAB = str(Path(sys.executable).parent / "trimtab")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults-e2e")]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("faults") / "state") as made:
        quick_training(made)
        yield made


@pytest.fixture
def project(tmp_path: Path, request) -> Path:
    return write_project(tmp_path, request.node.name)


def trimtab(cloud: RunningCloud, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TRIMTAB, *words], env=cloud.variables, capture_output=True, text=True, check=False, timeout=200)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)  # another process is awaited


def jobs(cloud: RunningCloud, document: Path) -> dict[str, str]:
    """Statuses of the deployment's training jobs, by name."""
    listed = cloud.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    return {
        each["TrainingJobName"]: each["TrainingJobStatus"] for each in listed if name_of(document) in each["TrainingJobName"]
    }


def test_a_gateway_that_is_killed_in_mid_training_loses_no_model_and_makes_no_second(tmp_path, project):
    with running_cloud(tmp_path / "state") as cloud:
        quick_training(cloud)
        started, go = tmp_path / "started", tmp_path / "go"
        wait = f"import time\npathlib.Path({str(started)!r}).touch()\n"
        wait += f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)\n"
        (project.parent / "model" / "train.py").write_text(TRAIN.replace("shutil.copytree", wait + "shutil.copytree"))
        apply = subprocess.Popen([TRIMTAB, "apply", str(project)], env=cloud.variables, stderr=subprocess.PIPE, text=True)
        until(started.exists)
        os.kill(cloud.info.pid, signal.SIGKILL)
        told = apply.communicate(timeout=60)[1]
        assert apply.returncode == 3, told  # nobody answers: try again
        assert "Traceback" not in told
        up = trimtab(cloud, "local", "up", "--port", str(cloud.ports[0]), "--invoke-port", str(cloud.ports[1]))
        assert up.returncode == 0, up.stderr
        quick_training(cloud)  # `up` writes its environment anew
        go.touch()
        again = trimtab(cloud, "apply", str(project))
        assert again.returncode == 0, again.stderr
        assert list(jobs(cloud, project).values()).count("Completed") == 1
        found = inventory(cloud, name_of(project))
        assert {**found, "jobs": 1} == ONE_OF_EACH


def test_files_that_change_after_they_were_hashed_train_nothing(cloud, project, monkeypatch):
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(cloud.folder))
    data = project.parent / "data" / "test" / "x"
    data.write_bytes(b"a" * 100_000)
    ((loaded, folder),) = documents((str(project),))
    wanted = resolved(loaded, folder, digests=False)
    data.write_bytes(b"b" * 100_000)
    with session(environment_named("local"), dict(wanted.contents)) as found:
        end = converge(found.reconciler, wanted, found.clock, lambda _: None, 60.0)
    assert end.how == "stuck"
    assert end.outcome
    standing = end.outcome.plan.standings["s3.Content/dataset"]
    assert standing.reason == "DatasetChanged"
    assert "test/x" in standing.because
    assert jobs(cloud, project) == {}
    assert trimtab(cloud, "apply", str(project)).returncode == 0
    assert list(jobs(cloud, project).values()) == ["Completed"]


def test_an_unreadable_file_is_named_before_anything_is_made(cloud, project):
    secret = project.parent / "data" / "test" / "secret"
    secret.write_text("x")
    secret.chmod(0)
    if os.access(secret, os.R_OK):  # root reads all: a link that leads nowhere is as unreadable to it
        secret.unlink()
        secret.symlink_to("nowhere")
    done = trimtab(cloud, "apply", str(project))
    assert done.returncode == 1
    assert "secret" in done.stderr
    assert "fix:" in done.stderr
    assert trimtab(cloud, "status", f"crash/{name_of(project)}").returncode == 1  # there is none


DISK = r"""
mount -t tmpfs -o size=60m tmpfs {state}
export TRIMTAB_LOCAL_STATE={state}/s
{trimtab} local up --port {port} --invoke-port {invoke} || exit 90
host=$(grep -oP 'serving: "\K[^"]+' {state}/s/environment.yaml)  # a base that needs no packages
sed -i -E "s#pytorch: .*#pytorch: \"$host\"#" {state}/s/environment.yaml
head -c 80000000 /dev/urandom > {data}/big
{trimtab} apply {document}; echo "first: $?"
rm {data}/big
{trimtab} apply {document}; echo "second: $?"
{trimtab} local down
"""


def test_a_full_disk_is_said_and_the_next_apply_goes_on(tmp_path, project):
    from trimtab.local.commands import free_ports

    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        if "namespaces" in os.environ.get("TRIMTAB_REQUIRE", ""):
            pytest.fail("user namespaces are required")
        pytest.skip("needs user namespaces")
    state = tmp_path / "state"
    state.mkdir()
    port, invoke = free_ports(2)
    environment = {**os.environ, "TRIMTAB_CACHE": str(tmp_path / "cache")}
    script = DISK.format(
        state=state, trimtab=TRIMTAB, port=port, invoke=invoke, data=project.parent / "data" / "test", document=project
    )
    done = subprocess.run(
        ["unshare", "-Urm", "bash", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert "first: 1" in done.stdout, done.stdout + done.stderr
    assert "the local cloud's disk is full" in done.stderr
    assert "second: 0" in done.stdout, done.stderr
