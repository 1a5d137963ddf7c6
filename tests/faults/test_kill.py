"""SIGKILL of apply, rollback or delete at any write and at a seeded tenth of the reads: the next one converges.

No twin, no orphan, nothing trained twice. Training is a script that copies a model made beforehand. All of them take an hour
of two cores: `make kills` runs them, `make test` every seventh.
"""

import hashlib
import os
import random
import subprocess
import sys
from itertools import zip_longest

import pytest
from click.testing import CliRunner

from clouds import running_cloud
from faults.killed import Kill, run
from faults.test_releases import edit, outcomes
from quick_rollout import ONE_OF_EACH, apply, delete, inventory, is_held, left_behind, name_of, released
from trimtab.cli.main import program

SEED = 20261124
STEP = 1 if os.environ.get("TRIMTAB_KILLS") == "all" else 7
GROUPS = 4  # tests of a group stay on one worker, with one cloud
SERVING = "{replicas: {min: 1}"
# (writes, reads) of each, as `test_no_more_is_sent_than_is_killed` holds: what is beyond is not killed, and does no harm.
CREATE, EDIT, BAD_EDIT, ROLLBACK, DELETE = (72, 420), (18, 170), (24, 260), (20, 170), (60, 360)


def kills(of: tuple[int, int]) -> list[Kill]:
    """Every write, and a tenth of the reads; before and after their effect in turn."""
    writes, reads = of
    chosen = random.Random(SEED).sample(range(1, reads + 1), reads // 10)
    cases = [Kill(nth, "write", late=nth % 2 == 0) for nth in range(1, writes + 1)]
    cases += [Kill(nth, "read", late=nth % 2 == 0) for nth in sorted(chosen)]
    return cases[STEP // 2 :: STEP]


def grouped(cases: list) -> list:
    marks = ((pytest.mark.slow, pytest.mark.xdist_group(f"kills-{number % GROUPS}")) for number in range(len(cases)))
    return [pytest.param(case, id="-".join(map(str, case)), marks=each) for case, each in zip(cases, marks, strict=True)]


# A deployment lives for one kill of its creation and one of its deletion.
LIVES = [(create or Kill(), end or Kill()) for create, end in zip_longest(kills(CREATE), kills(DELETE))]


@pytest.mark.parametrize("kill", grouped(LIVES))
def test_a_kill_of_a_first_apply_or_of_a_delete_is_harmless(cloud, project, kill):
    run("apply", project, kill[0])
    assert apply(project).how == "converged"
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH
    assert left_behind() == []
    run("delete", project, kill[1])
    assert delete(project).how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}
    assert left_behind() == []


@pytest.mark.slow
@pytest.mark.xdist_group("kills-0")
def test_a_kill_of_an_edit_is_harmless(cloud, project):
    assert apply(project).how == "converged"
    edit(project, "spec:", "spec:\n  revisionHistoryLimit: 100")
    for number, kill in enumerate(kills(EDIT), 1):
        edit(project, *_environment(project, f"COLOUR: blue{number}"))
        run("apply", project, kill)
        assert apply(project).how == "converged", kill
        assert inventory(cloud, name_of(project)) == {**ONE_OF_EACH, "definitions": 1 + number}, kill
    gone(cloud, project)


@pytest.mark.slow
@pytest.mark.xdist_group("kills-1")
def test_a_kill_of_an_edit_that_cannot_start_is_harmless(cloud, project):
    """Each is given up by the platform, whoever watches; the next good edit goes straight through."""
    assert apply(project).how == "converged"
    edit(project, "spec:", "spec:\n  revisionHistoryLimit: 100")
    for number, kill in enumerate(kills(BAD_EDIT), 1):
        edit(project, *_environment(project, f"PYTHONHOME: /nowhere{number}"))
        run("apply", project, kill)
        assert apply(project).how == "stuck", kill
        assert inventory(cloud, name_of(project)) == {**ONE_OF_EACH, "definitions": 1 + number}, kill
    edit(project, *_environment(project, "COLOUR: blue"))
    assert apply(project).how == "converged"
    gone(cloud, project)


@pytest.mark.slow
@pytest.mark.xdist_group("kills-2")
def test_a_kill_of_a_rollback_is_harmless(cloud, project):
    """Either it was written down, and the next apply goes on with it, or it was not, and the document stands."""
    assert apply(project).how == "converged"
    edit(project, *_environment(project, "COLOUR: blue"))
    assert apply(project).how == "converged"
    for kill in kills(ROLLBACK):
        run("rollback", project, kill)
        assert apply(project).how == "converged", kill
        assert inventory(cloud, name_of(project)) == {**ONE_OF_EACH, "definitions": 2}, kill
        if is_held(project):
            assert released(project).how == "converged", kill
        assert outcomes(project) == ["Superseded", "Serving"], kill
    gone(cloud, project)


@pytest.mark.slow
@pytest.mark.xdist_group("kills-3")
def test_no_more_is_sent_than_is_killed(cloud, project):
    """Reads hang on how long things take: those beyond are as those before."""
    assert run("apply", project).writes <= CREATE[0]
    assert run("apply", project).writes == 0
    edit(project, *_environment(project, "COLOUR: blue"))
    assert run("apply", project).writes <= EDIT[0]
    assert run("rollback", project).writes <= ROLLBACK[0]
    edit(project, *_environment(project, "PYTHONHOME: /nowhere"))
    assert run("apply", project).writes <= BAD_EDIT[0]
    assert run("delete", project).writes <= DELETE[0]
    gone(cloud, project)


# Where a real training stands when the program is killed, and by which of its calls.
MOMENTS = {
    "upload": Kill(2, "PutObject", late=True),
    "training": Kill(3, "DescribeTrainingJob", late=True, after="CreateTrainingJob"),
    "rollout": Kill(1, "CreateService", late=True),
}


@pytest.fixture
def real_project(tmp_path, monkeypatch, real_cloud, request):
    """What `trimtab init` writes: PyTorch, a small dataset, thirty epochs."""
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(real_cloud.folder))
    name = f"d{hashlib.sha256(request.node.name.encode()).hexdigest()[:6]}"
    arguments = ["init", str(tmp_path / "mine"), "--name", name, "--namespace", "crash"]
    assert CliRunner().invoke(program, arguments, standalone_mode=False).return_value == 0
    subprocess.run([sys.executable, "make_data.py"], cwd=tmp_path / "mine", check=True)
    return tmp_path / "mine" / "deployment.yaml"


@pytest.fixture(scope="module")
def real_cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("training") / "state") as made:
        yield made


@pytest.mark.slow
@pytest.mark.xdist_group("kills-training")
@pytest.mark.parametrize("moment", list(MOMENTS))
def test_a_kill_while_a_model_really_trains_is_harmless(real_cloud, real_project, moment):
    assert run("apply", real_project, MOMENTS[moment]).killed
    statuses = [each["TrainingJobStatus"] for each in jobs(real_cloud, real_project)]
    assert statuses == {"upload": [], "training": ["InProgress"], "rollout": ["Completed"]}[moment]
    assert apply(real_project).how == "converged"
    assert [each["TrainingJobStatus"] for each in jobs(real_cloud, real_project)] == ["Completed"]
    assert inventory(real_cloud, name_of(real_project)) == ONE_OF_EACH
    gone(real_cloud, real_project)


def jobs(cloud, project) -> list[dict]:
    listed = cloud.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    return [each for each in listed if name_of(project) in each["TrainingJobName"]]


def _environment(project, variable: str) -> tuple[str, str]:
    """What stands there, and what is to stand there."""
    line = next(line for line in project.read_text().splitlines() if SERVING in line)
    return line, f"  serving: {SERVING}, env: {{{variable}}}}}"


def gone(cloud, project) -> None:
    assert delete(project).how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}
    assert left_behind() == []
