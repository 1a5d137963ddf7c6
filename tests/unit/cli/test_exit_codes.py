"""How a command ends, by what came of it; and that every command says how it is used."""

import errno
import json
import re
import sys

import click
import pytest
import yaml

from trimtab.cli.exits import EXIT_CODES
from trimtab.cli.failures import exit_code
from trimtab.cli.main import program, run
from trimtab.core.errors import Bug, Conflict, Denied, NotOurs, Throttled, Transient, UserError
from trimtab.core.kind import Failure


def commands(group=program, words=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


@pytest.mark.parametrize(
    ("words", "command"), list(commands()), ids=lambda each: "-".join(each) if isinstance(each, tuple) else ""
)
def test_every_command_gives_an_example_that_it_would_take(words, command):
    text = command.help or ""
    assert "Example: " in text, "add an example to its docstring"
    assert f"trimtab {' '.join(words)}" in text.partition("Example: ")[2]


def with_an_error(monkeypatch, error: BaseException) -> int:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("trimtab.model.explain.explain", fail)
    return run(["explain", "spec"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(UserError("m", code="TT1"), 1, id="the document is wrong"),
        pytest.param(Denied("m"), 1, id="denied"),
        pytest.param(NotOurs("m"), 1, id="not ours"),
        pytest.param(Conflict("m"), 1, id="the plan is stale"),
        pytest.param(Throttled("m"), 3, id="throttled"),
        pytest.param(Transient("m"), 3, id="transient"),
        pytest.param(Bug("m"), 70, id="a bug"),
        pytest.param(RuntimeError("m"), 70, id="what nobody expected"),
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), 1, id="a full disk"),
        pytest.param(OSError("no number"), 70, id="an error that no system call gave"),
        pytest.param(Failure("denied", "m"), 1, id="a call was denied"),
        pytest.param(Failure("throttled", "m"), 3, id="a call was throttled"),
        pytest.param(Failure("transient", "m"), 3, id="the service is down"),
        pytest.param(Failure("unlisted", "m"), 70, id="a code that we do not know"),
        pytest.param(ExceptionGroup("g", [UserError("m", code="TT1"), Bug("b")]), 70, id="the worst of several"),
        pytest.param(ExceptionGroup("g", [UserError("m", code="TT1")]), 1, id="several mistakes"),
        pytest.param(KeyboardInterrupt(), 130, id="interrupted"),
        pytest.param(click.UsageError("m"), 1, id="usage"),
    ],
)
def test_the_exit_code_follows_from_the_error(monkeypatch, capsys, error, code):
    assert with_an_error(monkeypatch, error) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip()


def test_a_bug_gives_an_id_and_no_stack(monkeypatch, capsys):
    monkeypatch.delenv("TRIMTAB_TRACEBACK", raising=False)
    with_an_error(monkeypatch, RuntimeError("odd"))
    told = capsys.readouterr().err
    assert "please report it with the id" in told
    assert "Traceback" not in told


def test_what_the_machine_refuses_is_no_bug_and_names_the_place(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run(["init", str(tmp_path / "file" / "project")]) == 1
    assert f"refuses it: {tmp_path}/file/project: Not a directory" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["apply", "x.yaml"], ["wait", "x"], ["delete", "x"], ["rollback", "x"], ["retry", "x"]])
def test_a_timeout_that_is_no_duration_is_said_before_anything_is_done(capsys, words):
    assert run([*words, "--timeout", "3x"]) == 1
    assert "'3x' is no duration: write 90s, 30m or 1h30m" in capsys.readouterr().err


def test_no_byte_of_a_file_reaches_the_terminal_as_a_command(tmp_path, capsys):
    document = tmp_path / "d.yaml"
    document.write_bytes(b"\x1b]0;pwned\x07\x1b[2J: \xff")
    assert run(["validate", str(document)]) == 1
    said = capsys.readouterr().err
    assert "]0;pwned" in said
    assert not any(char in said for char in "\x1b\x07")


ENVIRONMENT = """\
apiVersion: trimtab.dev/v1alpha1
kind: Environment
metadata: {name: staging}
spec:
  account: "123456789012"
  region: eu-west-1
  buckets: {state: state-bucket, data: data-bucket}
  network:
    vpc: vpc-1234
    subnets: [subnet-1111, subnet-2222]
    securityGroups: {tasks: [sg-1111], loadBalancer: [sg-2222]}
  images: {serving: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/python:3.11"}
"""


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_an_environment_is_named_without_a_namespace(tmp_path, capsys, output, read):
    file = tmp_path / "environment.yaml"
    file.write_text(ENVIRONMENT)
    assert run(["validate", str(file), "-o", output]) == 0
    said = capsys.readouterr()
    assert (read(said.out), said.err) == ({"valid": ["Environment staging"]}, "")


def test_a_pipe_that_closes_ends_a_command_quietly(monkeypatch):
    copy = sys.stdout
    assert with_an_error(monkeypatch, BrokenPipeError()) == 0
    assert sys.stdout is copy


def test_every_exit_code_is_in_the_table_that_the_reference_is_made_of():
    errors = [UserError("m", code="TT1"), Denied("m"), NotOurs("m"), Conflict("m"), Throttled("m"), Transient("m"), Bug("m")]
    given = {exit_code(each) for each in errors} | {exit_code(RuntimeError())}
    said = {int(code) for _, command in commands() for code in re.findall(r"(?<=[ ,])(\d+)(?= [a-z])", _exits(command))}
    assert len(said) > 3
    assert given | said <= set(EXIT_CODES)


def _exits(command: click.Command) -> str:
    """The sentence of its help that lists exit codes."""
    return " ".join((command.help or "").split()).partition("Exit codes:")[2].partition(".")[0]
