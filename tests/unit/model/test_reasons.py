"""Reasons come from the closed list, and all of the list is explained."""

import ast
from collections.abc import Iterator
from pathlib import Path

from trimtab.model.reasons import REASONS

CALLS = {"Broken": 0, "Standing": 2, "Trouble": 1}


def raised() -> Iterator[str]:
    """Literals given as a reason: to Broken and Standing by place, to errors by name."""
    for path in Path("operator/trimtab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            for word in node.keywords:
                if word.arg == "reason" and isinstance(word.value, ast.Constant) and isinstance(word.value.value, str):
                    yield word.value.value
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            place = CALLS.get(name)
            if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
                yield str(node.args[place].value)


def test_every_reason_in_the_code_is_in_the_list():
    used = {reason for reason in raised() if reason and reason[0].isupper()}
    assert len(used) > 15
    assert used <= set(REASONS)
