"""doctor, on a local cloud and where none is up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clouds import running_cloud

TRIMTAB = str(Path(sys.executable).parent / "trimtab")


def doctor(variables: dict[str, str]) -> tuple[int, dict[str, dict[str, str]], str]:
    done = subprocess.run([TRIMTAB, "doctor", "-o", "json"], env=variables, capture_output=True, text=True, check=False)
    return done.returncode, {each["check"]: each for each in json.loads(done.stdout)["checks"]}, done.stderr


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("doctor") / "state") as cloud:
        yield doctor(cloud.variables)


def test_a_local_cloud_that_is_up_has_no_fault(checked):
    code, checks, told = checked
    assert [each for each in checks.values() if each["verdict"] == "fail"] == []
    assert (code, told) == (0, "")
    for check in ("python", "uv", "disk (state)", "identity", "region", "clock", "state bucket", "ecs", "quota: roles"):
        assert checks[check]["verdict"] == "ok", checks[check]


def test_what_a_local_cloud_cannot_tell_is_not_checked_and_says_why(checked):
    _, checks, _ = checked
    assert checks["rights"]["verdict"] == "not checked"
    assert "does not enforce IAM" in checks["rights"]["found"]
    assert all(each["found"] for each in checks.values())


def test_no_local_cloud_fails_with_what_to_do(tmp_path):
    code, checks, _ = doctor({**os.environ, "TRIMTAB_LOCAL_STATE": str(tmp_path / "none")})
    assert code == 1
    assert checks["environment local"]["fix"] == "run `trimtab local up`"
