"""A saved plan is known by what it holds, and refused when it is not what was saved."""

import json
from pathlib import Path

import pytest

from trimtab.cli.saved import saved_in, write
from trimtab.core.errors import UserError

STOOD_ON = {
    "trimtab": "0", "document": {}, "contents": {}, "environment": {}, "ledger": {}, "pins": {},
    "world": {"ecs.Service/service": {"is": "absent", "fields": {}}},
}  # fmt: skip
BODY = {"format": "trimtab.plan/v1", "actions": []}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    path = tmp_path / "build" / "anything.txt"
    write(path, ("toy/deployment.yaml",), BODY, STOOD_ON)
    return path


def test_a_plan_finds_its_document_from_anywhere(plan, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    found = saved_in((str(plan),))
    assert found is not None
    assert Path(found[1][0]).resolve() == tmp_path / "toy" / "deployment.yaml"
    assert found[0].stood_on == STOOD_ON


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: trimtab.dev/v1alpha1\nkind: ModelDeployment\n",
        '{"apiVersion": "trimtab.dev/v1alpha1", "kind": "ModelDeployment"}',
        "{",
        "[1]",
        "",
    ],
)
def test_what_is_no_plan_is_left_to_the_loader_of_documents(tmp_path, text):
    file = tmp_path / "plan.json"
    file.write_text(text)
    assert saved_in((str(file),)) is None
    assert saved_in((str(file), str(file))) is None
    assert saved_in((str(tmp_path),)) is None


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda value: value["actions"].append({}), "was edited, or is not whole"),
        (lambda value: value["stoodOn"].update(pins={"x": {}}), "was edited, or is not whole"),
        (lambda value: value.pop("digest"), "was edited, or is not whole"),
        (
            lambda value: value.update(format="trimtab.plan/v9"),
            "is a trimtab.plan/v9, and this trimtab reads trimtab.plan/v1",
        ),
        (lambda value: value.pop("stoodOn"), "was printed by `plan -o json` and not saved"),
    ],
)
def test_a_plan_that_is_not_what_was_saved_is_refused(plan, edit, says):
    value = json.loads(plan.read_text())
    edit(value)
    plan.write_text(json.dumps(value))
    with pytest.raises(UserError, match="TT6004 InvalidPlan") as refused:
        saved_in((str(plan),))
    assert says in refused.value.message
    assert refused.value.fix


def test_a_plan_of_standard_input_is_not_saved(tmp_path):
    with pytest.raises(UserError, match="standard input"):
        write(tmp_path / "p", ("-",), BODY, STOOD_ON)
    assert not (tmp_path / "p").exists()


def test_the_keys_of_the_file_are_those_of_the_reference(plan):
    text = Path(__file__).parents[3].joinpath("docs/reference/plan.md").read_text()
    for key in (*json.loads(plan.read_text()), *STOOD_ON):
        assert f"`{key}`" in text, key
