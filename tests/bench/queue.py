"""The operator's work queue: add, take and done a second, and what a key that always fails costs the others."""

import math
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any

from trimtab.engine.queue import Priority, WorkQueue

KEYS, LATER = 20_000, 1_000
ROUNDS = 5
OTHERS, PAUSE_S = 2_000, 0.0005
RATE, DELAY_MS = 100_000, 1.0  # goal G8


def measure() -> dict[str, Any]:
    """Turns a second (add, take, done), with and without keys that are due later; the delay by a key that always fails."""
    rates = {later: max(_turns_a_second(later) for _ in range(ROUNDS)) for later in (0, LATER)}
    waits = [{poison: _waits_ms(poison=poison) for poison in (False, True)} for _ in range(ROUNDS)]
    means = {poison: statistics.median(statistics.mean(each[poison]) for each in waits) for poison in (False, True)}
    delay_ms = means[True] - means[False]
    slowest = round(min(rates.values()))
    return {
        "turns_a_second": round(rates[0]),
        f"turns_a_second_with_{LATER}_due_later": round(rates[LATER]),
        "mean_wait_ms": round(means[False], 3),
        "mean_wait_ms_beside_poison": round(means[True], 3),
        "p99_wait_ms": round(statistics.median(_p99(each[False]) for each in waits), 3),
        "p99_wait_ms_beside_poison": round(statistics.median(_p99(each[True]) for each in waits), 3),
        "goals": {
            "turns_a_second": {"value": slowest, "at_least": RATE, "met": slowest >= RATE},
            "delay_by_poison_ms": {"value": round(delay_ms, 3), "at_most": DELAY_MS, "met": delay_ms <= DELAY_MS},
        },
    }


def _turns_a_second(later: int) -> float:
    queue = WorkQueue(time.monotonic)
    for number in range(later):
        queue.add_after(f"later-{number}", 3600.0)
    names = [f"namespace/deployment-{number}" for number in range(KEYS)]
    started = time.perf_counter()
    for name in names:
        queue.add(name, Priority.SWEEP)
    for _ in names:
        taken = queue.take()
        assert taken
        queue.done(taken.key)
    return KEYS / (time.perf_counter() - started)


def _waits_ms(*, poison: bool) -> list[float]:
    """How long each of the others was due before it was taken. The poison fails at once, and is asked for again at once."""
    queue, waits = WorkQueue(time.monotonic), list[float]()

    def work() -> None:
        while (taken := queue.take()) is not None:
            if taken.key == "poison":
                queue.add(taken.key, Priority.SWEEP)
                time.sleep(0)  # a pass that fails lets others run, as one that makes calls does
            else:
                waits.append(taken.waited_s * 1000)
            queue.done(taken.key)

    if poison:
        queue.add("poison", Priority.SWEEP)
    worker = threading.Thread(target=work)
    worker.start()
    for number in range(OTHERS):
        queue.add(f"namespace/deployment-{number}", Priority.SWEEP)
        time.sleep(PAUSE_S)
    while len(waits) < OTHERS:
        time.sleep(PAUSE_S)
    queue.close()
    worker.join()
    return waits


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]
