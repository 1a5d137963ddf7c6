"""A local cloud of a part's own, as a person and `trimtab run` use it: see scripts/outside.py and scripts/operating.py."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outside import Outside


@contextmanager
def cloud_to_operate(*options: str) -> Iterator[Outside]:
    """options: of `trimtab local up`."""
    with tempfile.TemporaryDirectory() as folder:
        outside = Outside(Path(folder))
        try:
            outside.up(*options)
            yield outside
        finally:
            outside.down("--purge")
