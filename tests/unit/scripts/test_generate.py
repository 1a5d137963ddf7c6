"""The reference in docs/ is what the code says."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

TOP = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", TOP / "scripts" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_page_that_was_edited_or_is_missing_is_found(generate, tmp_path):
    shutil.copytree(TOP / "docs" / "reference", tmp_path / "docs" / "reference")
    for path, text in generate.generated().items():
        (tmp_path / path).write_text(text)
    assert generate.stale(tmp_path) == []
    (tmp_path / "docs/reference/codes.md").write_text("by hand")
    (tmp_path / "docs/reference/fields.md").unlink()
    assert generate.stale(tmp_path) == ["docs/reference/fields.md", "docs/reference/codes.md"]


def test_commands_below_a_group_are_in_the_reference(generate):
    assert "## local up" in generate.generated()["docs/reference/commands.md"]
