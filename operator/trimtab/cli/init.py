"""`trimtab init`: a working project to start from."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from trimtab.cli.output import talk

TEMPLATES = ("pytorch", "sklearn")


@click.command(name="init")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--name", help="Name of the deployment; by default that of the folder.")
@click.option("--namespace", default="default", show_default=True, help="Its namespace.")
@click.option("--template", type=click.Choice(TEMPLATES), default="pytorch", show_default=True, help="What to start from.")
@click.option("--environment", is_flag=True, help="Print an Environment for an AWS account instead.")
def command(folder: Path, name: str | None, namespace: str, template: str, environment: bool) -> int:
    """Write a working project into FOLDER: a document, code, small data, and a README with the steps.

    \b
    Example: trimtab init my-model && python my-model/make_data.py
             trimtab init my-model --template sklearn
             trimtab init --environment > environment.yaml
    """
    from trimtab.core.errors import UserError

    templates = files("trimtab.cli").joinpath("templates")
    if environment:
        click.echo(templates.joinpath("environment.yaml").read_text(), nl=False)
        return 0
    folder = folder.resolve()
    taken = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    if taken:
        raise UserError(f"{folder} is not empty: it holds {taken[0]}", code="TT6002", fix="name an empty or new folder")
    _copy(templates.joinpath(template), folder, {"NAME": name or _label(folder.name), "NAMESPACE": namespace})
    first = f"python {folder / 'make_data.py'}, then " if (folder / "make_data.py").exists() else ""
    talk(f"wrote {folder}; next: {first}trimtab apply {folder / 'deployment.yaml'}; README.md has the steps")
    return 0


def _copy(source: Any, target: Path, words: dict[str, str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for child in source.iterdir():
        if child.is_dir():
            if child.name != "__pycache__":
                _copy(child, target / child.name, words)
            continue
        text = child.read_text()
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        (target / child.name).write_text(text)


def _label(text: str) -> str:
    """A folder's name as an RFC 1123 label."""
    letters = "".join(char if char.isalnum() and char.isascii() else "-" for char in text.lower()).strip("-")
    return letters[:63].rstrip("-") or "model"
