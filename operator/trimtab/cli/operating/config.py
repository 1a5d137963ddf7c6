"""The operator's configuration: a file, overridden by environment variables, overridden by flags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from trimtab.core.errors import UserError
from trimtab.model.load import load
from trimtab.model.mistakes import Fault, said
from trimtab.model.operator import OperatorConfig, OperatorSpec
from trimtab.model.positions import Positions


def configured(file: Path | None, folders: Sequence[Path], overrides: dict[str, Any]) -> tuple[OperatorSpec, Path]:
    """(what the operator is to do, the folder that paths in it are relative to).

    folders: sources beside those of the file. overrides: fields of the spec by their name in documents; None for those
    that are not given. Raises UserError, or an ExceptionGroup of them.
    """
    base, spec = _from_file(file) if file else (Path.cwd(), dict[str, Any]())
    given = {name: value for name, value in overrides.items() if value is not None}
    sources = [*spec.get("sources", ()), *({"folder": {"path": str(each.resolve())}} for each in folders)]
    if not sources:
        raise UserError(
            "there is nothing to watch",
            code="TT6007",
            fix="name a folder with --folder, or a configuration with --config",
        )
    logs = {**spec.get("logs", {}), **given.pop("logs", {})}
    value = {**spec, **given, "sources": sources, "logs": logs}
    try:
        return OperatorSpec.model_validate(value), base
    except ValidationError as error:  # of a flag or a variable: what a file says is checked as it is read
        faults, nowhere = cast(Sequence[Fault], error.errors()), Positions({}, {}, "trimtab run")
        raise ExceptionGroup("flags and variables", said(faults, value, OperatorSpec, nowhere)) from None


def _from_file(file: Path) -> tuple[Path, dict[str, Any]]:
    try:
        documents = load(file.read_bytes(), str(file))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}", code="TT2000", fix="name a file that exists") from error
    found = [each.value for each in documents if isinstance(each.value, OperatorConfig)]
    if len(found) != 1:
        raise UserError(
            f"{file} holds {len(found)} documents of kind OperatorConfig; it must hold one",
            code="TT6007",
            fix="see `trimtab explain OperatorConfig`",
        )
    return file.resolve().parent, found[0].spec.model_dump(by_alias=True, exclude_defaults=True)
