"""`check --model` of a folder with a Dockerfile."""

import subprocess
import sys
from pathlib import Path

import pytest

SERVER = """
import os
HOST = os.environ.get("TRIMTAB_BIND_ADDRESS")
ROUTES = ("/ping", "/invocations")
"""
DOCKERFILE = 'FROM a:1\nCOPY server.py /opt/program/\nEXPOSE 8080\nENTRYPOINT ["python3", "/opt/program/server.py"]\n'
GOLDEN = '{"inputs": [[1]], "outputs": [[2]]}'


def check(folder: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    for name, text in ({"Dockerfile": DOCKERFILE, "server__py": SERVER, "golden__json": GOLDEN} | changes).items():
        (folder / name.replace("__", ".")).write_text(text)
    command = [sys.executable, "-m", "trimtab_container", "check", "--model", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_folder_that_keeps_the_contract_is_told_so(tmp_path: Path):
    done = check(tmp_path)
    assert done.stdout == "base a:1; 1 files; packages none\nnothing is wrong\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("file", "before", "after", "place", "level", "said"),
    [
        ("Dockerfile", "EXPOSE 8080", "RUN make", "Dockerfile:3", "error", "RUN runs a command"),
        ("Dockerfile", '["python3", "/opt/program/server.py"]', "python3 x", "Dockerfile:4", "error", "exec form"),
        ("Dockerfile", "8080", "80", "Dockerfile", "warning", "EXPOSE names another port"),
        ("Dockerfile", "ENTRYPOINT", "CMD", "Dockerfile", "warning", "there is no ENTRYPOINT"),
        (
            "Dockerfile",
            'program/server.py"',
            'program/main.py"',
            "Dockerfile",
            "warning",
            "no COPY brings /opt/program/main.py",
        ),
        ("Dockerfile", "/opt/", "/srv/", "Dockerfile", "warning", "/srv/program/server.py is outside /opt"),
        ("server__py", "import os", "import (", "server.py:2", "error", "SyntaxError"),
        ("server__py", "/ping", "/pong", "Dockerfile", "warning", "nothing it copies names /ping"),
        ("server__py", "TRIMTAB_BIND_ADDRESS", "HOST", "Dockerfile", "warning", "nothing reads TRIMTAB_BIND_ADDRESS"),
        ("golden__json", "inputs", "input", "golden.json", "error", "inputs or outputs are missing"),
        ("golden__json", "{", "", "golden.json:1", "error", "it is no JSON"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, file, before, after, place, level, said):
    text = {"Dockerfile": DOCKERFILE, "server__py": SERVER, "golden__json": GOLDEN}[file]
    assert before in text
    done = check(tmp_path, **{file: text.replace(before, after)})
    assert any(f"{place}: {level}: " in line and said in line for line in done.stdout.splitlines()), done.stdout
    assert done.returncode == (level == "error")


def test_without_a_golden_request_it_warns(tmp_path: Path):
    check(tmp_path)
    (tmp_path / "golden.json").unlink()
    command = [sys.executable, "-m", "trimtab_container", "check", "--model", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "after a rollout nothing proves the answers" in done.stdout
    assert done.returncode == 0


def test_code_beside_it_would_go_unused(tmp_path: Path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").write_text("def predict_fn(data, model): return data\n")
    done = check(tmp_path, "--code", str(tmp_path / "code"))
    assert "brings a server of its own: code would go unused" in done.stdout
    assert done.returncode == 1
