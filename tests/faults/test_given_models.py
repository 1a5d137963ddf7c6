"""Models that are there already: from a folder, from S3, and promoted from another environment."""

import json
from pathlib import Path

import pytest
import yaml
from urllib3.exceptions import HTTPError

from clouds import RunningCloud
from faults.test_releases import outcomes, run, status
from models import write_model
from quick_rollout import apply, name_of
from trimtab.core.errors import Transient, UserError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("given-models")]

DOCUMENT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {{name: {name}, namespace: crash}}
spec:
  {environment}
  model: {model}
  evaluation: {{gates: {gates}}}
  serving: {{replicas: {{min: 1}}, gateway: {{auth: none}}}}
"""


@pytest.fixture
def commands(cloud: RunningCloud, monkeypatch) -> RunningCloud:
    """Commands reach the cloud in every environment: by its own file, or by the SDK's variables."""
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(cloud.folder))
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.info.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", cloud.info.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", cloud.info.secret_access_key)
    return cloud


def written(folder: Path, name: str, model: str, *, environment: str = "", gates: str = "[]") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.yaml"
    named = f"environmentRef: {{name: {environment}}}" if environment else "monitoring: {}"
    file.write_text(DOCUMENT.format(name=name, model=model, environment=named, gates=gates))
    return file


def predicted(cloud: RunningCloud, file: Path, environment: str = "local") -> list[float]:
    record = file.with_name("record.json")
    record.write_text("[[0.0, 1.0]]")
    code, out, err = run("predict", f"crash/{name_of(file)}", str(record), "--environment", environment)
    assert code == 0, err
    return json.loads(out)["predictions"][0]


def jobs(cloud: RunningCloud) -> int:
    return len(cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"])


def put_model(cloud: RunningCloud, folder: Path, prefix: str) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="models")
    for file in folder.iterdir():
        s3.upload_file(str(file), "models", f"{prefix}{file.name}")


def test_a_folder_is_served_without_training(tmp_path, commands, monkeypatch):
    write_model(tmp_path / "ready")
    file, before = written(tmp_path, "folder", "{source: ./ready}"), jobs(commands)
    assert apply(file).how == "converged"
    assert len(predicted(commands, file)) == 3
    assert jobs(commands) == before
    shown = {each["type"]: each["status"] for each in status(file)["conditions"]}
    assert shown["Ready"] == "True"
    code, out, _ = run("plan", str(file), "-o", "json")
    assert code == 0, out
    monkeypatch.setattr("urllib3.request", _unreachable)
    with pytest.raises(Transient, match="gave no answer: nobody listens"):
        predicted(commands, file)


def _unreachable(*_: object, **__: object) -> None:
    raise HTTPError("nobody listens")


def test_a_gate_judges_the_evaluation_that_lies_in_the_folder(tmp_path, commands):
    write_model(tmp_path / "ready")
    file = written(tmp_path, "gated", "{source: ./ready}", gates='[{metric: "test:accuracy", atLeast: 0.9}]')
    assert apply(file).how == "stuck"
    assert "the model's folder holds no evaluation.json" in str(status(file))
    (tmp_path / "ready" / "evaluation.json").write_text('{"metrics": {"accuracy": 0.95}}')
    assert apply(file).how == "converged"
    assert outcomes(file) == ["GateFailed", "Serving"]


def test_a_prefix_in_s3_is_copied_and_served_and_an_edit_there_is_a_new_revision(tmp_path, commands):
    write_model(tmp_path / "ready")
    put_model(commands, tmp_path / "ready", "seven/")
    file = written(tmp_path, "prefix", "{source: 's3://models/seven'}")
    assert apply(file).how == "converged"
    assert len(predicted(commands, file)) == 3
    assert run("plan", str(file))[0] == 0
    card = json.loads((tmp_path / "ready" / "card.json").read_text())
    commands.client("s3").put_object(Bucket="models", Key="seven/card.json", Body=json.dumps({**card, "classes": [1, 2, 3]}))
    code, out, _ = run("plan", str(file))
    assert code == 2
    assert "card.json" in out
    assert apply(file).how == "converged"
    assert outcomes(file) == ["Superseded", "Serving"]


def test_what_s3_does_not_hold_is_an_error_at_its_place(tmp_path, commands):
    commands.client("s3").create_bucket(Bucket="models")
    file = written(tmp_path, "nothing", "{source: 's3://models/none'}")
    with pytest.raises(UserError, match="s3://models/none/ holds no objects") as caught:
        run("plan", str(file))
    assert caught.value.position
    assert (caught.value.position.line, caught.value.position.field) == (7, "spec.model.source")


@pytest.mark.parametrize(
    ("taken", "added", "said"),
    [
        (["golden.json"], [], "the model's folder holds no golden.json"),
        (["model.onnx", "card.json"], [], "the model's folder holds no model.onnx and no card.json"),
        (["model.onnx"], ["Dockerfile"], "ready/Dockerfile:1:1: there is no FROM"),
    ],
)
def test_a_folder_that_is_no_model_is_said_without_a_network(tmp_path, monkeypatch, taken, added, said):
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(tmp_path / "none"))
    write_model(tmp_path / "ready")
    for name in taken:
        (tmp_path / "ready" / name).unlink()
    for name in added:
        (tmp_path / "ready" / name).touch()
    with pytest.raises(ExceptionGroup) as caught:
        run("validate", str(written(tmp_path, "lacking", "{source: ./ready}")))
    (mistake,) = caught.value.exceptions
    assert said in str(mistake)


def test_dataset_and_code_in_s3_train_as_folders_do(project, commands):
    """The same digests, so the same job: nothing is trained twice when sources move to a bucket."""
    assert apply(project).how == "converged"
    trained = jobs(commands)
    commands.client("s3").create_bucket(Bucket="sources")
    for part in ("data", "model"):
        for file in (each for each in (project.parent / part).rglob("*") if each.is_file()):
            commands.client("s3").upload_file(str(file), "sources", f"{part}/{file.relative_to(project.parent / part)}")
    text = project.read_text()
    moved = text.replace("./data", "'s3://sources/data/'").replace("./model", "'s3://sources/model'")
    project.write_text(moved)
    assert apply(project).how == "converged"
    assert jobs(commands) == trained
    project.write_text(moved.replace("framework:", "entryPoint: fit.py, framework:"))
    with pytest.raises(UserError, match=r"fit\.py is not in s3://sources/model, which holds"):
        run("plan", str(project))
    commands.client("s3").put_object(Bucket="sources", Key="data/test/y", Body=b"y")
    project.write_text(moved)
    assert apply(project).how == "converged"
    assert jobs(commands) == trained + 1


@pytest.fixture
def production(cloud: RunningCloud) -> str:
    """An environment beside the local one, with buckets of its own, as a document."""
    local = yaml.safe_load((cloud.folder / "environment.yaml").read_text())
    spec = {**local["spec"], "buckets": {"state": "prod-state", "data": "prod-data"}}
    for bucket in spec["buckets"].values():
        cloud.client("s3").create_bucket(Bucket=bucket)
    return yaml.safe_dump({**local, "metadata": {"name": "production"}, "spec": spec})


def test_a_promoted_model_is_the_same_by_digest_and_is_trained_once(tmp_path, project, commands, production, monkeypatch):
    (tmp_path / "config" / "trimtab" / "environments").mkdir(parents=True)
    (tmp_path / "config" / "trimtab" / "environments" / "production.yaml").write_text(production)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert apply(project).how == "converged"
    trained = jobs(commands)
    model = f"{{from: {{environment: local, deployment: crash/{name_of(project)}, revision: 1}}}}"
    gates = '[{metric: "test:accuracy", atLeast: 0.98}]'
    file = written(tmp_path, "promoted", model, environment="production", gates=gates)
    code, _, err = run("apply", str(file))
    assert code == 0, err
    history = json.loads(run("history", "crash/promoted", "--environment", "production", "-o", "json")[1])
    (source,) = json.loads(run("history", f"crash/{name_of(project)}", "-o", "json")[1])
    assert history[0]["pins"]["artifact"] == source["pins"]["artifact"]
    assert history[0]["pins"]["test"] == source["pins"]["test"]
    assert history[0]["metrics"] == source["metrics"]  # judged by what was measured where it was trained
    assert jobs(commands) == trained
    assert len(predicted(commands, file, "production")) == 3

    file.write_text(file.read_text().replace("revision: 1", "revision: 9"))
    with pytest.raises(UserError, match="has no revision 9") as caught:
        run("plan", str(file))
    assert caught.value.fix == "name a revision that is there: 1"
    file.write_text(file.read_text().replace("revision: 9", "revision: 1"))

    card = card_of(commands, project)
    whole = commands.client("s3").get_object(**card)["Body"].read()
    file.write_text(file.read_text().replace("name: promoted", "name: tampered"))
    commands.client("s3").put_object(**card, Body=whole.replace(b"small", b"SMALL"))  # of the same length: S3's copy tells
    code, _, err = run("apply", str(file))
    assert (code, "card.json changed" in err) == (1, True)
    commands.client("s3").put_object(**card, Body=b"{}")
    with pytest.raises(UserError, match=r"are not the model .* any more"):
        run("apply", str(file))
    for name in ("promoted", "tampered"):
        assert run("delete", f"crash/{name}", "--environment", "production", "--yes")[0] == 0


def card_of(cloud: RunningCloud, project: Path) -> dict[str, str]:
    """Bucket and key of the card of a deployment's model."""
    key = f"ledgers/crash/{name_of(project)}.json"
    state, data = (
        yaml.safe_load((cloud.folder / "environment.yaml").read_text())["spec"]["buckets"][name]
        for name in ("state", "data")
    )
    ledger = json.loads(cloud.client("s3").get_object(Bucket=state, Key=key)["Body"].read())
    (artifact,) = ledger["artifacts"].values()
    return {"Bucket": data, "Key": f"{artifact['record'].removesuffix('.json')}/card.json"}
