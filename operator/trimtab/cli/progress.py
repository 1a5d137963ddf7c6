"""Live progress of stages: a table that redraws on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Any

from trimtab.cli import interrupts
from trimtab.cli.output import is_terminal, talk
from trimtab.engine.converge import End
from trimtab.engine.reconcile import Outcome
from trimtab.engine.remember import serving_revision
from trimtab.engine.wanted import Wanted
from trimtab.plan.status import stage_rows

_MARKS = {"ok": "✓", "moving": "…", "pending": "·", "broken": "✗", "refused": "✗", "unknown": "?"}


class Progress:
    """Tells what changes between passes; use as a context manager."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._said: dict[str, str] = {}
        self._live: Any = None

    def __enter__(self) -> "Progress":
        if is_terminal():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=8, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def tell(self, outcome: Outcome) -> None:
        """Show where every stage stands after a pass. Raises KeyboardInterrupt when one was lost."""
        interrupts.check()
        if outcome.held_by:
            self._say("lease", f"waiting: {outcome.held_by} is applying this deployment")
            return
        lines = _stage_lines(outcome) if outcome.view else _deletion_lines(outcome)
        lines |= {f"trouble/{each.node}": f"! {each.node}: {each.because}" for each in outcome.troubles}
        if self._live:
            self._live.update("\n".join((*lines.values(), f"  {time.monotonic() - self._started:.0f} s")))
        else:
            for name, line in lines.items():
                self._say(name, line)

    def _say(self, name: str, line: str) -> None:
        """A plain line, once for each change."""
        if self._said.get(name) != line:
            self._said[name] = line
            talk(f"[{time.monotonic() - self._started:6.1f}s] {line}")


def _stage_lines(outcome: Outcome) -> dict[str, str]:
    assert outcome.view is not None
    lines: dict[str, str] = {}
    for row in stage_rows(outcome.view.graph, outcome.plan):
        standing = row.standing
        share = ""
        if standing.progress and standing.progress.total:
            share = f" {standing.progress.done}/{standing.progress.total} {standing.progress.unit}"
        detail = f"{row.node}: {standing.because}{share}" if row.node else "as declared"
        lines[row.stage] = f"{_MARKS[standing.is_]} {row.stage:<12} {detail}"
    return lines


def _deletion_lines(outcome: Outcome) -> dict[str, str]:
    return {node: f"- {node.partition('#')[0]}: {standing.because}" for node, standing in outcome.plan.standings.items()}


def report_end(end: End, wanted: Wanted, url: str) -> int:
    """Say how it ended; returns the exit code."""
    name = f"{wanted.namespace}/{wanted.name}"
    outcome = end.outcome
    assert outcome is not None
    serving = serving_revision(outcome.ledger)
    if end.how == "converged":
        revision = f" revision {serving.number}" if serving else ""
        talk(f"{name}: ready,{revision} serves at {url}")
        return 0
    if end.how == "timeout":
        talk(f"{name}: timed out waiting; what runs goes on, and the next apply continues")
        return 3
    for node, standing in outcome.plan.standings.items():
        if standing.is_ in ("broken", "refused"):
            talk(f"{name}: stalled, {standing.reason}: {node}: {standing.because}")
    for each in outcome.troubles:
        talk(f"{name}: {each.node}: {each.because}")
    if serving:
        talk(f"{name}: revision {serving.number} keeps serving")
    return 1
