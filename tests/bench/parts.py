"""The parts of the bench, each a module of that name with a `measure()`; and the goals that figures are held against."""

import importlib
import time
from collections.abc import Mapping
from typing import Any

PARTS = (
    "decisions", "queue", "program", "cloud", "edits", "passes", "sweeps", "paced", "drift", "rollout", "commits", "serving",
)  # fmt: skip


def measured(part: str) -> dict[str, Any]:
    """Its figures, and how long they took. In a process of its own: what one part imports is not weighed by another."""
    started = time.monotonic()
    found: Mapping[str, Any] = importlib.import_module(f"bench.{part}").measure()
    return {**found, "took_s": round(time.monotonic() - started)}


def goals(result: Mapping[str, Any]) -> list[str]:
    """A line for each goal that a part is held against; one that was missed says why, where that is known."""
    return [
        f"{'met   ' if goal['met'] else 'MISSED'} {part} {name}: {goal['value']} ({bound.replace('_', ' ')} {goal[bound]})"
        + ("" if goal["met"] or not goal.get("because") else f": {goal['because']}")
        for part, row in result.items()
        for name, goal in row.get("goals", {}).items()
        for bound in ("at_least", "at_most")
        if bound in goal
    ]
