"""YAML is read as kubectl reads it, with bounds, and with a position for every mistake."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.core.errors import UserError
from trimtab.model.scalars import scalar
from trimtab.model.yaml_loader import MAX_BYTES, read


def mistake(text: bytes) -> UserError:
    """The first one, whether it leaves the text readable or not."""
    try:
        return next(each for tree in read(text, "f.yaml") for each in tree.mistakes)
    except UserError as error:
        return error


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("on", True),
        ("no", False),
        ("Off", False),
        ("012", 10),
        ("0o14", 12),
        ("0x1F", 31),
        ("0b11", 3),
        ("12:30", "12:30"),
        ("1e3", 1000.0),
        ("1_000", 1000),
        ("-.5", -0.5),
        ("~", None),
        ("", None),
        ("null", None),
        ("2026-11-23", "2026-11-23"),
        ("yEs", "yEs"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_plain_scalars_are_what_kubectl_makes_of_them(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)
    if text:
        assert read(f"a: {text}".encode(), "f")[0].value == {"a": value}


def test_quoted_scalars_are_text():
    assert read(b"a: '8'\nb: \"yes\"", "f")[0].value == {"a": "8", "b": "yes"}


def test_json_is_read_too():
    assert read(b'{"a": 8.0, "b": [1, true, null]}', "f")[0].value == {"a": 8.0, "b": [1, True, None]}


def test_every_node_knows_its_place():
    (tree,) = read(b"spec:\n  replicas: {min: 2,\n    max: 3}\n  list: [a, {b: c}]\n", "f.yaml")
    assert str(tree.values["spec.replicas.max"]) == "f.yaml:3:10"
    assert str(tree.keys["spec.replicas.max"]) == "f.yaml:3:5"
    assert str(tree.values["spec.list[1].b"]) == "f.yaml:4:17"


def test_several_documents_of_one_file_are_read_and_empty_ones_left_out():
    assert [tree.value for tree in read(b"---\na: 1\n---\n---\nb: 2\n...\n", "f")] == [{"a": 1}, {"b": 2}]


def test_bare_words_that_are_booleans_are_warned_of():
    (tree,) = read(b"a: on\nb: 'on'", "f")
    assert len(tree.warnings) == 1
    assert "f:1:4" in tree.warnings[0]


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (b, b, *([b - 1] * 10)) for b in range(ord("b"), ord("i"))
)


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        pytest.param(b"", "f.yaml:1:1", "TT1002", id="empty"),
        pytest.param(b"# only a comment\n", "f.yaml:1:1", "TT1002", id="comment"),
        pytest.param(b"a: [1", "f.yaml:1:4", "TT1001", id="unclosed list"),
        pytest.param(b"a: b: c", "f.yaml:1:5", "TT1001", id="two colons"),
        pytest.param(b"a:\n\t- b", "f.yaml:2:1", "TT1001", id="tab"),
        pytest.param(b"a: 'x", "f.yaml:1:4", "TT1001", id="unclosed quote"),
        pytest.param(b"a: \xff", "f.yaml:1:4", "TT1003", id="not UTF-8"),
        pytest.param(b"a: 1\nb: \x00", "f.yaml:2:4", "TT1003", id="NUL"),
        pytest.param(b"a: " + b"x" * MAX_BYTES, "f.yaml:1:1", "TT1004", id="too many bytes"),
        pytest.param(b"[" * 40 + b"]" * 40, "f.yaml:1:33", "TT1004", id="too deep"),
        pytest.param(b"a: &a [*a]", "f.yaml:1:8", "TT1004", id="alias of itself"),
        pytest.param(b"? [a]\n: b", "f.yaml:1:3", "TT1005", id="list as key"),
        pytest.param(b"a: &a 1\nc: {<<: *a}", "f.yaml:2:9", "TT1006", id="merge of no mapping"),
        pytest.param(b"a: 1\na: 2", "f.yaml:2:1", "TT1007", id="key twice"),
        pytest.param(b"a: !!python/object/apply:os.system [x]", "f.yaml:1:4", "TT1008", id="python tag"),
        pytest.param(b"a: !Ref b", "f.yaml:1:4", "TT1008", id="own tag"),
        pytest.param(b"a: !%0a b", "f.yaml:1:4", "TT1008", id="tag with a line break"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text, place, code):
    found = mistake(text)
    assert (str(found.position), found.code) == (place, code)
    assert found.fix


def test_an_alias_bomb_is_refused_before_anything_is_built():
    started = time.process_time()
    assert mistake(BOMB).code == "TT1004"
    assert time.process_time() - started < 1.0


@given(st.binary(max_size=300))
def test_any_bytes_give_documents_or_a_mistake_with_a_place(data):
    with contextlib.suppress(UserError):
        assert all(isinstance(tree.values, dict) for tree in read(data, "f.yaml"))
