"""CPU time of compile, diff and plan for each document, at 1, 100 and 1,000 documents: pure functions, no I/O."""

import time
from dataclasses import replace
from datetime import UTC, datetime

from samples_compile import DOCUMENT, ENVIRONMENT, FACTS, facts_with_model, loaded
from trimtab.compile.graph import compile_graph
from trimtab.plan.plan import History, plan
from trimtab.plan.snapshot import Absent, Snapshot
from trimtab.resources import KINDS

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def measure() -> dict[str, float]:
    """Milliseconds of CPU a document, and how linear it is."""
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
    return {
        **{f"ms_a_document_at_{count}": round(spent / count, 3) for count, spent in times.items()},
        "time_1000_to_100": round(times[1000] / times[100], 2),
    }
