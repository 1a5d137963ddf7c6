"""A shell that sources the script completes commands, options, choices and names, without a network."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.cli.main import COMMANDS

BIN = Path(sys.executable).parent
DOCUMENT = "apiVersion: trimtab.dev/v1alpha1\nkind: ModelDeployment\nmetadata: {name: %s, namespace: %s}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents (one a folder below), a file that is none, and one that is broken."""
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "deployment.yaml").write_text(DOCUMENT % ("digits", "vision"))
    (tmp_path / "reviews.yaml").write_text(DOCUMENT % ("reviews", "text") + "---\n" + DOCUMENT % ("visits", "web"))
    (tmp_path / "compose.yaml").write_text("services: {a: {image: b}}\n")
    (tmp_path / "broken.yaml").write_text("{\n")
    return tmp_path


def variables(folder: Path) -> dict[str, str]:
    """No cloud, no proxy, no configuration: whatever would reach for one finds none."""
    return {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}


def completed(folder: Path, line: str) -> list[str]:
    """What bash offers after that line, by the script that it sourced."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    script = f"""
        source <(trimtab completion bash)
        complete -p trimtab >/dev/null || exit 9
        compopt() {{ echo "compopt $2"; }}  # outside a completion by readline it would complain
        COMP_WORDS=({" ".join(shlex.quote(word) for word in words)}) COMP_CWORD={len(words) - 1}
        $(complete -p trimtab | sed -E 's/.*-F ([^ ]+).*/\\1/') trimtab
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    run = ["bash", "--norc", "-c", script]
    done = subprocess.run(run, cwd=folder, env=variables(folder), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [each for each in done.stdout.splitlines() if each]


def test_bash_completes_commands(folder):
    assert completed(folder, "trimtab ") == list(COMMANDS)
    assert completed(folder, "trimtab ro") == ["rollback"]


def test_bash_completes_options_and_choices(folder):
    assert "--watch" in completed(folder, "trimtab status --w")
    assert completed(folder, "trimtab history vision/digits -o ") == ["table", "json", "yaml"]
    assert completed(folder, "trimtab local fault add --kind t") == ["throttle", "timeout"]


@pytest.mark.parametrize(
    ("begun", "offered"),
    [
        ("", ["text/reviews", "vision/digits", "web/visits"]),
        ("vi", ["vision/digits"]),
        ("rev", ["reviews"]),
        ("nothing", []),
    ],
)
def test_bash_completes_the_names_of_the_documents_at_hand(folder, begun, offered):
    assert completed(folder, f"trimtab status {begun}" if begun else "trimtab status ") == offered


def test_bash_completes_environments(folder):
    (folder / "config" / "trimtab" / "environments").mkdir(parents=True)
    (folder / "config" / "trimtab" / "environments" / "production.yaml").write_text("")
    assert completed(folder, "trimtab delete --environment ") == ["local", "production"]


def test_files_are_left_to_the_shell(folder):
    assert completed(folder, "trimtab apply di") == ["compopt default"]


def test_after_a_word_that_is_no_command_nothing_is_complained_of(folder):
    assert completed(folder, "trimtab aply di") == ["diff"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_answered_by_their_protocol(folder, shell):
    asked = {"_TRIMTAB_COMPLETE": f"{shell}_complete", "COMP_WORDS": "trimtab drift vi", "COMP_CWORD": "2"}
    if shell == "fish":
        asked["COMP_CWORD"] = "vi"
    command = [BIN / "trimtab"]
    done = subprocess.run(command, cwd=folder, env=variables(folder) | asked, capture_output=True, text=True, check=True)
    assert "vision/digits" in done.stdout
    assert "text/reviews" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_of_other_shells_parse(folder, shell):
    script = subprocess.run(
        [BIN / "trimtab", "completion", shell], env=variables(folder), capture_output=True, text=True, check=True
    ).stdout
    assert f"_TRIMTAB_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
