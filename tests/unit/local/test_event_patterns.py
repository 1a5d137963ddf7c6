"""Event patterns, case by case.

The page: Amazon EventBridge User Guide, "Comparison operators for use in event patterns".
"""

import json
import re
from typing import Any

import pytest

from trimtab.local.event_patterns import MOST_LETTERS, InvalidPattern, matches, parsed

EVENT = {
    "source": "aws.ecs",
    "resources": ["arn:aws:ecs:us-east-1:1:service/a/b", "arn:aws:ecs:us-east-1:1:service/a/c"],
    "detail": {
        "state": "RUNNING",
        "empty": "",
        "nothing": None,
        "flag": True,
        "count": 300,
        "ratio": 0.5,
        "file": "dir/lib/photo.PNG",
        "star": "a*b",
        "address": "10.0.0.7",
        "six": "2001:db8::1",
        "tags": ["red", "green"],
        "none": [],
        "containers": [{"name": "model", "exit": 1}, {"name": "proxy", "exit": 0}],
    },
}


def verdict(pattern: dict[str, Any]) -> bool:
    return matches(parsed(json.dumps(pattern)), EVENT)


@pytest.mark.parametrize(
    ("field", "wanted", "expected"),
    [
        # exact
        ("state", ["RUNNING"], True),
        ("state", ["running"], False),
        ("state", ["STOPPED", "RUNNING"], True),
        ("empty", [""], True),
        ("state", [""], False),
        ("nothing", [None], True),
        ("state", [None], False),
        ("absent", [None], False),
        ("flag", [True], True),
        ("flag", [1], False),
        ("count", [300], True),
        ("count", [300.0], False),  # numbers are compared as they are written
        ("count", ["300"], False),
        # an array of the event matches with any of its items
        ("tags", ["green"], True),
        ("tags", ["blue"], False),
        ("none", ["red"], False),
        # prefix, suffix
        ("state", [{"prefix": "RUN"}], True),
        ("state", [{"prefix": "run"}], False),
        ("state", [{"prefix": {"equals-ignore-case": "run"}}], True),
        ("count", [{"prefix": "3"}], False),
        ("file", [{"suffix": ".PNG"}], True),
        ("file", [{"suffix": ".png"}], False),
        ("file", [{"suffix": {"equals-ignore-case": ".png"}}], True),
        ("absent", [{"prefix": ""}], False),
        # equals-ignore-case
        ("state", [{"equals-ignore-case": "running"}], True),
        ("state", [{"equals-ignore-case": "runnin"}], False),
        # anything-but
        ("state", [{"anything-but": "STOPPED"}], True),
        ("state", [{"anything-but": "RUNNING"}], False),
        ("state", [{"anything-but": ["STOPPED", "RUNNING"]}], False),
        ("count", [{"anything-but": 300}], False),
        ("count", [{"anything-but": [1, 2]}], True),
        ("state", [{"anything-but": {"prefix": "RUN"}}], False),
        ("state", [{"anything-but": {"prefix": ["STO", "RUN"]}}], False),
        ("state", [{"anything-but": {"suffix": "ED"}}], True),
        ("state", [{"anything-but": {"equals-ignore-case": "running"}}], False),
        ("state", [{"anything-but": {"equals-ignore-case": ["stopped", "pending"]}}], True),
        ("file", [{"anything-but": {"wildcard": "*/lib/*"}}], False),
        ("absent", [{"anything-but": "x"}], False),
        # numeric
        ("count", [{"numeric": ["=", 300]}], True),
        ("count", [{"numeric": ["=", 3.0e2]}], True),
        ("count", [{"numeric": [">", 0, "<=", 300]}], True),
        ("count", [{"numeric": [">", 300]}], False),
        ("count", [{"numeric": ["<", 300]}], False),
        ("ratio", [{"numeric": [">=", 0.5, "<", 1]}], True),
        ("state", [{"numeric": [">", 0]}], False),
        ("flag", [{"numeric": ["=", 1]}], False),
        # exists
        ("state", [{"exists": True}], True),
        ("nothing", [{"exists": True}], True),
        ("absent", [{"exists": True}], False),
        ("absent", [{"exists": False}], True),
        ("state", [{"exists": False}], False),
        # cidr
        ("address", [{"cidr": "10.0.0.0/24"}], True),
        ("address", [{"cidr": "10.0.1.0/24"}], False),
        ("six", [{"cidr": "2001:db8::/32"}], True),
        ("state", [{"cidr": "10.0.0.0/24"}], False),
        # wildcard
        ("file", [{"wildcard": "dir/*/photo.*"}], True),
        ("file", [{"wildcard": "*"}], True),
        ("file", [{"wildcard": "dir/*.png"}], False),
        ("star", [{"wildcard": "a\\*b"}], True),
        ("file", [{"wildcard": "dir\\*"}], False),
        # alternatives in one array
        ("state", ["STOPPED", {"prefix": "RUN"}], True),
        ("absent", [{"exists": False}, "x"], True),
    ],
)
def test_each_comparison(field, wanted, expected):
    assert verdict({"detail": {field: wanted}}) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param({"source": ["aws.ecs"], "detail": {"state": ["RUNNING"]}}, True, id="all fields must match"),
        pytest.param({"source": ["aws.s3"], "detail": {"state": ["RUNNING"]}}, False, id="one does not"),
        pytest.param({"resources": [{"suffix": "/c"}]}, True, id="an item of an array"),
        pytest.param({"detail": {"containers": {"name": ["proxy"], "exit": [0]}}}, True, id="one object of an array"),
        pytest.param({"detail": {"containers": {"name": ["model"], "exit": [0]}}}, False, id="fields of two objects"),
        pytest.param({"detail": {"state": {"deep": ["x"]}}}, False, id="below what is no object"),
        pytest.param({"missing": {"deep": [{"exists": False}]}}, True, id="absent below what is absent"),
        pytest.param({"detail": [{"exists": True}]}, False, id="exists works on leaves only"),
        pytest.param({"$or": [{"source": ["aws.s3"]}, {"source": ["aws.ecs"]}]}, True, id="or"),
        pytest.param({"$or": [{"source": ["aws.s3"]}, {"source": ["aws.ecr"]}]}, False, id="or of none"),
        pytest.param(
            {"source": ["aws.ecs"], "detail": {"$or": [{"count": [{"numeric": [">", 500]}]}, {"ratio": [0.5]}]}},
            True,
            id="or below a field",
        ),
        pytest.param({"source": ["aws.s3"], "$or": [{"detail": {"flag": [True]}}, {"x": ["y"]}]}, False, id="or and more"),
    ],
)
def test_whole_patterns(pattern, expected):
    assert verdict(pattern) is expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not json", "it is not JSON"),
        ("[]", "a pattern is an object"),
        ("{}", "at least one field"),
        ('{"source": "aws.ecs"}', '"source" must be an object or an array'),
        ('{"source": []}', "empty arrays are not allowed"),
        ('{"detail": {}}', "empty objects are not allowed"),
        ('{"source": [["a"]]}', "an array within its array"),
        ('{"a": [{"prefix": "x", "suffix": "y"}]}', "one operator, not 2"),
        ('{"a": [{"like": "x"}]}', '"like" is no operator'),
        ('{"a": [{"prefix": 1}]}', '"prefix" must be a text'),
        ('{"a": [{"prefix": {"wildcard": "x"}}]}', "or an object with equals-ignore-case"),
        ('{"a": [{"exists": "true"}]}', '"exists" must be true or false'),
        ('{"a": [{"numeric": [">"]}]}', "an operator and a number"),
        ('{"a": [{"numeric": ["!=", 1]}]}', "an operator and a number"),
        ('{"a": [{"numeric": [">", "1"]}]}', "an operator and a number"),
        ('{"a": [{"numeric": ["<", 1, ">", 0]}]}', "must be a range"),
        ('{"a": [{"numeric": [">", 5, "<", 1]}]}', "must be a range"),
        ('{"a": [{"numeric": ["=", 6e9]}]}', "between -5.0e9 and 5.0e9"),
        ('{"a": [{"anything-but": ["x", 1]}]}', "texts or numbers, not both"),
        ('{"a": [{"anything-but": []}]}', "texts or numbers, not both"),
        ('{"a": [{"anything-but": {"numeric": ["=", 1]}}]}', '"anything-but" takes one of'),
        ('{"a": [{"anything-but": {"prefix": [1]}}]}', '"prefix" must be a text'),
        ('{"a": [{"cidr": "10.0.0.0/99"}]}', "a block of addresses"),
        ('{"a": [{"wildcard": "a**b"}]}', "consecutive wildcards"),
        (r'{"a": [{"wildcard": "a\\b"}]}', "a backslash escapes"),
        ('{"$or": [{"a": ["b"]}]}', "at least two"),
        ('{"$or": [{"a": ["b"]}, {}]}', "an array of objects"),
        ('{"a": ["' + "x" * MOST_LETTERS + '"]}', f"longer than {MOST_LETTERS}"),
    ],
)
def test_what_is_refused(text, reason):
    with pytest.raises(InvalidPattern, match=re.escape(reason)):
        parsed(text)


def test_an_escaped_star_may_stand_beside_a_wildcard():
    assert matches(parsed(r'{"a": [{"wildcard": "x\\**"}]}'), {"a": "x*y"})
