"""The program `trimtab-container`: train, evaluate, serve, check. Each command imports what it needs and no more."""

import sys
from collections.abc import Sequence

import trimtab_container

USAGE = """usage: trimtab-container train | evaluate | serve | check [--code DIR] [--model DIR] [--help]
  train      run the training script under SageMaker's contract
  evaluate   run the evaluation script on a model, in a processing job
  serve      answer /ping and /invocations
  check      say what is wrong with a code or model folder, before any deployment
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run a command; returns the exit code."""
    command = arguments[0] if arguments else ""
    if command == "--version":
        print(f"trimtab-container {trimtab_container.__version__}")
        return 0
    if command == "train":
        from trimtab_container import train

        return train.main()
    if command == "evaluate":
        from trimtab_container import evaluate

        return evaluate.main()
    if command == "serve":
        from trimtab_container import serve

        return serve.main()
    if command == "check":
        from trimtab_container import check

        return check.main(arguments[1:])
    print(USAGE, end="", file=sys.stdout if command in ("-h", "--help") else sys.stderr)
    return 0 if command in ("-h", "--help") else 2


if __name__ == "__main__":
    main()
