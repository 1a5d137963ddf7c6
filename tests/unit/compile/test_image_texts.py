"""The images that a deployment stands on come from the document or its environment."""

import pytest

from samples_compile import environment, loaded, spec
from trimtab.compile.graph import image_texts
from trimtab.core.errors import UserError


def test_a_framework_that_the_environment_has_no_image_for_is_a_users_error_with_what_there_is():
    document = spec("training.framework", {"name": "sklearn", "version": "1.x"})
    with pytest.raises(UserError, match="environment local names no training image for sklearn") as raised:
        image_texts(loaded(document), loaded(environment()))
    assert "pytorch" in (raised.value.fix or "")
