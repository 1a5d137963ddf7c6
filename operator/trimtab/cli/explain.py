"""`trimtab explain`: what a field of the API, or an error code, means."""

import click


@click.command(name="explain")
@click.argument("path", required=False, default="")
def command(path: str) -> int:
    """Explain PATH: a field (spec.serving.replicas, Environment.spec.roles) or an error code (TT1012).

    \b
    Example: trimtab explain spec.serving.replicas
             trimtab explain TT1012
    """
    from trimtab.model.explain import explain

    found = explain(path)
    click.echo(f"{found.path or 'ModelDeployment'} <{found.type}>\n\n  {found.text}")
    rows = (("default", found.default), ("bounds", found.bounds), ("example", found.example), ("effect", found.remakes))
    for name, value in rows:
        if value:
            click.echo(f"  {name + ':':<9}{value}")
    if found.fields:
        click.echo("\nFIELDS")
        for name, text in found.fields:
            click.echo(f"  {name:<22}{text}")
    return 0
