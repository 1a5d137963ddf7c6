"""The commands of docs/tasks/adopt.md work, in the order in which they stand, and say what the page says."""

import pytest

from e2e.test_event_pages import said_by

pytestmark = pytest.mark.slow


def test_what_was_made_by_hand_is_refused_then_adopted(tmp_path):
    said = said_by("adopt", tmp_path)
    assert "ifIdentical leaves it, since it differs in retentionInDays" in said
    assert "= adopt    logs.LogGroup/logs" in said
    assert "it is there as declared" in said
    assert "log group /trimtab/local/default/toy, which was there already" in said
