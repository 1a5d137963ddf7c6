"""Live progress of stages: a table that redraws on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from trimtab.cli import interrupts
from trimtab.cli.output import is_terminal, talk
from trimtab.engine.converge import End
from trimtab.engine.remember import serving_revision
from trimtab.engine.view import Outcome
from trimtab.engine.wanted import Wanted
from trimtab.plan.drift import told
from trimtab.plan.fights import name_of
from trimtab.plan.status import stage_rows


class Progress:
    """Tells what changes between passes; use as a context manager."""

    def __init__(self, title: str = "", console: Any = None) -> None:
        self._title = title
        self._started = time.monotonic()
        self._said: dict[str, str] = {}
        self._watch = Watch()
        self._seen: tuple[Any, tuple[str, ...]] = ((), ())  # lines and troubles of the last pass
        self._console = console
        self._live: Any = None

    def __enter__(self) -> "Progress":
        if self._console is not None or is_terminal():
            from rich.console import Console
            from rich.live import Live

            # The screen is asked for anew at every refresh, so that the clocks go on between passes.
            console = self._console or Console(stderr=True, highlight=False)
            self._live = Live(console=console, refresh_per_second=4, get_renderable=self._shown)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def tell(self, outcome: Outcome) -> None:
        """Show where every stage stands after a pass. Raises KeyboardInterrupt when one was lost."""
        interrupts.check()
        self._repairs(outcome)
        if self._live:
            self._draw(outcome)
        elif outcome.held_by:
            self._say("lease", f"waiting: {outcome.held_by} is applying this deployment")
        else:
            lines = _stage_lines(outcome) if outcome.view else _deletion_lines(outcome)
            lines |= {f"trouble/{each.node}": f"! {each.node}: {each.because}" for each in outcome.troubles}
            for name, line in lines.items():
                self._say(name, line)

    def _repairs(self, outcome: Outcome) -> None:
        """What is adopted or put right now, each once, and who had changed it: it stays above the screen."""
        for action in outcome.plan.writes if outcome.wrote else ():
            if action.verb == "adopt":
                self._keep(f"adopted/{action.node}", f"adopted {action.node}: {action.identity}: {action.because}")
            elif action.is_drift:
                line = f"repaired {action.node}: {told(action.differences) or 'it was deleted outside'}"
                line += f"  (trimtab run leaves it alone: {action.despite})" if action.despite else ""
                self._keep(f"repaired/{action.node}", line)
        for each in outcome.named:
            line = f"changed by {name_of(each.who)}, {each.event} at {each.changed}: {each.node}"
            self._keep(f"named/{each.node}/{each.first}", line)

    def _keep(self, name: str, line: str) -> None:
        if self._live:
            self._live.console.print(line, markup=False)
        else:
            self._say(name, line)

    def _draw(self, outcome: Outcome) -> None:
        from trimtab.cli.stages import stage_lines, troubles_of

        if outcome.held_by:
            self._seen = ((), (f"waiting: {outcome.held_by} is applying this deployment",))
        else:
            lines = stage_lines(outcome)
            self._watch.see({each.name: each.is_ for each in lines}, time.monotonic())
            self._seen = (lines, troubles_of(outcome))
        self._live.refresh()

    def _shown(self) -> Any:
        """The screen as of now."""
        from trimtab.cli.stages import Screen, timed

        lines, troubles = self._seen
        now = time.monotonic()
        return Screen(self._title, now - self._started, timed(lines, self._watch.spent(now)), troubles)

    def _say(self, name: str, line: str) -> None:
        """A plain line, once for each change."""
        if self._said.get(name) != line:
            self._said[name] = line
            talk(f"[{time.monotonic() - self._started:6.1f}s] {line}")


class Watch:
    """How long each stage has been at work: from when it is first seen to act, to when it is as declared."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def see(self, standings: Mapping[str, str], now: float) -> None:
        """standings: "ok", "moving", ... by stage."""
        for name, is_ in standings.items():
            if is_ == "moving":
                self._begun.setdefault(name, now)
                self._ended.pop(name, None)
            elif is_ != "pending" and name in self._begun:
                self._ended.setdefault(name, now)

    def spent(self, now: float) -> dict[str, float]:
        """Seconds by stage, of those that were at work."""
        return {name: self._ended.get(name, now) - begun for name, begun in self._begun.items()}


def _stage_lines(outcome: Outcome) -> dict[str, str]:
    from trimtab.cli.stages import MARKS, counted

    assert outcome.view is not None
    lines: dict[str, str] = {}
    for row in stage_rows(outcome.view.graph, outcome.plan):
        standing = row.standing
        share = f" {counted(standing.progress)}" if standing.progress and standing.progress.total else ""
        detail = f"{row.node}: {standing.because}{share}" if row.node else "as declared"
        lines[row.stage] = f"{MARKS[standing.is_]} {row.stage:<12} {detail}"
    return lines


def _deletion_lines(outcome: Outcome) -> dict[str, str]:
    return {node: f"- {node.partition('#')[0]}: {standing.because}" for node, standing in outcome.plan.standings.items()}


def report_end(end: End, wanted: Wanted, url: str) -> int:
    """Say how it ended; returns the exit code."""
    name = f"{wanted.namespace}/{wanted.name}"
    outcome = end.outcome
    assert outcome is not None
    serving = serving_revision(outcome.ledger)
    if end.how == "converged" and outcome.ledger.holds:
        number = serving.number if serving else "?"
        talk(f"{name}: revision {number} is held and serves at {url}; `trimtab release {name}` ends that")
        return 0
    if end.how == "converged":
        revision = f" revision {serving.number}" if serving else ""
        talk(f"{name}: ready,{revision} serves at {url}")
        return 0
    if end.how == "suspended":
        by = outcome.ledger.suspended
        ends = f"since {by}; `trimtab resume {name}` ends that" if by else "as its document says"
        talk(f"{name}: suspended {ends}; nothing was done")
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
