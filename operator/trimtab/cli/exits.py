"""Exit codes, and what each says. `scripts/generate.py` writes docs/reference/exit-codes.md from this table."""

from collections.abc import Mapping

EXIT_CODES: Mapping[int, str] = {
    0: "Converged, or nothing to do; of `--no-wait`: begun.",
    1: "An error, or the declared generation ended Stalled: a gate was not met, a release was rolled back. Wrong usage too.",
    2: "There are differences. Of `plan`, `diff` and `drift` only.",
    3: "Timed out, or the service did not answer: the same command goes on from there.",
    4: "Refused by policy. Kept for deletions that a brake stops; no command gives it yet.",
    70: "A bug of trimtab's own; the message has an id to quote.",
    130: "Interrupted by Ctrl-C: the same command goes on from there.",
    143: "Ended by SIGTERM: the same command goes on from there.",
}
