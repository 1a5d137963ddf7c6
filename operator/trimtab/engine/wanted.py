"""A document that is resolved as far as its own folder goes: what it declares, and its content by digest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from trimtab.compile.facts import Digests
from trimtab.compile.select import selected
from trimtab.core.canonical import digest_of
from trimtab.core.errors import UserError
from trimtab.engine.contents import Content, DigestCache, check_folder, read_folder
from trimtab.engine.ledger import Ledger
from trimtab.model.deployment import ModelDeployment
from trimtab.model.load import Document


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become true. Without `contents` (status and wait know the ledger alone) nothing can be sent."""

    namespace: str
    name: str
    deployment: ModelDeployment
    declared: Mapping[str, Any]  # canonical spec: as declared, defaults left out
    digests: Digests
    contents: Mapping[str, Content] = field(default_factory=dict[str, Content])  # "dataset", "training", "serving"

    @property
    def spec_digest(self) -> str:
        """Changes with the document's meaning or its content, never with its spelling."""
        digests = self.digests
        return digest_of(
            {"spec": self.declared, "content": [digests.dataset, digests.training, digests.serving, digests.dockerfile]}
        )


def check_paths(document: Document, folder: Path) -> list[UserError]:
    """Check what the document says of its folder, reading no file: sources are folders inside, the entry point is there."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    found: list[UserError] = []
    for field_path, source in _sources(deployment):
        try:
            check_folder(folder / source, folder, document.positions.of(field_path))
        except UserError as error:
            found.append(error)
    found += _check_file(document, folder, "spec.training.entryPoint", _entry_point(deployment))
    found += _check_file(document, folder, "spec.image.dockerfile", _dockerfile(deployment))
    return found


def resolve(
    document: Document, folder: Path, *, cache: DigestCache | None = None, progress: Callable[[str, int], Any] | None = None
) -> Wanted:
    """Digest dataset and code. Raises UserError, or an ExceptionGroup of them."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    mistakes = check_paths(document, folder)
    if mistakes:
        raise ExceptionGroup(f"{len(mistakes)} mistakes in {document.file}", mistakes)
    spec = deployment.spec
    read: dict[str, Content] = {}
    for field_path, source in _sources(deployment):
        name = field_path.split(".")[1]
        report = partial(progress, name) if progress else None
        read[name] = read_folder(folder / source, folder, document.positions.of(field_path), cache=cache, progress=report)
    if cache:
        cache.save()
    contents = {"dataset": read["dataset"]}
    for stage, files in (("training", spec.training.files if spec.training else ()), ("serving", spec.serving.files)):
        keep = frozenset(selected((entry.path for entry in read["code"].entries), files))
        contents[stage] = read["code"].part(keep.__contains__)
    dockerfile = _dockerfile(deployment)
    docker = next((entry.sha256 for entry in read["code"].entries if entry.path == dockerfile), "")
    digests = Digests(
        contents["dataset"].digest,
        _channels(contents["dataset"]),
        contents["training"].digest,
        contents["serving"].digest,
        docker,
    )
    return Wanted(
        deployment.metadata.namespace, deployment.metadata.name, deployment, declared_spec(deployment), digests, contents
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
    named = (("spec.dataset.source", spec.dataset), ("spec.code.source", spec.code))
    return [(path, part.source) for path, part in named if part is not None]


def _entry_point(deployment: ModelDeployment) -> str | None:
    training = deployment.spec.training
    return training.entry_point if training else None


def _dockerfile(deployment: ModelDeployment) -> str | None:
    return deployment.spec.image.dockerfile


def _check_file(document: Document, folder: Path, field_path: str, name: str | None) -> list[UserError]:
    """A file that a field names must lie inside the code folder; one that is only the default may be missing."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    if name is None or deployment.spec.code is None or not document.positions.has(field_path):
        return []
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
    there = ", ".join(sorted(each.name for each in code.iterdir() if each.is_file())[:8]) or "no files"
    return [
        UserError(
            f"{name} is not in {code}, which holds {there}",
            position=position,
            code="TT2007",
            fix="name a file inside the code folder",
        )
    ]


def wanted_from(ledger: Ledger) -> Wanted:
    """What was declared last, from the ledger alone."""
    metadata = {"namespace": ledger.namespace, "name": ledger.name}
    deployment = ModelDeployment.model_validate(
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": ledger.document}
    )
    contents = ledger.contents
    digests = Digests(
        contents["dataset"], contents["channels"], contents["training"], contents["serving"], contents.get("dockerfile", "")
    )
    return Wanted(ledger.namespace, ledger.name, deployment, dict(ledger.document), digests)
