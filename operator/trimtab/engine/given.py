"""A model that is there already: what its folder must hold, and the Dockerfile that may say what serves it."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from trimtab.compile.graph import SERVING_BASE
from trimtab.core.errors import Position, UserError
from trimtab.engine.contents import Content, check_folder, file_names
from trimtab.model.deployment import ModelDeployment
from trimtab.model.load import Document
from trimtab_container.digests import Entry
from trimtab_container.dockerfile import BASE_ARGUMENT, Reading
from trimtab_container.dockerfile.read import read_dockerfile

_WHOLE = ("model.onnx", "card.json", "golden.json")
SOURCE = "spec.model.source"


def check_folder_of_model(document: Document, folder: Path) -> list[UserError]:
    """Check a model's folder beside the document, its Dockerfile and what that names included."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    assert deployment.spec.model is not None
    assert deployment.spec.model.source is not None
    root = folder / deployment.spec.model.source
    try:
        check_folder(root, folder, document.positions.of(SOURCE))
        names = file_names(root, folder, document.positions.of(SOURCE))
    except UserError as error:
        return [error]
    mistakes = check_model(document, names)
    if mistakes or deployment.spec.image.dockerfile not in names:
        return mistakes
    reading = read_own(deployment, names, lambda path: (root / path).read_bytes())
    return mistakes_of(reading, lambda path: str(root / path))


def check_model(document: Document, there: Collection[str]) -> list[UserError]:
    """A model's folder has a Dockerfile, or what our server needs: the model, unless code loads another, and its proof."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    dockerfile = deployment.spec.image.dockerfile
    if dockerfile in there:
        return [] if deployment.spec.code is None else [_no_code(document, dockerfile)]
    needed = _WHOLE if deployment.spec.code is None else ("card.json", "golden.json")
    missing = [name for name in needed if name not in there]
    if deployment.spec.code is None and document.positions.has("spec.image.dockerfile"):
        return [
            UserError(
                f"{dockerfile} is not in the model's folder", position=document.positions.of("spec.image.dockerfile"),
                code="TT2007", fix="name a file inside it, or leave the field out for a folder with an ONNX model",
            )
        ]  # fmt: skip
    if not missing:
        return []
    return [
        UserError(
            f"the model's folder holds no {' and no '.join(missing)}",
            position=document.positions.of(SOURCE), code="TT2011",
            fix=f"put it there, or a {dockerfile} that brings a server of your own; "
            "`trimtab init NAME --template onnx --model FILE.onnx` makes card.json and golden.json",
        )
    ]  # fmt: skip


def _no_code(document: Document, dockerfile: str) -> UserError:
    return UserError(
        f"the model's folder has a {dockerfile}, which brings a server of its own: code would go unused",
        position=document.positions.of("spec.code"), code="TT1016",
        fix=f"remove code, or the {dockerfile} from the model's folder",
    )  # fmt: skip


def read_own(deployment: ModelDeployment, paths: Collection[str], read: Callable[[str], bytes]) -> Reading:
    """Read a model's own Dockerfile. paths: all files of the folder."""
    name = deployment.spec.image.dockerfile
    text = read(name).decode(errors="replace")
    # Which base the environment names is known where it is deployed to, so that it stands as it is written until then.
    return read_dockerfile(text, sorted(paths), read, file=name, arguments={BASE_ARGUMENT: SERVING_BASE})


def mistakes_of(reading: Reading, name: Callable[[str], str]) -> list[UserError]:
    """name: how a file of the folder is named to the user."""
    return [
        UserError(each.text, position=Position(name(each.file), each.line, each.column), code="TT4004", fix=each.fix)
        for each in reading.mistakes
    ]


def own_base(document: Document, content: Content, read: Callable[[Entry], bytes]) -> Mapping[str, str]:
    """What Digests keep of a model's own Dockerfile; nothing where there is none. Raises UserError, an ExceptionGroup."""
    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    entries = {entry.path: entry for entry in content.entries}
    dockerfile = entries.get(deployment.spec.image.dockerfile)
    if dockerfile is None:
        return {}

    def name(path: str) -> str:
        origin = content.origins.get(path)
        return f"s3://{origin.bucket}/{origin.key}" if origin else str(content.root / path)

    def as_hashed(path: str) -> bytes:
        data = read(entries[path])
        if hashlib.sha256(data).hexdigest() != entries[path].sha256:
            raise UserError(
                f"{name(path)} changed while it was read",
                code="TT2005", reason="DatasetChanged", fix="run it again once nothing writes there",
            )  # fmt: skip
        return data

    reading = read_own(deployment, entries, as_hashed)
    if reading.recipe is None:
        mistakes = mistakes_of(reading, name)
        raise ExceptionGroup(f"{len(mistakes)} mistakes in {dockerfile.path}", mistakes)
    return {"dockerfile": dockerfile.sha256, "base": reading.recipe.base}
