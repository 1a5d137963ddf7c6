"""The command line. Each command is a module, imported when it is run: `--version` and `--help` load none of them."""

from trimtab.cli.main import main

__all__ = ["main"]
