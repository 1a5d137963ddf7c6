"""`trimtab init`: a working project to start from."""

import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from trimtab.cli.output import talk

# By template: the folders that it is laid together from, a later one over an earlier one; each holds what only it has.
TEMPLATES = {
    "pytorch": ("pytorch",),
    "sklearn": ("sklearn",),
    "onnx": ("onnx",),
    "image": ("sklearn", "image"),
    "server": ("server",),
}
_MODEL = "model.onnx"


def _is_label(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """A name that no document may have is refused before a document is written. Raises BadParameter."""
    if value is not None and value != (fitting := _label(value)):
        raise click.BadParameter(f"{value!r} must be small letters, digits and hyphens; write {fitting}")
    return value


@click.command(name="init")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--name", callback=_is_label, help="Name of the deployment; by default that of the folder.")
@click.option("--namespace", default="default", show_default=True, callback=_is_label, help="Its namespace.")
@click.option(
    "--template",
    type=click.Choice(tuple(TEMPLATES)),
    default="pytorch",
    show_default=True,
    help="Train with PyTorch or scikit-learn, serve an ONNX model that is there, train in an image of your own, or serve "
    "with a server of your own.",
)
@click.option("--model", help="With --template onnx: your model, a .onnx file or s3://bucket/prefix.")
@click.option("--environment", is_flag=True, help="Print an Environment for an AWS account instead.")
def command(folder: Path, name: str | None, namespace: str, template: str, model: str | None, environment: bool) -> int:
    """Write a working project into FOLDER: a document, code, small data, and a README with the steps.

    \b
    Example: trimtab init my-model && python my-model/make_data.py
             trimtab init my-model --template sklearn
             trimtab init my-model --template onnx --model exported.onnx
             trimtab init --environment > environment.yaml
    """
    templates = files("trimtab.cli").joinpath("templates")
    if environment:
        click.echo(templates.joinpath("environment.yaml").read_text(), nl=False)
        return 0
    folder = folder.resolve()
    _check(folder, template, model)
    remote = model is not None and model.startswith("s3://")
    words = {"NAME": name or _label(folder.name), "NAMESPACE": namespace, "SOURCE": model if remote and model else "./model"}
    for part in TEMPLATES[template]:
        _copy(templates.joinpath(part), folder, words)
    steps = [f"python {folder / 'make_data.py'}"] if (folder / "make_data.py").exists() else []
    if model is not None:
        shutil.rmtree(folder / "model")  # the template's own
        (folder / "request.json").unlink()
    if model is not None and not remote:
        (folder / "model").mkdir()
        shutil.copyfile(model, folder / "model" / _MODEL)
        steps.append(f"python {folder / 'make_card.py'} --inputs FILE")
    steps.append(f"trimtab apply {folder / 'deployment.yaml'}")
    talk(f"wrote {folder}; next: {', then '.join(steps)}; README.md there has all steps")
    return 0


def _check(folder: Path, template: str, model: str | None) -> None:
    """Raises UserError for what cannot be done."""
    from trimtab.core.errors import UserError

    taken = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    if taken:
        raise UserError(f"{folder} is not empty: it holds {taken[0]}", code="TT6002", fix="name an empty or new folder")
    if model is None:
        return
    if template != "onnx":
        raise UserError(f"--model is for --template onnx, not {template}", code="TT6003", fix="add --template onnx")
    if not model.startswith("s3://") and not Path(model).is_file():
        raise UserError(f"{model} is no file", code="TT6003", fix="name a .onnx file, or s3://bucket/prefix")


def _copy(source: Any, target: Path, words: dict[str, str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for child in source.iterdir():
        if child.is_dir():
            if child.name != "__pycache__":
                _copy(child, target / child.name, words)
            continue
        data: bytes = child.read_bytes()
        if not child.name.endswith(".onnx"):
            for word, value in words.items():
                data = data.replace(f"@{word}@".encode(), value.encode())
        (target / child.name).write_bytes(data)


def _label(text: str) -> str:
    """A folder's name as an RFC 1123 label."""
    letters = "".join(char if char.isalnum() and char.isascii() else "-" for char in text.lower()).strip("-")
    return letters[:63].rstrip("-") or "model"
