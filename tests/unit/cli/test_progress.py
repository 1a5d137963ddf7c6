"""What is shown while an apply goes on: a screen that fits the terminal, plain lines elsewhere."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import samples_compile as samples
from trimtab.cli import progress as module
from trimtab.cli.progress import Progress, Watch
from trimtab.cli.stages import Line, Screen, Timed, clock, counted, label, stage_lines
from trimtab.core.kind import Progress as Share
from trimtab.engine.remember import TRAINING
from trimtab.plan.plan import Plan, Standing
from trimtab.plan.snapshot import Found

ROWS = (
    Timed(Line("environment", "ok", "as declared"), None),
    Timed(Line("dataset", "moving", "uploading, 3.1 of 18.8 MB", 0.165), 4.2),
    Timed(Line("training", "moving", "epoch 14 of 30, train:loss 0.08213", 0.5), 67),
    Timed(Line("evaluation", "pending", "after training"), None),
    Timed(Line("release", "broken", "service: " + "a reason that is too long for any line " * 4), 3700),
)
SCREEN = Screen("vision/digits in local", 125, ROWS, ("listener rule: [bold]denied[/bold]\nby a policy",))

SHOWN = """\
vision/digits in local                                                      2:05
 ✓ environment  as declared
 … dataset      ━━──────────  16%  uploading, 3.1 of 18.8 MB                0:04
 … training     ━━━━━━──────  50%  epoch 14 of 30, train:loss 0.08213       1:07
 · evaluation   after training
 ✗ release      service: a reason that is too long for any line a reas…  1:01:40
 ! listener rule: [bold]denied[/bold] by a policy
"""


def drawn(screen: Screen, width: int, height: int = 24) -> str:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(screen)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_screen_of_80_columns_reads_so():
    assert drawn(SCREEN, 80) == SHOWN


@pytest.mark.parametrize(("width", "height"), [(20, 5), (40, 4), (80, 24), (80, 4), (120, 40), (300, 10)])
def test_a_screen_never_wraps_or_scrolls(width, height):
    lines = drawn(SCREEN, width, height).splitlines()
    assert max(len(line) for line in lines) <= width
    assert len(lines) < height


def test_a_low_terminal_keeps_what_needs_a_person():
    shown = drawn(SCREEN, 80, 5)
    assert "✗ release" in shown
    assert "environment" not in shown


def test_a_narrow_terminal_has_no_bar():
    assert "━" not in drawn(SCREEN, 60)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Share(3_100_000, 18_800_000, "bytes"), "3.1 of 18.8 MB"),
        (Share(10, 999, "bytes"), "10 of 999 B"),
        (Share(4, 8, "epochs"), "epoch 4 of 8"),
        (Share(1, 2, "tasks"), "1 of 2 tasks healthy"),
    ],
)
def test_long_work_is_told_in_its_own_units(share, text):
    assert counted(share) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0:00"), (67, "1:07"), (3725, "1:02:05")])
def test_time_reads_as_on_a_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (TRAINING, "training job"),
        ("apigatewayv2.VpcLink/link", "vpc link"),
        ("iam.Role/task", "role"),
        ("apigateway.RestApi/api", "rest api"),
    ],
)
def test_a_node_is_named_in_words(node, text):
    assert label(node) == text


def outcome(standings: dict[str, Standing], metrics: dict[str, float] | None = None) -> Any:
    graph = samples.graph()
    all_of = {id: standings.get(id, Standing("ok")) for id in graph.nodes}
    seen = {TRAINING: Found(SimpleNamespace(last=SimpleNamespace(metrics=metrics or {})))}
    view = SimpleNamespace(graph=graph, snapshot=SimpleNamespace(seen=seen))
    return SimpleNamespace(view=view, plan=Plan((), all_of), troubles=(), held_by="", wrote=False, named=())


def texts(standings: dict[str, Standing], metrics: dict[str, float] | None = None) -> dict[str, str]:
    return {each.name: each.text for each in stage_lines(outcome(standings, metrics))}


def test_training_shows_epoch_and_metrics():
    moving = Standing("moving", "Training: (epoch 4)", progress=Share(4, 8, "epochs"))
    assert (
        texts({TRAINING: moving}, {"epoch": 4, "test:accuracy": 0.97123})["training"] == "epoch 4 of 8, test:accuracy 0.9712"
    )


def test_training_without_an_epoch_shows_what_the_platform_says():
    moving = Standing("moving", "Downloading: fetching", progress=Share(0, 0, "epochs"))
    assert texts({TRAINING: moving})["training"] == "downloading"


def test_what_waits_names_the_stage_it_waits_for():
    shown = texts({"ecr.Image/image": Standing("pending", f"known after {TRAINING}", after=TRAINING)})
    assert shown["image"] == "after training"


def test_a_stage_is_timed_from_its_first_move_to_its_end():
    watch = Watch()
    watch.see({"a": "pending", "b": "moving"}, 10)
    watch.see({"a": "moving", "b": "ok"}, 15)
    assert watch.spent(20) == {"a": 5, "b": 5}


def test_a_terminal_gets_the_screen_and_no_plain_lines(capsys):
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True, color_system=None)
    with Progress("vision/digits in local", console) as shown:
        shown.tell(outcome({TRAINING: Standing("moving", "x", progress=Share(4, 8, "epochs"))}))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "epoch 4 of 8" in text
    assert capsys.readouterr().err == ""


def test_elsewhere_a_plain_line_is_said_once_for_each_change(capsys, monkeypatch):
    monkeypatch.setattr(module, "is_terminal", lambda: False)
    with Progress("x") as shown:
        for done in (1, 1, 2):
            shown.tell(outcome({TRAINING: Standing("moving", "Training", progress=Share(done, 8, "epochs"))}))
    told = [line for line in capsys.readouterr().err.splitlines() if "training" in line]
    assert [line.partition("] ")[2] for line in told] == [
        "… training     sagemaker.TrainingJob/training: Training epoch 1 of 8",
        "… training     sagemaker.TrainingJob/training: Training epoch 2 of 8",
    ]
    assert "\x1b" not in "".join(told)
