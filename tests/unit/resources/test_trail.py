"""What CloudTrail is asked for about a resource: by which names, and in how many calls."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from trimtab.core.kind import Call, run_steps
from trimtab.resources import KINDS
from trimtab.resources.trail import attributes, events, names_of


@pytest.mark.parametrize(
    ("identity", "observed", "names"),
    [
        ("cluster|vision-digits", SimpleNamespace(arn="arn:s"), ("arn:s", "vision-digits")),
        ("vision-digits", None, ("vision-digits",)),
        ("arn:of-a-balancer|443", SimpleNamespace(arn="arn:listener"), ("arn:listener", "arn:of-a-balancer")),
        ("abc123|live", SimpleNamespace(api_id="abc123"), ("abc123",)),
        ("vision-digits", SimpleNamespace(id="abc123"), ("abc123", "vision-digits")),
        ("", None, ()),
    ],
)
def test_a_resource_has_the_names_that_requests_give_it(identity, observed, names):
    assert names_of(identity, observed) == names


@pytest.mark.parametrize("kind", KINDS)
def test_no_record_costs_more_than_two_lookups(kind):
    names = ("arn:aws:x", "name", "another")
    assert len(attributes(kind, names, of_tags=False)) == 2
    assert len(attributes(kind, names, of_tags=True)) == 2


def test_an_event_that_two_lookups_find_is_one():
    reply = {"Events": [{"EventId": "e1", "CloudTrailEvent": '{"eventName": "UpdateService"}'}]}
    ran = run_steps(events((("ResourceName", "a"), ("ResourceName", "b")), datetime.now(UTC)), [reply, reply])
    assert ran.result == ({"eventName": "UpdateService"},)
    assert all(isinstance(call, Call) and call.pages == "one" and call.repeat == "read" for call in ran.calls)
