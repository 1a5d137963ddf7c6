"""Which files of the code a stage uses."""

import pytest

from trimtab.compile.select import selected
from trimtab.model.training import Training

FILES = [
    "train.py",
    "network.py",
    "README.md",
    "docs/a.md",
    "tests/test_a.py",
    "x/tests/b.py",
    "Dockerfile",
    "inference.py",
    ".env",
]


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        (["**"], FILES),
        (["*.py"], ["train.py", "network.py", "tests/test_a.py", "x/tests/b.py", "inference.py"]),
        (["/tests/"], ["tests/test_a.py"]),
        (["tests/"], ["tests/test_a.py", "x/tests/b.py"]),
        (["x/**"], ["x/tests/b.py"]),
        (["**/b.py"], ["x/tests/b.py"]),
        (["**", "!*.md", "!tests/"], ["train.py", "network.py", "Dockerfile", "inference.py", ".env"]),
        (["!*.md", "**"], FILES),
        ([], []),
    ],
)
def test_the_last_pattern_that_matches_wins(patterns, kept):
    assert selected(FILES, patterns) == tuple(sorted(kept))


def test_training_leaves_out_what_changes_no_model():
    files = Training.model_fields["files"].default
    assert selected(FILES, files) == ("network.py", "train.py")
