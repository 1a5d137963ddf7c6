"""Each setting of the operator: a flag comes before a variable, a variable before the file, the file before the default."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from trimtab.cli import run

SETTINGS = [  # (field, default, in the file, variable, its value, flag, its value)
    ("environments", ("local",), ["filed"], "TRIMTAB_ENVIRONMENTS", "one two", "--environment", "flagged"),
    ("workers", 8, 2, "TRIMTAB_WORKERS", "3", "--workers", "4"),
    ("sweep", "60s", "2m", "TRIMTAB_SWEEP", "3m", "--sweep", "4m"),
    ("listen", "127.0.0.1:8081", "127.0.0.1:2", "TRIMTAB_LISTEN", "127.0.0.1:3", "--listen", "127.0.0.1:4"),
    ("logs.format", "console", "json", "TRIMTAB_LOG_FORMAT", "console", "--log-format", "json"),
    ("logs.level", "info", "debug", "TRIMTAB_LOG_LEVEL", "warning", "--log-level", "error"),
]
NAMED = pytest.mark.parametrize(
    ("name", "default", "filed", "variable", "varied", "flag", "flagged"), SETTINGS, ids=[each[0] for each in SETTINGS]
)


@pytest.fixture
def told(monkeypatch):
    """What the operator would be given: its spec, and where it listens."""
    given: list[tuple[Any, str | None]] = []
    monkeypatch.setattr(run, "_operate", lambda spec, base, listen, *_: given.append((spec, listen)) or 0)
    for each in SETTINGS:
        monkeypatch.delenv(each[3], raising=False)
    return given


def started(told, *arguments: str) -> tuple[Any, str | None]:
    done = CliRunner().invoke(run.command, [*arguments])
    assert done.exit_code == 0, done
    return told.pop()


def of(spec: Any, name: str) -> Any:
    value = spec
    for part in name.split("."):
        value = getattr(value, part)
    return [*value] if isinstance(value, tuple) else value


def config(tmp_path, name: str, value: Any) -> str:
    above, _, below = name.partition(".")
    spec = {"sources": [{"folder": {"path": "."}}], above: {below: value} if below else value}
    document = {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "OperatorConfig",
        "metadata": {"name": "operator"},
        "spec": spec,
    }
    (tmp_path / "operator.yaml").write_text(json.dumps(document))
    return str(tmp_path / "operator.yaml")


def plain(name: str, text: str) -> Any:
    """A flag's or a variable's text as the spec has it."""
    return {"environments": text.split(), "workers": int(text) if text.isdigit() else text}.get(name, text)


@NAMED
def test_flag_before_variable_before_file_before_default(
    told, tmp_path, monkeypatch, name, default, filed, variable, varied, flag, flagged
):
    file = ("--config", config(tmp_path, name, filed))
    assert of(started(told, "--folder", str(tmp_path))[0], name) == ([*default] if name == "environments" else default)
    assert of(started(told, *file)[0], name) == filed
    monkeypatch.setenv(variable, varied)
    assert of(started(told, *file)[0], name) == plain(name, varied)
    assert of(started(told, *file, flag, flagged)[0], name) == plain(name, flagged)


def test_the_file_itself_is_named_by_a_flag_before_a_variable(told, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("TRIMTAB_CONFIG", config(tmp_path, "workers", 2))
    assert started(told)[0].workers == 2
    assert started(told, "--config", config(tmp_path / "other", "workers", 3))[0].workers == 3


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_none_listens_nowhere_whatever_the_file_says(told, tmp_path, monkeypatch, how):
    file = ("--config", config(tmp_path, "listen", "127.0.0.1:2"))
    assert started(told, *file)[1] == "127.0.0.1:2"
    if how == "variable":
        monkeypatch.setenv("TRIMTAB_LISTEN", "none")
    assert started(told, *file, *(("--listen", "none") if how == "flag" else ()))[1] is None


def test_an_address_that_cannot_be_is_a_mistake_with_its_fix(told):
    raised = CliRunner().invoke(run.command, ["--folder", ".", "--listen", "nowhere"]).exception
    assert isinstance(raised, ExceptionGroup)
    assert "listen" in str(raised.exceptions[0])


@NAMED
def test_help_names_the_variable(name, default, filed, variable, varied, flag, flagged):
    assert f"env var: {variable}" in " ".join(CliRunner().invoke(run.command, ["--help"]).output.split())
