"""CPU time of compile, diff and plan for each document, at 1, 100 and 1,000 documents: pure functions, no I/O."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from samples_compile import DOCUMENT, ENVIRONMENT, FACTS, facts_with_model, loaded
from trimtab.compile.graph import compile_graph
from trimtab.plan.plan import History, plan
from trimtab.plan.snapshot import Absent, Snapshot
from trimtab.resources import KINDS

COST_MS, GROWTH = 1.0, 12.0  # goal G3
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def measure() -> dict[str, Any]:
    """Milliseconds of CPU a document, how linear it is, and the goals that they are held against."""
    environment, facts = loaded(ENVIRONMENT), facts_with_model(FACTS)
    documents = [loaded({**DOCUMENT, "metadata": {"name": f"d{number}", "namespace": "bench"}}) for number in range(1000)]

    def spent_ms(count: int) -> float:
        started = time.process_time()
        for number, document in enumerate(documents[:count]):
            graph = compile_graph(document, environment, replace(facts, uid=f"{number:020x}"))
            snapshot = Snapshot(NOW, {node.id: Absent() for node in graph})
            plan(graph, snapshot, History(facts.uid, facts.environment_uid), KINDS)
        return (time.process_time() - started) * 1000

    spent_ms(10)
    times = {count: spent_ms(count) for count in (1, 100, 1000)}
    cost_ms, growth = times[1000] / 1000, times[1000] / times[100]
    return {
        **{f"ms_a_document_at_{count}": round(spent / count, 3) for count, spent in times.items()},
        "time_1000_to_100": round(growth, 2),
        "goals": {
            "ms_a_document_at_1000": {"value": round(cost_ms, 3), "at_most": COST_MS, "met": cost_ms <= COST_MS},
            "time_1000_to_100": {"value": round(growth, 2), "at_most": GROWTH, "met": growth <= GROWTH},
        },
    }
