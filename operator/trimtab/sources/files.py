"""Texts of files -> a Listing: what every source that has files shares. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from trimtab.core.errors import Position, UserError
from trimtab.engine.declared import Declared, Listing, Refused
from trimtab.engine.wanted import is_remote
from trimtab.model.deployment import ModelDeployment
from trimtab.model.load import Document, load
from trimtab.model.names import names_in
from trimtab.model.unbuilt import refuse_unbuilt
from trimtab.model.yaml_loader import MAX_BYTES

MOST_DOCUMENTS = 10_000
Place = Callable[[Document], tuple[Path | str, str]]  # (what its paths stand below, its mark)


def is_document(path: str) -> bool:
    """Whether a file is one to read: YAML, and neither hidden, an editor's own, nor the status that is written back."""
    name = path.rpartition("/")[2]
    return name.endswith((".yaml", ".yml")) and not any(part.startswith((".", "#", "~")) for part in path.split("/"))


def local_sources(document: Document) -> Iterator[str]:
    """The paths beside a document that it names."""
    assert isinstance(document.value, ModelDeployment)
    spec = document.value.spec
    for part in (spec.dataset, spec.code, spec.model):
        if part is not None and part.source is not None and not is_remote(part.source):
            yield part.source


def listing_of(
    texts: Mapping[str, bytes], place: Place, version: str = "", commit: str = "", gone: Collection[str] = ()
) -> Listing:
    """All documents of those files; a file with a mistake is refused whole.

    texts: by path in the source. place: where a document's paths stand, and its mark; it may raise UserError, which refuses
    the file. gone: paths that are missing, and may be on their way back: what stands elsewhere by now was moved. Those of
    other groups, and Environments, are skipped. One name in two files is a mistake of both.
    """
    _bound(len(texts), "files")  # before they are parsed: more than are remembered would be parsed anew at every look
    declared: dict[str, Declared] = {}
    refused: dict[str, Refused] = {}
    for path, text in sorted(texts.items(), key=lambda each: (each[0] in gone, each[0])):
        parsed = _parsed(path, text)
        if isinstance(parsed, Refused):
            refused[path] = parsed
            continue
        for document in parsed:
            if isinstance(document.value, ModelDeployment):
                try:
                    folder, mark = place(document)
                except UserError as error:
                    refused[path] = Refused(path, (error,), names_in(text, path))
                    continue
                each = Declared(document, folder, mark, commit)
                if each.key in declared:
                    if path in gone:
                        continue
                    _refuse_both(each, declared[each.key], refused)
                declared.setdefault(each.key, each)
    kept = {key: each for key, each in declared.items() if each.file not in refused}
    _bound(len(kept), "documents")
    return Listing(kept, tuple(refused.values()), version)


def _bound(count: int, what: str) -> None:
    if count > MOST_DOCUMENTS:
        raise UserError(
            f"{count:,} {what}; a source may have {MOST_DOCUMENTS:,}",
            code="TT2012", fix="divide it into several sources; what was read before stays in force meanwhile",
        )  # fmt: skip


@lru_cache(MOST_DOCUMENTS)
def _parsed(path: str, text: bytes) -> tuple[Document, ...] | Refused:
    """The documents of one file. A source is read every few seconds: what did not change is not checked again, and the
    same mistake stays the same value, which is told once."""
    try:
        documents = load(text, path, skip_foreign=True)
        mistakes = [each for document in documents for each in refuse_unbuilt(document)]
    except ExceptionGroup as group:
        documents, mistakes = (), [each for each in group.exceptions if isinstance(each, UserError)]
    return Refused(path, tuple(mistakes), names_in(text, path)) if mistakes else documents


def too_large(path: str, size: int) -> Refused:
    """A file that is not even read."""
    mistake = UserError(
        f"the file has {size:,} bytes; at most {MAX_BYTES:,} are read",
        position=Position(path), code="TT1004", reason="InvalidYAML", fix="divide it into several files",
    )  # fmt: skip
    return Refused(path, (mistake,))


def _refuse_both(one: Declared, other: Declared, refused: dict[str, Refused]) -> None:
    for each, first in ((one, other), (other, one)):
        mistake = UserError(
            f"{each.key} stands in {first.file} too",
            position=each.document.positions.of("metadata.name"),
            code="TT3011", reason="DeclaredTwice", fix="remove it from one of the two",
        )  # fmt: skip
        known = refused.get(each.file)
        keys = (known.keys if known else frozenset[str]()) | {each.key}
        refused[each.file] = Refused(each.file, (*(known.mistakes if known else ()), mistake), keys)
