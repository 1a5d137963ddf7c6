"""The images that a deployment stands on come from the document or its environment."""

import pytest

from samples_compile import DOCUMENT, environment, loaded, spec
from trimtab.compile.graph import image_texts
from trimtab.core.errors import UserError


def test_a_framework_that_the_environment_has_no_image_for_is_a_users_error_with_what_there_is():
    document = spec("training.framework", {"name": "sklearn", "version": "1.x"})
    with pytest.raises(UserError, match="environment local names no training image for sklearn") as raised:
        image_texts(loaded(document), loaded(environment()))
    assert "pytorch" in (raised.value.fix or "")


ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("$TRIMTAB_BASE", "127.0.0.1:4566/t/python:3.11"),
        ("127.0.0.1:4566/team/base", "127.0.0.1:4566/team/base:latest"),
        (f"{ECR}/base:3", f"{ECR}/base:3"),
        (f"{ECR}/base@sha256:aa", f"{ECR}/base@sha256:aa"),
    ],
)
def test_the_base_of_a_dockerfile_is_the_environments_or_one_in_ecr(written, text):
    assert image_texts(loaded(DOCUMENT), loaded(environment()), written)["serving"] == text


@pytest.mark.parametrize("written", ["python:3.11", "ghcr.io/a/b:1", "127.0.0.1:9/a:1", f"evil.{ECR}/a:1"])
def test_credentials_of_ecr_go_to_no_other_registry(written):
    with pytest.raises(UserError, match="names no image in ECR") as raised:
        image_texts(loaded(DOCUMENT), loaded(environment()), written)
    assert "TRIMTAB_BASE" in raised.value.fix
