"""A document that is resolved as far as its own folder goes: what it declares, and its content by digest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from trimtab.compile.facts import Digests
from trimtab.compile.select import selected
from trimtab.core.canonical import digest_of
from trimtab.core.errors import Position, UserError
from trimtab.engine.contents import Content, Count, DigestCache, check_folder, read_folder
from trimtab.engine.given import SOURCE, check_folder_of_model, check_model, own_base
from trimtab.engine.ledger import Ledger, Provenance
from trimtab.engine.transfers import Report
from trimtab.model.deployment import ModelDeployment
from trimtab.model.load import Document
from trimtab.model.training import ModelFrom
from trimtab_container.digests import Entry


class Elsewhere(Protocol):
    """What a document may name beyond its own folder."""

    def tree(self, uri: str, position: Position, count: Count) -> Content:
        """The objects below "s3://bucket/prefix". Raises UserError, Failure, what `count` does."""
        ...

    def revision(self, given: ModelFrom, position: Position) -> Content:
        """The model of a revision, with its evaluation in `record`. Raises UserError, Failure."""
        ...

    def read(self, content: Content, entry: Entry) -> bytes:
        """The bytes of one of its files. Raises UserError when they are others by now, Failure."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become true. Without `contents` (status and wait know the ledger alone) nothing can be sent."""

    namespace: str
    name: str
    deployment: ModelDeployment
    declared: Mapping[str, Any]  # canonical spec: as declared, defaults left out
    digests: Digests
    contents: Mapping[str, Content] = field(default_factory=dict[str, Content])  # as Digests names them
    provenance: Provenance | None = None  # None where a person applies it

    @property
    def spec_digest(self) -> str:
        """Changes with the document's meaning or its content, never with its spelling."""
        digests = self.digests
        content = [digests.dataset, digests.training, digests.serving, digests.dockerfile]
        content += [each for each in (digests.model, digests.evaluation) if each]
        return digest_of({"spec": self.declared, "content": content})


def check_paths(document: Document, folder: Path) -> list[UserError]:
    """Check what the document says of its folder: sources are folders inside, the entry point is there. Only a Dockerfile
    that a model brings, and what it names, is read."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    found: list[UserError] = []
    for field_path, source in _sources(deployment):
        if is_remote(source):
            continue
        if field_path == SOURCE:
            found += check_folder_of_model(document, folder)
            continue
        try:
            check_folder(folder / source, folder, document.positions.of(field_path))
        except UserError as error:
            found.append(error)
    found += _check_file(document, folder, "spec.training.entryPoint", _entry_point(deployment))
    found += _check_file(document, folder, "spec.evaluation.entryPoint", _evaluation(deployment))
    found += _check_file(document, folder, "spec.image.dockerfile", _dockerfile(deployment))
    return found


def resolve(
    document: Document,
    folder: Path | str,
    *,
    cache: DigestCache | None = None,
    report: Report | None = None,
    elsewhere: Elsewhere,
) -> Wanted:
    """Digest dataset, code and model. Raises UserError, or an ExceptionGroup of them; Failure for what is not beside it.

    folder: what relative paths stand below; "s3://bucket/prefix" for a document that came from there. report: is told how
    far it is; what it raises ends it. What was hashed until then is in the cache, however it ends.
    """
    try:
        return _resolved(document, folder, cache, report, elsewhere)
    finally:
        if cache:
            cache.save()


def _resolved(
    document: Document, folder: Path | str, cache: DigestCache | None, report: Report | None, elsewhere: Elsewhere
) -> Wanted:
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    mistakes = check_paths(document, folder) if isinstance(folder, Path) else []
    if mistakes:
        raise ExceptionGroup(f"{len(mistakes)} mistakes in {document.file}", mistakes)
    spec = deployment.spec
    read: dict[str, Content] = {}
    for field_path, source in _sources(deployment):
        name, position = field_path.split(".")[1], document.positions.of(field_path)
        count = Count(report, name)
        if isinstance(folder, str) or is_remote(source):
            uri = source if is_remote(source) else _beside(str(folder), source, position)
            read[name] = elsewhere.tree(uri, position, count)
            continue
        read[name] = read_folder(folder / source, folder, position, cache=cache, count=count)
    _check_code_there(document, read.get("code"))
    if spec.model and spec.model.from_:
        read["model"] = elsewhere.revision(spec.model.from_, document.positions.of("spec.model.from"))
    own = _own_image(document, read["model"], elsewhere) if "model" in read else dict[str, str]()
    contents = {name: content for name, content in read.items() if name != "code"} | _code(deployment, read.get("code"))
    digests = replace(_digests(deployment, contents, read.get("code")), **own)
    return Wanted(
        deployment.metadata.namespace, deployment.metadata.name, deployment, declared_spec(deployment), digests, contents
    )


def _beside(folder: str, source: str, position: Position) -> str:
    """The URI of what a document in S3 names by a relative path. Raises UserError where that leaves its folder."""
    path = PurePosixPath(source)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{source} leaves {folder}", position=position, code="TT2003", fix="move it below the document")
    return f"{folder}/{path.as_posix()}".removesuffix("/.")


def _own_image(document: Document, model: Content, elsewhere: Elsewhere) -> Mapping[str, str]:
    """What is kept of the Dockerfile of a model that brings one. Raises UserError, or an ExceptionGroup of them."""
    if lacking := check_model(document, {entry.path for entry in model.entries}):
        raise lacking[0]

    def read(entry: Entry) -> bytes:
        return elsewhere.read(model, entry) if model.origins else (model.root / entry.path).read_bytes()

    return own_base(document, model, read)


def _check_code_there(document: Document, code: Content | None) -> None:
    """A file that a field names must be in code that was not beside the document. Raises UserError."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    if code is None or not code.origins:
        return
    there = {entry.path for entry in code.entries}
    for field_path, name in (
        ("spec.training.entryPoint", _entry_point(deployment)),
        ("spec.evaluation.entryPoint", _evaluation(deployment)),
        ("spec.image.dockerfile", _dockerfile(deployment)),
    ):
        if name is not None and name not in there and document.positions.has(field_path):
            raise _missing(name, deployment.spec.code.source if deployment.spec.code else "", there, document, field_path)


def _code(deployment: ModelDeployment, code: Content | None) -> dict[str, Content]:
    """The part of the code that each stage uses."""
    spec, parts = deployment.spec, dict[str, Content]()
    if code is None:
        return parts
    for stage, files in (("training", spec.training.files if spec.training else ()), ("serving", spec.serving.files)):
        keep = frozenset(selected((entry.path for entry in code.entries), files))
        parts[stage] = code.part(keep.__contains__)
    script = _evaluation(deployment) if spec.evaluation.champion else None
    if script and any(entry.path == script for entry in code.entries):
        parts["evaluation"] = code.part(script.__eq__)  # the rest of what it needs are training files
    return parts


def _digests(deployment: ModelDeployment, contents: Mapping[str, Content], code: Content | None) -> Digests:
    digest = {name: content.digest for name, content in contents.items()}
    dockerfile = _dockerfile(deployment)
    return Digests(
        dataset=digest.get("dataset", ""),
        channels=_channels(contents["dataset"]) if "dataset" in contents else {},
        training=digest.get("training", ""),
        serving=digest.get("serving", ""),
        dockerfile=next((entry.sha256 for entry in code.entries if entry.path == dockerfile), "") if code else "",
        model=digest.get("model", ""),
        evaluation=digest.get("evaluation", ""),
        evaluated_on=str(contents["model"].record.get("test", "")) if "model" in contents else "",
    )


def declared_spec(deployment: ModelDeployment) -> dict[str, Any]:
    """The spec as JSON values, defaults left out: equal for two spellings of one meaning."""
    return deployment.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _channels(dataset: Content) -> dict[str, str]:
    """Each folder at the top is a channel; files at the top make the whole one channel, `training`."""
    tops = {entry.path.partition("/")[0] for entry in dataset.entries}
    if any("/" not in entry.path for entry in dataset.entries):
        return {"training": dataset.digest}
    return {top: dataset.part(lambda _: True, below=top).digest for top in sorted(tops)}


def _sources(deployment: ModelDeployment) -> list[tuple[str, str]]:
    spec = deployment.spec
    named = (("spec.dataset.source", spec.dataset), ("spec.code.source", spec.code), ("spec.model.source", spec.model))
    return [(path, part.source) for path, part in named if part is not None and part.source is not None]


def is_remote(source: str) -> bool:
    return source.startswith("s3://")


def _entry_point(deployment: ModelDeployment) -> str | None:
    training = deployment.spec.training
    return training.entry_point if training else None


def _evaluation(deployment: ModelDeployment) -> str | None:
    return deployment.spec.evaluation.entry_point if deployment.spec.training else None


def _dockerfile(deployment: ModelDeployment) -> str | None:
    return deployment.spec.image.dockerfile


def _check_file(document: Document, folder: Path, field_path: str, name: str | None) -> list[UserError]:
    """A file that a field names must lie inside the code folder; one that is only the default may be missing."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    if name is None or deployment.spec.code is None or not document.positions.has(field_path):
        return []
    if is_remote(deployment.spec.code.source):
        return []  # known only once it is read
    code = folder / deployment.spec.code.source
    path = code / name
    position = document.positions.of(field_path)
    if not code.is_dir() or path.is_file():
        inside = not path.exists() or path.resolve().is_relative_to(code.resolve())
        if inside:
            return []
        return [
            UserError(
                f"{name} leaves the code folder {code}", position=position, code="TT2003", fix="move it into the folder"
            )
        ]
    return [_missing(name, code, (each.name for each in code.iterdir() if each.is_file()), document, field_path)]


def _missing(name: str, code: object, there: Iterable[str], document: Document, field_path: str) -> UserError:
    holds = ", ".join(sorted(there)[:8]) or "no files"
    return UserError(
        f"{name} is not in {code}, which holds {holds}",
        position=document.positions.of(field_path),
        code="TT2007",
        fix="name a file inside the code folder",
    )


def wanted_from(ledger: Ledger) -> Wanted:
    """What was declared last, from the ledger alone."""
    metadata = {"namespace": ledger.namespace, "name": ledger.name}
    deployment = ModelDeployment.model_validate(
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": ledger.document}
    )
    contents = ledger.contents
    told = {name: contents.get(name, "") for name in ("dockerfile", "model", "evaluation", "evaluated_on", "base")}
    digests = Digests(contents["dataset"], contents["channels"], contents["training"], contents["serving"], **told)
    return Wanted(ledger.namespace, ledger.name, deployment, dict(ledger.document), digests)
