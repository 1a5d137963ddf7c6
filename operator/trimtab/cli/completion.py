"""`trimtab completion`: what a shell sources to complete commands, options, choices and the names of deployments."""

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the script that completes `trimtab` in SHELL.

    \b
    Example: echo 'eval "$(trimtab completion bash)"' >> ~/.bashrc
             echo 'eval "$(trimtab completion zsh)"' >> ~/.zshrc
             trimtab completion fish > ~/.config/fish/completions/trimtab.fish
    """
    from click.shell_completion import get_completion_class

    from trimtab.cli.main import program

    of_shell = get_completion_class(shell)
    assert of_shell is not None
    click.echo(of_shell(program, {}, "trimtab", "_TRIMTAB_COMPLETE").source())
    return 0
