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


def test_every_operation_of_the_local_cloud_has_its_standing(generate):
    """A sample of each kind, and a deviation of each service that the local cloud owns."""
    covered = {each.service: each for each in generate.coverage()}
    standing = {
        ("ecs", "UpdateService"): "simulated",
        ("ecs", "CreateTaskSet"): "refused",
        ("sqs", "ReceiveMessage"): "simulated",
        ("sqs", "AddPermission"): "refused",
        ("s3", "PutBucketNotification"): "simulated",
        ("s3", "PutObject"): "recorded",
        ("s3", "GetBucketWebsite"): "recorded",
        ("s3", "RenameObject"): "refused",
        ("iam", "ListInstanceProfiles"): "recorded",
        ("iam", "SimulatePrincipalPolicy"): "refused",
        ("ec2", "BundleInstance"): "refused",
        ("sts", "GetCallerIdentity"): "simulated",
        ("sts", "AssumeRole"): "recorded",
    }
    assert {key: covered[key[0]].operations[key[1]] for key in standing} == standing
    assert [each.service for each in covered.values() if not each.deviations] == []
    assert "## cloudtrail" in generate.generated()["docs/local-cloud.md"]
