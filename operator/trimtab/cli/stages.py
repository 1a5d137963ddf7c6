"""What a terminal shows while an apply goes on: one line a stage, in words, that fits the width. Values in, text out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from trimtab.core.kind import Progress
from trimtab.engine.remember import TRAINING
from trimtab.engine.view import Outcome
from trimtab.graph.node import Graph
from trimtab.plan.plan import Standing
from trimtab.plan.snapshot import Found
from trimtab.plan.status import stage_rows

MARKS = {"ok": "✓", "moving": "…", "pending": "·", "broken": "✗", "refused": "✗", "unknown": "?"}
_STYLES = {
    "ok": "green",
    "moving": "yellow",
    "pending": "bright_black",
    "broken": "red",
    "refused": "red",
    "unknown": "magenta",
}
_TEXT_STYLES = {"ok": "bright_black", "pending": "bright_black", "broken": "red", "refused": "red", "unknown": "magenta"}
_BAR = 12  # cells: 80 columns hold an epoch and a metric beside it; narrow terminals have none
_BAR_FROM = 72  # columns
_METRICS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One stage, or one thing that is being deleted."""

    name: str
    is_: str  # as a standing: ok, moving, pending, broken, refused, unknown
    text: str
    share: float | None = None  # 0 to 1, where a total is known


@dataclass(frozen=True, slots=True)
class Timed:
    """A line with how long its stage has been at work; None: it has not begun, or was done before."""

    line: Line
    spent_s: float | None


@dataclass(frozen=True, slots=True)
class Screen:
    """The whole of what is shown; it renders itself to any width and height."""

    title: str
    spent_s: float
    rows: Sequence[Timed]
    troubles: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        yield _ends(Text.assemble((self.title, "bold")), clock(self.spent_s), width)
        room = max(1, console.height - 2 - min(len(self.troubles), 3))
        rows = _fitting(self.rows, room)
        column = max((len(row.line.name) for row in rows), default=0) + 2
        for row in rows:
            yield _row(row, column, width)
        for trouble in list(self.troubles)[-3:]:
            yield _cut(Text(f" ! {' '.join(trouble.split())}", style="red"), width)


def stage_lines(outcome: Outcome) -> tuple[Line, ...]:
    """One line a stage of a pass; for a deletion, one for each thing that is left."""
    if outcome.view is None:
        return tuple(_leaving(node, each) for node, each in outcome.plan.standings.items())
    graph, seen = outcome.view.graph, outcome.view.snapshot.seen.get(TRAINING)
    metrics: Mapping[str, float] = seen.observed.last.metrics if isinstance(seen, Found) else dict[str, float]()
    return tuple(
        Line(row.stage, row.standing.is_, _words(row.node, row.standing, graph, metrics), share(row.standing.progress))
        for row in stage_rows(graph, outcome.plan)
    )


def _leaving(node: str, standing: Standing) -> Line:
    """node: "<kind>/<role>#<identity>"; of the identity, the end tells one from another."""
    kind, _, identity = node.partition("#")
    return Line(label(kind), standing.is_, f"{re.split('[|/]', identity)[-1]}: {standing.because or 'going'}")


def label(node: str) -> str:
    """ "sagemaker.TrainingJob/training" -> "training job"."""
    kind = node.partition("/")[0].rpartition(".")[2]
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", kind)).lower()


def share(progress: Progress | None) -> float | None:
    return min(1.0, progress.done / progress.total) if progress and progress.total else None


def counted(progress: Progress) -> str:
    """ "3.1 of 18.8 MB", "epoch 4 of 8", "1 of 2 tasks healthy"."""
    done, total = progress.done, progress.total
    if progress.unit == "bytes":
        unit, size = next(((unit, size) for unit, size in _SIZES if total >= size), ("B", 1))
        digits = 0 if size == 1 else 1
        return f"{done / size:.{digits}f} of {total / size:.{digits}f} {unit}"
    if progress.unit == "epochs":
        return f"epoch {done} of {total}"
    return f"{done} of {total} {progress.unit}" + (" healthy" if progress.unit == "tasks" else "")


def clock(seconds: float) -> str:
    """ "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


_SIZES = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000))


def _words(node: str, standing: Standing, graph: Graph, metrics: Mapping[str, float]) -> str:
    if standing.is_ok:
        return "as declared"
    if standing.is_ == "pending":
        return _pending(node, standing, graph)
    if standing.is_ in ("broken", "refused", "unknown"):
        return f"{label(node)}: {standing.because}"
    progress = standing.progress
    if progress and progress.total:
        note = f"{progress.note}, " if progress.unit == "bytes" and progress.note else ""
        return f"{note}{counted(progress)}{_metrics(metrics) if node == TRAINING else ''}"
    if node == TRAINING:
        return f"{standing.because.partition(':')[0].lower() or 'running'}{_metrics(metrics)}"
    return f"{label(node)}: {standing.because}"


def _pending(node: str, standing: Standing, graph: Graph) -> str:
    after = graph.nodes.get(standing.after or standing.because.removeprefix("known after "))
    own = graph.nodes[node].stage if node in graph.nodes else ""
    if after is None:
        return f"{label(node)} {standing.because}"
    return f"after {after.stage}" if after.stage != own else f"{label(node)} after {label(after.id)}"


def _metrics(metrics: Mapping[str, float]) -> str:
    shown = [f"{name} {value:.4g}" for name, value in sorted(metrics.items()) if name not in ("epoch", "epochs")]
    return f", {', '.join(shown[:_METRICS])}" if shown else ""


def _row(row: Timed, column: int, width: int) -> Text:
    line = row.line
    left = Text.assemble((f" {MARKS[line.is_]} ", _STYLES[line.is_]), f"{line.name:<{column}}")
    if line.share is not None and line.is_ == "moving" and width >= _BAR_FROM:
        filled = round(line.share * _BAR)
        left.append("━" * filled, "green").append("─" * (_BAR - filled), "bright_black").append(f" {line.share:4.0%}  ")
    left.append(" ".join(line.text.split()), _TEXT_STYLES.get(line.is_))
    return _ends(left, "" if row.spent_s is None else clock(row.spent_s), width)


def _fitting(rows: Sequence[Timed], room: int) -> list[Timed]:
    """As many as there is room for: what is done goes first, then what waits."""
    kept = list(rows)
    for dispensable in ("ok", "pending", "moving"):
        for row in [each for each in kept if each.line.is_ == dispensable]:
            if len(kept) > room:
                kept.remove(row)
    return kept[:room]


def _ends(left: Text, right: str, width: int) -> Text:
    """Left and right on one line that never wraps; the left is cut where they meet."""
    room = width - len(right) - (2 if right else 0)
    left = _cut(left, room)
    return left.append(" " * (width - left.cell_len - len(right))).append(right, "bright_black") if right else left


def _cut(text: Text, width: int) -> Text:
    text.truncate(max(1, width), overflow="ellipsis")
    text.no_wrap = True
    return text


def troubles_of(outcome: Outcome) -> tuple[str, ...]:
    return tuple(f"{label(each.node)}: {each.because}" for each in outcome.troubles)


def timed(lines: Iterable[Line], spent: Mapping[str, Any]) -> tuple[Timed, ...]:
    """spent: seconds by name, of what has begun."""
    return tuple(Timed(each, spent.get(each.name)) for each in lines)
