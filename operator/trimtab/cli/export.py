"""`trimtab export`: the API for other programs."""

import json

import click


@click.group(name="export")
def command() -> None:
    """Print the JSON Schema of the API."""


@command.command(name="schema")
@click.argument("kind", type=click.Choice(["ModelDeployment", "Environment", "OperatorConfig"]), default="ModelDeployment")
def schema(kind: str) -> None:
    """Print the JSON Schema (draft 7) of KIND, for editors and linters.

    Editors take it from a first line like: # yaml-language-server: $schema=trimtab.schema.json

    \b
    Example: trimtab export schema > trimtab.schema.json
             trimtab export schema Environment
    """
    from trimtab.model.schema import json_schema

    click.echo(json.dumps(json_schema(kind), indent=2))
