"""No call is made without a right that is declared: the source itself is searched."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session

from trimtab.cli.diagnosis.rights import rights_of
from trimtab.clients.denials import Asked, action_of
from trimtab.resources import KINDS
from trimtab.resources.beside import BESIDE

ROOT = Path("operator/trimtab")
OURS = {"trimtab", "http"}  # services of the engine's own: they ask nothing of the account
BY_A_QUEUES_POLICY = {"sqs:ReceiveMessage", "sqs:DeleteMessage"}


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def modules() -> Iterator[Path]:
    """What calls an account as the operator and the commands do; `doctor` says itself what it may not look at."""
    for path in sorted(ROOT.rglob("*.py")):
        if not {"local", "diagnosis"} & set(path.relative_to(ROOT).parts):
            yield path


def calls() -> Iterator[tuple[str, str, str]]:
    """(service, operation, where) of every Call; all that a module names, where it takes the operation from a variable."""
    for path in modules():
        tree = ast.parse(path.read_text())
        named = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Call"):
                continue
            service, operation = (
                each.value if isinstance(each, ast.Constant) else named.get(ast.unparse(each), "") for each in node.args[:2]
            )
            where = f"{path}:{node.lineno}"
            assert service, f"{where}: its service cannot be told"
            if service not in OURS:
                for each in [operation] if operation else sorted(texts & set(model(service).operation_names)):
                    yield service, each, where


def action(service: str, operation: str) -> str:
    http = model(service).operation_model(operation).http
    name = action_of(Asked(service, operation, {}, http.get("method", ""), http.get("requestUri", "")))
    return name.removesuffix("Batch")  # SQS has one right for both


def test_every_call_has_a_right_that_is_declared():
    declared = {right.action for right in rights_of(KINDS.values(), BESIDE)} | BY_A_QUEUES_POLICY
    found = list(calls())
    missing = {f"{action(*each[:2])} for {each[2]}" for each in found if action(*each[:2]) not in declared}
    assert missing == set()
    assert len({each[:2] for each in found}) > 100
    assert {"UploadPart", "CompleteMultipartUpload"} <= {operation for _, operation, _ in found}


def test_the_rights_on_a_queue_are_in_the_page_about_it():
    page = Path("docs/tasks/wake.md").read_text()
    assert [each for each in sorted(BY_A_QUEUES_POLICY) if each not in page] == []
