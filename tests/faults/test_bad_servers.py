"""Servers that start and are no good: each is given up by ECS's circuit breaker, and what served answers on."""

import json
from pathlib import Path

import pytest

from faults.test_releases import asked_throughout, conditions, edit, full_name, outcomes, run, status
from models import write_model
from quick_rollout import apply, delete, name_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bad-servers")]
GRACE = "ecs.Service:healthCheckGracePeriodSeconds"
HOOK = "def output_fn(prediction, accept):\n    return 'good', 'text/plain'\n"
BAD = {
    "crashes": (
        "import os, threading\nprint('the licence has run out', flush=True)\nthreading.Timer(1.0, os._exit, (3,)).start()\n",
        "the licence has run out",
    ),
    "answers-wrong": ("", "the golden request was answered otherwise than in training"),
    "is-too-slow": (
        "import time\ndef model_fn(model_dir):\n    print('reading 400 GB of weights', flush=True)\n    time.sleep(3600)\n",
        "reading 400 GB of weights",
    ),
}


def code_of(project: Path) -> Path:
    return project.parent / "model" / "inference.py"


def spoil(project: Path, which: str) -> str:
    """Make the next release a bad one; answers what it will write last."""
    code, last_words = BAD[which]
    if code:
        code_of(project).write_text(code)
    else:  # a model that does not answer here as it did in training
        golden = project.parent / "model" / "ready" / "golden.json"
        golden.write_text(json.dumps({**json.loads(golden.read_text()), "outputs": [[1.0, 0.0, 0.0]] * 2}))
    return last_words


def mend(project: Path) -> None:
    code_of(project).write_text(HOOK)
    write_model(project.parent / "model" / "ready")


def because(project: Path) -> str:
    return json.loads(run("history", full_name(project), "-o", "json")[1])[-1]["because"]


def short_grace(cloud, project: Path) -> None:
    """Let ECS look at a new task's health after 1 s, not 60: by hand, and the document leaves it so."""
    ecs = cloud.client("ecs")
    (service,) = [
        arn
        for cluster in ecs.list_clusters()["clusterArns"]
        for arn in ecs.list_services(cluster=cluster)["serviceArns"]
        if name_of(project) in arn
    ]
    ecs.update_service(cluster=service.split("/")[1], service=service, healthCheckGracePeriodSeconds=1)


@pytest.mark.parametrize("which", list(BAD))
def test_it_is_given_up_and_quarantined_and_a_good_edit_goes_through(cloud, project, which):
    edit(project, "spec:", f"spec:\n  policy: {{ignore: ['{GRACE}']}}")
    assert apply(project).how == "converged"
    short_grace(cloud, project)
    last_words = spoil(project, which)
    with asked_throughout(project) as codes:
        assert apply(project, timeout_s=200).how == "stuck"
    assert len(codes) > 20
    assert set(codes) == {200}
    seen = conditions(project)
    assert seen["Ready"] == ("False", "RolledBack")
    assert (seen["Stalled"][0], seen["Serving"][0]) == ("True", "True")
    assert outcomes(project) == ["Serving", "RolledBack"]
    assert last_words in because(project)
    assert apply(project).how == "stuck"  # the same document asks for nothing
    assert outcomes(project) == ["Serving", "RolledBack"]
    mend(project)
    assert apply(project).how == "converged"
    assert outcomes(project) == ["Superseded", "RolledBack", "Serving"]
    assert delete(project).how == "gone"


def test_what_was_given_up_for_a_cause_outside_serves_after_a_retry(cloud, project, tmp_path):
    missing = tmp_path / "licence"
    code_of(project).write_text(f"import pathlib\nassert pathlib.Path({str(missing)!r}).exists(), 'no licence'\n{HOOK}")
    missing.touch()
    assert apply(project).how == "converged"
    missing.unlink()
    edit(project, "{replicas: {min: 1}}", "{replicas: {min: 1}, env: {COLOUR: blue}}")
    assert apply(project).how == "stuck"
    assert "no licence" in because(project)
    missing.touch()
    assert run("retry", full_name(project))[0] == 0
    assert conditions(project)["Ready"] == ("True", "Ready")
    assert outcomes(project) == ["Superseded", "RolledBack", "Serving"]
    assert delete(project).how == "gone"


def test_a_first_release_that_cannot_serve_has_nothing_to_go_back_to(cloud, project):
    last_words = spoil(project, "answers-wrong")
    assert apply(project).how == "stuck"
    seen = conditions(project)
    assert seen["Ready"] == ("False", "RolloutFailed")
    assert (seen["Stalled"][0], seen["Serving"][0]) == ("True", "False")
    assert outcomes(project) == ["RolloutFailed"]
    assert last_words in because(project)
    assert status(project)["revision"] is None
    mend(project)
    assert apply(project).how == "converged"
    assert outcomes(project) == ["RolloutFailed", "Serving"]
    assert delete(project).how == "gone"
