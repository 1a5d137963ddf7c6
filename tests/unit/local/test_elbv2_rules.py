"""Which requests meet which conditions, and which conditions are refused.

Sources: Elastic Load Balancing User Guide for Application Load Balancers, "Condition types for listener rules"; ELB
API Reference, RuleCondition.
"""

from typing import Any

import pytest
from multidict import CIMultiDict

from trimtab.local.elbv2_rules import Asked, check_conditions, matches
from trimtab.local.overlay import ServiceError

ASKED = Asked(
    host="Digits.Local",
    path="/Digits/predict",
    method="POST",
    headers=CIMultiDict({"X-Team": "Vision-EU"}),
    query=(("v", "2"), ("debug", "")),
    source="127.0.0.1",
)


def path(*values: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "Values": list(values)}


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({"Field": "host-header", "Values": ["digits.local"]}, True),
        ({"Field": "host-header", "HostHeaderConfig": {"Values": ["*.local"]}}, True),
        ({"Field": "host-header", "Values": ["other.local", "digit?.local"]}, True),
        ({"Field": "host-header", "Values": ["local"]}, False),
        (path("/Digits/*"), True),
        (path("/digits/*"), False),
        (path("/Digits/predic."), False),
        (path("/x", "*"), True),
        ({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "POST"]}}, True),
        ({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}}, False),
        ({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x-team", "Values": ["vision-*"]}}, True),
        ({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x-other", "Values": ["*"]}}, False),
        ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}}, True),
        ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "1"}]}}, False),
        ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "2"}]}}, True),
        ({"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8", "127.0.0.0/8"]}}, True),
        ({"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}, False),
    ],
)
def test_a_condition_is_met_or_not(condition: dict[str, Any], met: bool) -> None:
    assert matches([condition], ASKED) is met


def test_every_condition_of_a_rule_must_hold_and_none_always_does() -> None:
    assert matches([], ASKED)
    assert not matches([path("*"), path("/none")], ASKED)


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        pytest.param([], "ValidationError", id="none"),
        pytest.param([{"Field": "color", "Values": ["x"]}], "ValidationError", id="unknown field"),
        pytest.param([path()], "ValidationError", id="no value"),
        pytest.param([path("/a"), path("/b")], "ValidationError", id="a field twice"),
        pytest.param([path(*"abcdef")], "TooManyConditionValues", id="six values"),
        pytest.param(
            [{"Field": "http-header", "HttpHeaderConfig": {"Values": ["x"]}}], "ValidationError", id="no header name"
        ),
        pytest.param([{"Field": "path-pattern", "RegexValues": ["x"]}], "ValidationError", id="regular expressions"),
    ],
)
def test_bad_conditions_are_refused(conditions: list[Any], code: str) -> None:
    with pytest.raises(ServiceError) as refused:
        check_conditions(conditions)
    assert refused.value.code == code
