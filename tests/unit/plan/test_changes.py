"""What differs between two documents, field by field and file by file."""

import pytest

from trimtab.plan.changes import ContentEdit, content_edit, edits, spread, with_edit


def changed(before, after, was=None, becomes=None):
    return [(each.path, each.before, each.after) for each in edits(before, after, was or before, becomes or after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, [], id="equal"),
        pytest.param({"a": {"b": 8}}, {"a": {"b": 10}}, [("spec.a.b", 8, 10)], id="nested"),
        pytest.param({}, {"a": {"b": 1, "c": 2}}, [("spec.a.b", None, 1), ("spec.a.c", None, 2)], id="a new section"),
        pytest.param({"a": {"b": 1}}, {}, [("spec.a.b", 1, None)], id="a section gone"),
        pytest.param({}, {"a": {}}, [("spec.a", None, {})], id="an empty section"),
        pytest.param({"a": [{"m": 1}]}, {"a": [{"m": 2}]}, [("spec.a[0].m", 1, 2)], id="an item"),
        pytest.param({"a": [1]}, {"a": [1, 2]}, [("spec.a", [1], [1, 2])], id="one more item"),
        pytest.param({"a": 1}, {"a": {"b": 1}}, [("spec.a", 1, {"b": 1})], id="another shape"),
    ],
)
def test_each_leaf_that_differs_is_named(before, after, expected):
    assert changed(before, after) == expected


def test_a_field_left_out_is_shown_with_the_default_that_takes_effect():
    assert changed({}, {"min": 2}, {"min": 1}, {"min": 2}) == [("spec.min", 1, 2)]


@pytest.mark.parametrize("after", [{"a": {"b": 2, "c": 1}}, {"a": {"c": 1}}, {"a": {"b": 1, "c": 1}, "d": [{"e": 1}]}, {}])
def test_all_edits_applied_to_the_one_document_give_the_other(after):
    before = {"a": {"b": 1, "c": 1}}
    made = before
    for each in edits(before, after, before, after):
        made = with_edit(made, each, after)
    assert made == after
    assert before == {"a": {"b": 1, "c": 1}}


def test_json_inside_text_is_compared_field_by_field():
    assert list(spread("policy", '{"a":{"b":1},"c":2}', '{"a":{"b":3},"c":2}')) == [("policy.a.b", 1, 3)]
    assert list(spread("text", "{not json", "other")) == [("text", "{not json", "other")]


def test_files_are_told_apart_by_what_became_of_them():
    edit = content_edit("dataset", "d1", "d2", {"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})
    assert edit == ContentEdit("dataset", "d1", "d2", added=("d",), changed=("b",), removed=("c",))


def test_files_that_are_not_known_are_not_called_added():
    assert content_edit("dataset", "d1", "d2", {}, {"a": "1"}) == ContentEdit("dataset", "d1", "d2")
