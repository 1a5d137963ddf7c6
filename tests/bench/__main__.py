"""`make bench`: every figure is a count or a ratio of one run, in build/bench.json. None is asserted.

Names of parts run these alone, and print them: only a whole run is written.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "scripts")]


def main() -> None:
    from bench.parts import PARTS, goals, measured

    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    chosen = parser.parse_args().parts
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    result: dict[str, Any] = {}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        for part in chosen or PARTS:
            print(f"{part} ...", flush=True)
            result[part] = processes.submit(measured, part).result()
            print(json.dumps(result[part], indent=1), flush=True)
    for line in goals(result):
        print(line)
    if not chosen:
        target = TOP / "build" / "bench.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {target.relative_to(TOP)}")


if __name__ == "__main__":
    main()
