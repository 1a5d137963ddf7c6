"""The program starts fast, says what it means, and ends with the right code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from trimtab.cli.init import TEMPLATES
from trimtab.cli.main import COMMANDS, program, run

EXAMPLE = Path("examples/digits/deployment.yaml")
HEAVY = ("boto3", "botocore", "kopf", "opentelemetry", "pydantic", "rich", "yaml", "moto")


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_nothing_heavy_is_imported_to_say_who_it_is(word):
    told = f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    code = f"import sys; from trimtab.cli.main import run; run(['{word}']); {told}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    done = CliRunner().invoke(program, [name, "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.output


@pytest.mark.parametrize(
    ("words", "code"),
    [(["aply"], 1), (["plan"], 1), (["apply", "--nope"], 1), (["explain", "spec.nope"], 1), (["--version"], 0)],
)
def test_usage_is_an_error_of_code_1(words, code):
    assert run(words) == code


def test_a_misspelt_command_is_guessed(capsys):
    run(["aply"])
    assert "Did you mean apply?" in capsys.readouterr().err


def test_a_mistake_shows_its_place_a_caret_and_a_fix(tmp_path, capsys):
    document = tmp_path / "d.yaml"
    document.write_text(EXAMPLE.read_text().replace("min: 2", "min: 0"))
    assert run(["validate", str(document)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"{document}:")
    assert lines[0].endswith("spec.serving.replicas.min: must be 1 or more, not 0 [TT1012 InvalidSpec]")
    assert lines[2].index("^") == lines[1].index("0}") if "0}" in lines[1] else True
    assert lines[3] == "  fix: set min to 1 or more, or leave it out (2 is the default)"


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--sweep", "7x", "sweep: '7x' is no duration"),
        ("--traces", "collector:4318", "traces: 'collector:4318' does not match"),
    ],
)
def test_a_flag_of_the_operator_that_cannot_be_is_a_mistake_and_no_bug(flag, value, told, capsys):
    assert run(["run", "--folder", ".", flag, value]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("words", [["validate"], ["plan"], ["apply"]])
def test_a_name_that_no_file_can_have_is_a_file_that_cannot_be_read(words, capsys):
    assert run([*words, "a" * 300]) == 1
    assert "cannot be read: File name too long" in capsys.readouterr().err


def test_validate_checks_local_paths_at_the_field(tmp_path, capsys):
    document = tmp_path / "d.yaml"
    document.write_text(EXAMPLE.read_text())
    assert run(["validate", str(document)]) == 1
    told = capsys.readouterr().err
    assert "spec.dataset.source" in told
    assert "spec.code.source" in told


@pytest.mark.parametrize("template", TEMPLATES)
def test_init_writes_a_project_that_is_valid_once_its_data_is_made(tmp_path, capsys, template):
    project = tmp_path / "My Model"
    assert run(["init", str(project), "--template", template]) == 0
    if (project / "make_data.py").exists():
        subprocess.run([sys.executable, str(project / "make_data.py")], check=True)
    assert run(["validate", str(project / "deployment.yaml"), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"valid": ["ModelDeployment default/my-model"]}


def test_validate_needs_no_network(monkeypatch, tmp_path):
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    project = tmp_path / "p"
    run(["init", str(project)])
    subprocess.run([sys.executable, str(project / "make_data.py")], check=True)
    assert run(["validate", str(project / "deployment.yaml")]) == 0


def test_the_schema_is_json(capsys):
    assert run(["export", "schema", "Environment"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("draft-07/schema#")


def test_no_local_cloud_is_an_error_that_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(tmp_path / "none"))
    assert run(["status"]) == 1
    assert "fix: run `trimtab local up`" in capsys.readouterr().err
