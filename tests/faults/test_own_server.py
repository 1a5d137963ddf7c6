"""A folder with a Dockerfile brings its own server: built without a daemon, released and proven as any other."""

import json
from pathlib import Path

import pytest

from clouds import RunningCloud
from faults.test_given_models import commands, jobs, put_model  # noqa: F401 - a fixture
from faults.test_releases import asked_throughout, conditions, outcomes, run, status
from quick_rollout import apply, delete, inventory, name_of
from trimtab.core.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("given-models")]

DOCUMENT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: @NAME@, namespace: crash}
spec:
  model: {source: @SOURCE@}
  serving: {replicas: {min: 2}}
"""
DOCKERFILE = """
ARG TRIMTAB_BASE=python:3.11
FROM ${TRIMTAB_BASE}
WORKDIR /opt/program
COPY . .
ENTRYPOINT ["python3", "server.py"]
"""
SERVER = """
import json, os, signal, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FACTOR = 2.0

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply(200 if self.path == "/ping" else 404, {})

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply(200, {"predictions": [[FACTOR * sum(row)] for row in given["instances"]]})

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

assert sys.argv[1:] == ["serve"], sys.argv
server = ThreadingHTTPServer((os.environ["TRIMTAB_BIND_ADDRESS"], 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("serving", flush=True)
server.serve_forever()
"""


@pytest.fixture
def project(tmp_path: Path, commands: RunningCloud, request) -> Path:  # noqa: F811
    return written(tmp_path, f"own-{abs(hash(request.node.name)) % 10**6}", "./own")


def written(folder: Path, name: str, source: str) -> Path:
    own = folder / "own"
    own.mkdir(parents=True, exist_ok=True)
    (own / "Dockerfile").write_text(DOCKERFILE)
    (own / "server.py").write_text(SERVER)
    (own / "golden.json").write_text('{"inputs": [[1, 2]], "outputs": [[6.0]]}')
    document = folder / f"{name}.yaml"
    document.write_text(DOCUMENT.replace("@NAME@", name).replace("@SOURCE@", source))
    return document


def edit(project: Path, name: str, old: str, new: str) -> None:
    file = project.parent / "own" / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def predicted(project: Path) -> float:
    request = project.with_name("request.json")
    request.write_text('{"instances": [[1, 2]]}')
    code, out, err = run("predict", f"crash/{name_of(project)}", str(request))
    assert code == 0, err
    return json.loads(out)["predictions"][0][0]


def proof(project: Path) -> dict[str, str]:
    return {name: each["is"] for name, each in status(project)["proof"].items() if isinstance(each, dict)}


def test_it_serves_rolls_over_without_a_failed_request_and_leaves_nothing(project, commands):  # noqa: F811
    assert apply(project).how == "converged"
    assert predicted(project) == 6.0
    assert proof(project)["golden"] == "proven"
    assert proof(project)["version"] == "unreached"  # this server offers none, and nobody says that it did
    assert run("plan", str(project))[0] == 0
    with asked_throughout(project) as codes:
        edit(project, "server.py", "FACTOR = 2.0", "FACTOR = 3.0")
        (project.parent / "own" / "golden.json").unlink()
        code, out, _ = run("plan", str(project))
        assert code == 2
        assert "server.py" in out
        assert apply(project).how == "converged"
        while len(codes) < 50:
            assert predicted(project) == 9.0
    assert set(codes) == {200}
    assert proof(project)["golden"] == "unreached"
    assert outcomes(project) == ["Superseded", "Serving"]
    assert jobs(commands) == 0
    assert delete(project).how == "gone"
    assert not any(inventory(commands, name_of(project)).values())


def test_a_server_that_ends_is_rolled_back_and_the_old_one_answers(project):
    assert apply(project).how == "converged"
    with asked_throughout(project) as codes:
        edit(project, "server.py", 'print("serving", flush=True)', 'sys.exit("no weights")')
        assert apply(project).how == "stuck"
    assert set(codes) == {200}
    assert conditions(project)["Ready"] == ("False", "RolledBack")
    assert predicted(project) == 6.0
    (_, last) = json.loads(run("history", f"crash/{name_of(project)}", "-o", "json")[1])
    assert "no weights" in last["because"]


def test_the_same_folder_in_s3_is_the_same_model_and_can_be_promoted(project, commands, tmp_path):  # noqa: F811
    assert apply(project).how == "converged"
    put_model(commands, tmp_path / "own", "own/")
    moved = written(tmp_path, "own-moved", "'s3://models/own'")
    assert apply(moved).how == "converged"
    given = f"{{from: {{environment: local, deployment: crash/{name_of(project)}, revision: 1}}}}"
    promoted = written(tmp_path, "own-promoted", "")
    promoted.write_text(promoted.read_text().replace("{source: }", given))
    assert apply(promoted).how == "converged"
    pins = [
        json.loads(run("history", f"crash/{name_of(each)}", "-o", "json")[1])[0]["pins"]
        for each in (project, moved, promoted)
    ]
    assert len({each["artifact"] for each in pins}) == 1
    assert len({each["imageKey"] for each in pins}) == 1
    assert predicted(moved) == predicted(promoted) == 6.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("WORKDIR /opt/program", "WORKDIR /app", "files lie below /opt only"),
        ("ENTRYPOINT", "CMD", "neither the Dockerfile nor its base has an ENTRYPOINT"),
        ("COPY . .", "RUN pip install no-such-package-here==1", "cannot be installed"),
    ],
)
def test_an_image_that_cannot_be_made_says_why(project, old, new, said):
    edit(project, "Dockerfile", old, new)
    code, _, err = run("apply", str(project))
    assert code == 1
    assert said in err
    assert "ImageFailed" in err


def test_a_base_of_a_registry_that_is_not_ecrs_is_refused(project):
    edit(project, "Dockerfile", "${TRIMTAB_BASE}", "python:3.11")
    with pytest.raises(UserError, match=r"FROM python:3\.11 of the model's Dockerfile names no image in ECR"):
        run("plan", str(project))


def test_what_is_not_built_is_said_at_its_place_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(tmp_path / "none"))
    project = written(tmp_path, "mistaken", "./own")
    edit(project, "Dockerfile", "COPY . .", "COPY . .\nRUN make\nCOPY nothing ./")
    project.write_text(project.read_text() + "  image: {dockerfile: Dockerfile}\n")
    with pytest.raises(ExceptionGroup) as caught:
        run("validate", str(project))
    places = [
        f"{Path(each.position.file).name}:{each.position.line}:{each.position.column}" for each in caught.value.exceptions
    ]
    assert places == ["Dockerfile:6:1", "Dockerfile:7:6"]


def test_code_beside_a_dockerfile_would_go_unused(tmp_path):
    project = written(tmp_path, "mistaken", "./own")
    project.write_text(project.read_text() + "  code: {source: ./own}\n")
    with pytest.raises(ExceptionGroup) as caught:
        run("validate", str(project))
    (mistake,) = caught.value.exceptions
    assert "code would go unused" in str(mistake)
    assert mistake.position.field == "spec.code"


def test_a_dockerfile_that_is_named_must_be_there(tmp_path):
    project = written(tmp_path, "mistaken", "./own")
    project.write_text(project.read_text() + "  image: {dockerfile: gpu/Dockerfile}\n")
    with pytest.raises(ExceptionGroup) as caught:
        run("validate", str(project))
    (mistake,) = caught.value.exceptions
    assert "gpu/Dockerfile is not in the model's folder" in str(mistake)
