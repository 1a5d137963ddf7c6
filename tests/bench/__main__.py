"""`make bench`: every figure is a count or a ratio of one run, in build/bench.json. None is asserted."""

import json
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))


def main() -> None:
    from bench import cloud, decisions, passes, program, serving

    result: dict[str, object] = {}
    for name, work in (
        ("decisions", decisions.measure),
        ("program", program.measure),
        ("cloud", cloud.measure),
        ("passes", passes.measure),
        ("serving", lambda: serving.measure(3.0)),
    ):
        print(f"{name} ...", flush=True)
        result[name] = work()
        print(json.dumps(result[name], indent=1), flush=True)
    target = TOP / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {target.relative_to(TOP)}")


if __name__ == "__main__":
    main()
