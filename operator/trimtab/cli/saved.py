"""The file of a saved plan: written by `plan --out`, told from a document by what it holds, refused when it was edited.

It holds no secret: a document has none, keys are values of API Gateway alone, and live fields are those that are compared.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from trimtab.cli.planned import FORMAT
from trimtab.core.canonical import digest_of
from trimtab.core.errors import UserError
from trimtab.engine.approval import Approval

_KEPT = ("trimtab", "document", "contents", "environment", "ledger", "pins", "world")


def write(path: Path, files: tuple[str, ...], body: Mapping[str, Any], stood_on: Mapping[str, Any]) -> None:
    """Write a plan. files: as given to `plan`; they are kept relative to the plan, so that both can move together."""
    if "-" in files:
        raise UserError(
            "a plan of standard input cannot be saved: apply reads the document again",
            code="TT6004", reason="InvalidPlan", fix="write the document to a file",
        )  # fmt: skip
    folder = path.resolve().parent
    named = [Path(os.path.relpath(Path(file).resolve(), folder)).as_posix() for file in files]
    plan = {**body, "files": named, "stoodOn": dict(stood_on)}
    try:
        path.write_text(json.dumps({**plan, "digest": digest_of(plan)}, indent=2) + "\n")
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}", code="TT2000", reason="InvalidPlan", fix="name another file"
        ) from error


def saved_in(files: tuple[str, ...]) -> tuple[Approval, tuple[str, ...]] | None:
    """The plan that the one file holds, and the files of its document; None when it is no plan. Raises UserError."""
    path = Path(files[0])
    try:
        is_file = len(files) == 1 and path.is_file()
    except (OSError, ValueError):  # a name that no file can have: told when the document is read
        is_file = False
    if not is_file:
        return None
    plan = _parsed(path)
    if plan is None:
        return None
    _check(path, plan)
    kept = cast(Mapping[str, Any], plan["stoodOn"])
    return Approval({part: kept[part] for part in _KEPT}), tuple(str(path.parent / each) for each in plan["files"])


def _parsed(path: Path) -> dict[str, Any] | None:
    """What a file holds, if it says that it is a plan."""
    try:
        text = path.read_text()
        value: Any = json.loads(text) if text.lstrip().startswith("{") else None
    except (OSError, ValueError):
        return None  # whatever it is, the loader of documents says so better
    if not isinstance(value, dict):
        return None
    plan = cast(dict[str, Any], value)
    return plan if str(plan.get("format", "")).startswith("trimtab.plan/") else None


def _check(path: Path, plan: dict[str, Any]) -> None:
    if plan["format"] != FORMAT:
        raise _bad(path, f"is a {plan['format']}, and this trimtab reads {FORMAT}", "plan again with this trimtab")
    if "stoodOn" not in plan:
        raise _bad(path, "was printed by `plan -o json` and not saved", "write it with `trimtab plan FILES --out FILE`")
    digest = plan.get("digest")
    if digest != digest_of({key: value for key, value in plan.items() if key != "digest"}):
        raise _bad(path, "was edited, or is not whole", "edit the document, and plan again")


def _bad(path: Path, message: str, fix: str) -> UserError:
    return UserError(f"the plan {path} {message}", code="TT6004", reason="InvalidPlan", fix=fix)
