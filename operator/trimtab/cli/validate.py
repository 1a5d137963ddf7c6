"""`trimtab validate`: check documents, without any network."""

from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.output import output_option, print_data, talk


@click.command(name="validate")
@click.argument("files", nargs=-1, required=True, shell_complete=words.files)
@output_option
def command(files: tuple[str, ...], output: str) -> int:
    """Check FILES (documents, folders of them, or - for stdin), and the local paths that they name.

    \b
    Example: trimtab validate digits/deployment.yaml
             trimtab validate deployments/ -o json
    """
    from trimtab.cli.context import documents
    from trimtab.engine.wanted import check_paths
    from trimtab.model.deployment import ModelDeployment

    loaded = documents(files)
    mistakes = [
        mistake
        for document, folder in loaded
        if isinstance(document.value, ModelDeployment)
        for mistake in check_paths(document, folder)
    ]
    if mistakes:
        raise ExceptionGroup(f"{len(mistakes)} mistakes", mistakes)
    names = [f"{document.kind} {_name(document.value)}" for document, _ in loaded]
    if output != "table":
        print_data({"valid": names}, output)
    else:
        for name in names:
            talk(f"{name}: valid")
    return 0


def _name(value: Any) -> str:
    """ "vision/digits"; what is no deployment has no namespace."""
    from trimtab.model.deployment import ModelDeployment

    if not isinstance(value, ModelDeployment):
        return value.metadata.name
    return f"{value.metadata.namespace}/{value.metadata.name}"
