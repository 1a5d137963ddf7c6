"""Which Environment a command means: by its name, or by its file."""

from pathlib import Path

import pytest
import yaml

from samples_compile import ENVIRONMENT
from trimtab.cli.context import environment_named
from trimtab.core.errors import UserError


def written(file: Path, *names: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump_all({**ENVIRONMENT, "metadata": {"name": name}} for name in names))
    return file


def test_by_its_name_it_is_found_in_the_config_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    written(tmp_path / "trimtab" / "environments" / "staging.yaml", "other", "staging")
    assert environment_named("staging").metadata.name == "staging"
    with pytest.raises(UserError, match="there is no environment 'production'"):
        environment_named("production")


def test_by_its_file_whatever_it_is_called(tmp_path):
    assert environment_named(str(written(tmp_path / "mine.yaml", "staging"))).metadata.name == "staging"


@pytest.mark.parametrize(("names", "said"), [(("a", "b"), "no single Environment"), ((), "TT1002")])
def test_a_file_must_hold_one(tmp_path, names, said):
    file = written(tmp_path / "mine.yml", *names)
    with pytest.raises((UserError, ExceptionGroup)) as caught:
        environment_named(str(file))
    first = caught.value.exceptions[0] if isinstance(caught.value, ExceptionGroup) else caught.value
    assert said in str(first)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        environment_named(str(tmp_path / "none.yaml"))
