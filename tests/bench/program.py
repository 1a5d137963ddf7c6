"""Start-up of the command line, beside Python's own: medians of seven runs, alternating."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7


def measure() -> dict[str, float]:
    """Milliseconds, and the ratio to `python -c pass`."""
    trimtab = str(Path(sys.executable).parent / "trimtab")
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "version": [trimtab, "--version"],
        "help": [trimtab, "--help"],
        "explain": [trimtab, "explain", "spec.serving.replicas"],
    }
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            spent[name].append((time.perf_counter() - started) * 1000)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    ratios = {f"{name}_to_python": round(medians[name] / medians["python"], 1) for name in medians if name != "python"}
    return {**{f"{name}_ms": round(median, 1) for name, median in medians.items()}, **ratios}
