"""Who is taken to be at work on a deployment."""

from datetime import UTC, datetime, timedelta

import pytest

from trimtab.engine.lease import LASTS, held_by_another, lease_of
from trimtab.engine.ledger import Lease

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
THEIRS = lease_of("them", NOW)


@pytest.mark.parametrize(
    ("lease", "after", "holder"),
    [
        pytest.param(None, timedelta(0), "", id="nobody was at work"),
        pytest.param(THEIRS, timedelta(0), "them", id="another is at work"),
        pytest.param(lease_of("us", NOW), timedelta(0), "", id="it is our own"),
        pytest.param(THEIRS, LASTS, "", id="it has ended"),
        pytest.param(lease_of("gone", NOW), timedelta(0), "", id="its holder is no more"),
        pytest.param(Lease("them", "2027-01-01T00:00:00Z"), timedelta(0), "", id="a clock that jumped wrote it"),
    ],
)
def test_a_lease_binds_while_its_holder_may_be_at_work(lease, after, holder):
    assert held_by_another(lease, "us", lambda each: each == "gone", NOW + after) == holder
