"""What a command says beforehand where its effect will not last: the document's source says otherwise with its next reading.

A rollback is not among these: what a person holds, no source undoes before it says something new.
"""

from pathlib import Path
from typing import Any

from trimtab.cli.output import talk


def warn_of_apply(ledger: Any, wanted: Any, file: str) -> None:
    """ledger: None where there is nothing yet. file: of the document that is applied; "-" for stdin."""
    if ledger is None or ledger.retained or ledger.spec_digest == wanted.spec_digest:
        return
    if ledger.provenance and not _is_its_own(ledger.provenance, file):
        talk(f"warning: {_declared(ledger)} says otherwise: its next reading undoes this; change it there")


def warn_of_delete(ledger: Any, *, stays: bool) -> None:
    """stays: it is let go of, rather than deleted."""
    if ledger.provenance:
        again = "takes it up again" if stays else "makes it again"
        talk(f"warning: {_declared(ledger)} declares it: its next reading {again}; remove it there")


def _declared(ledger: Any) -> str:
    origin = ledger.provenance
    return f"{origin.source} ({origin.file}), where {ledger.namespace}/{ledger.name} comes from,"


def _is_its_own(origin: Any, file: str) -> bool:
    """Whether this is the very file that the source reads."""
    root = Path(str(origin.source).removeprefix("folder:"))
    return str(origin.source).startswith("folder:") and (root / origin.file).resolve() == Path(file).resolve()
