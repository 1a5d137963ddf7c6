"""What a person and a program read of a plan."""

from pathlib import Path

import click
import pytest

from trimtab.cli.output import clipped, paint
from trimtab.cli.plan import lines, summary
from trimtab.cli.planned import blocked_rows, plan_body
from trimtab.core.kind import Difference
from trimtab.engine.former import Changes
from trimtab.plan.causes import Cause, Causes
from trimtab.plan.changes import ContentEdit, Edit
from trimtab.plan.forecast import Forecast
from trimtab.plan.plan import Action, Plan, Standing

EPOCHS = Edit("spec.training.hyperparameters.epochs", 8, 10, ("training", "hyperparameters", "epochs"))
HISTORY = Edit("spec.revisionHistoryLimit", 10, 3, ("revisionHistoryLimit",))
FILES = ContentEdit(
    "dataset", "sha256:aaaaaaaaaaaaaa", "sha256:bbbbbbbbbbbbbb", ("train/e",), ("train/a", "train/b", "train/c", "train/d")
)
JOB, IMAGE, SERVICE, DATA = "sagemaker.TrainingJob/training", "ecr.Image/image", "ecs.Service/service", "s3.Content/dataset"
REPOSITORY = "ecr.Repository/repository"

BODY = plan_body(
    "vision/digits",
    "local",
    3,
    Forecast(
        Plan(
            (
                Action("create", DATA, "it does not exist", identity="bucket|deployments/u/datasets/b"),
                Action("create", REPOSITORY, "it does not exist", identity="trimtab/local/vision/digits"),
                Action("update", SERVICE, "differs", (Difference("desiredCount", 1, 2),), identity="cluster|digits"),
            ),
            {},
        ),
        (
            (Action("create", JOB, f"known after {DATA}"),),
            (
                Action("create", IMAGE, f"known after {JOB}"),
                Action(
                    "update", SERVICE, f"known after {JOB}", (Difference("arn", "(as it is)", f"(known after {IMAGE})"),)
                ),
            ),
        ),
    ),
    Changes(
        (EPOCHS, HISTORY),
        (FILES,),
        Causes({JOB: Cause((FILES, EPOCHS)), IMAGE: Cause((), JOB), DATA: Cause((FILES,))}, (HISTORY,)),
    ),
    {JOB, IMAGE, DATA},
    "f" * 64,
)

SHOWN = """\
vision/digits in local, generation 4

  + upload   s3.Content/dataset
  + create   ecr.Repository/repository           trimtab/local/vision/digits
  ~ update   ecs.Service/service                 cluster|digits
             because it is not as declared: changed outside, or the environment was edited
             desiredCount: 1 -> 2

Known after s3.Content/dataset:
  ± retrain  sagemaker.TrainingJob/training
             dataset: 5 files: 4 changed, 1 added (train/a, train/b, train/c, train/d, and 1 more)
             spec.training.hyperparameters.epochs: 8 -> 10

Known after sagemaker.TrainingJob/training:
  ± rebuild  ecr.Image/image
             because sagemaker.TrainingJob/training changes
  ~ update   ecs.Service/service
             will point to the new ecr.Image/image

Noted; nothing is done by it now:
    spec.revisionHistoryLimit: 10 -> 3"""


def test_a_plan_reads_so():
    assert "\n".join(lines(BODY)) == SHOWN


def test_the_last_line_counts_what_is_done():
    assert summary(BODY["summary"]) == (
        "Plan: 1 to create, 1 to upload, 1 to retrain, 1 to rebuild, 2 to update, 0 to delete."
    )


def test_the_keys_of_the_json_are_those_of_the_reference():
    row = BODY["actions"][3]
    assert (row["does"], row["wave"], row["knownAfter"], row["inputs"][1]) == (
        "retrain",
        1,
        DATA,
        {"path": EPOCHS.path, "from": 8, "to": 10},
    )
    text = Path("docs/reference/plan.md").read_text()
    for key in (*BODY, *row, *BODY["edits"][0], *BODY["edits"][1], *BODY["actions"][2]["differences"][0]):
        assert f"`{key}`" in text, key


def test_what_is_adopted_is_shown_with_the_fields_that_change_and_what_is_not_with_the_reason():
    differing = (
        Difference("tags", {"team": "a"}, {"trimtab.dev/uid": "u"}),
        Difference("imageTagMutability", "MUTABLE", "IMMUTABLE"),
    )
    adopts = Action("adopt", REPOSITORY, "it is there, and differs in imageTagMutability", differing, identity="trimtab/a/b")
    refuses = Action("refuse", SERVICE, "it exists and is not ours", identity="cluster|b")
    changes = Changes((HISTORY,), (), Causes({REPOSITORY: Cause((HISTORY,)), SERVICE: Cause((HISTORY,))}))
    later = (Action("adopt", IMAGE, f"known after {JOB}"),)
    body = plan_body("a/b", "local", 1, Forecast(Plan((adopts, refuses), {}), (later,)), changes, set(), "f")
    assert (body["summary"]["adopt"], [row["does"] for row in body["actions"]]) == (2, ["adopt", "refuse", "adopt"])
    text = "\n".join(lines(body))
    assert "  = adopt    ecr.Repository/repository           trimtab/a/b" in text
    assert "because it is there, and differs in imageTagMutability" in text
    assert "imageTagMutability: MUTABLE -> IMMUTABLE" in text
    assert "because it exists and is not ours" in text


def test_nothing_to_do_is_said_in_a_line():
    body = plan_body("a/b", "local", 1, Forecast(Plan((), {}), ()), Changes(), set(), "f")
    assert (list(lines(body)), body["generation"]) == (["a/b in local: no changes"], 1)


def test_what_cannot_be_read_or_ended_badly_is_no_silence():
    standings = {
        IMAGE: Standing("unknown", "ci may not ecr:BatchGetImage", "AccessDenied"),
        JOB: Standing("broken", "exit code 1", "TrainingFailed"),
        DATA: Standing("ok"),
    }
    plan = Plan((), standings)
    body = plan_body("a/b", "local", 1, Forecast(plan, ()), Changes(), set(), "f", blocked_rows(plan))
    assert [(row["node"], row["is"]) for row in body["blocked"]] == [(IMAGE, "unknown"), (JOB, "broken")]
    text = "\n".join(lines(body))
    assert "no changes" not in text
    assert "ci may not ecr:BatchGetImage" in text
    assert "TrainingFailed" in text
    for key in body["blocked"][0]:
        assert f"`{key}`" in Path("docs/reference/plan.md").read_text(), key


def test_the_first_plan_is_of_generation_1():
    assert plan_body("a/b", "local", 0, Forecast(Plan((), {}), ()), Changes(), set(), "f")["generation"] == 1


def test_what_to_know_before_it_is_applied_is_said_last():
    plan = Forecast(Plan((Action("create", "ecr.Image/image", ""),), {}), ())
    body = plan_body("a/b", "local", 1, plan, Changes(), set(), "f", notes=["not compared with the champion"])
    assert list(lines(body))[-1] == "Note: not compared with the champion"


def test_a_policy_shows_the_statement_that_differs():
    drift = (Difference("policy", '{"a":[{"b":1}]}', '{"a":[{"b":2}]}'),)
    body = plan_body(
        "a/b", "l", 1, Forecast(Plan((Action("update", "iam.Role/x", "", drift),), {}), ()), Changes(), set(), "f"
    )
    assert body["actions"][0]["differences"] == [{"path": "policy.a[0].b", "have": 1, "want": 2}]


def test_a_line_is_cut_to_the_columns_that_are_set(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    assert clipped("0123456789") == "0123456789"
    assert clipped(click.style("01", fg="red") + "23456789ab") == click.style("01", fg="red") + "2345678…"
    monkeypatch.delenv("COLUMNS")
    assert clipped("x" * 500) == "x" * 500


def test_rows_are_cut_to_the_terminal_but_reasons_and_notes_are_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    drift = (Difference("policy", "a" * 40, "b" * 40),)
    plan = Plan((Action("update", "iam.Role/x", "", drift),), {})
    shown = list(lines(plan_body("a/b", "l", 1, Forecast(plan, ()), Changes(), set(), "f", notes=["n" * 40])))
    assert shown[-1] == f"Note: {'n' * 40}"
    assert all(len(click.unstyle(line)) <= 30 for line in shown[:-1])


@pytest.mark.parametrize(
    ("variables", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(monkeypatch, variables, is_coloured):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert (paint("x", "red") != "x") == is_coloured
