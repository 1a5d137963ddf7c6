"""What the shell may complete beside commands and options: deployments, environments and files. No network, nothing heavy.

Names come from the documents in the current folder and in the folders below it, one level down: as many as a person has at
hand, and never a whole disk.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

_FILES_MOST = 100


def deployments(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """ "<namespace>/<name>" of each ModelDeployment at hand; its bare name where that is how the word begins."""
    names = sorted(set(_declared(Path.cwd())))
    bare = sorted({name.partition("/")[2] for name in names})
    whole = [name for name in names if name.startswith(incomplete)]
    return whole or [name for name in bare if name.startswith(incomplete)]


def environments(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The local cloud's, and those whose files are in the config folder."""
    known = sorted(path.stem for path in environments_folder().glob("*.yaml"))
    return [name for name in ("local", *known) if name.startswith(incomplete)]


def files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Left to the shell: it knows files best."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def environment_option(text: str = "The environment it is in, or its YAML file.") -> Any:
    """`--environment`, of the commands that take a name."""
    return click.option("--environment", default="local", show_default=True, help=text, shell_complete=environments)


def timeout_option(default: str, text: str) -> Any:
    """`--timeout`, of the commands that wait."""
    return click.option("--timeout", default=default, show_default=True, help=text, callback=_duration)


def _duration(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A mistake is said before anything is done. Raises BadParameter."""
    from trimtab.core.quantities import duration_s

    try:
        duration_s(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


def environments_folder() -> Path:
    """Where the files of environments are kept, each `<name>.yaml`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "trimtab" / "environments"


def _declared(folder: Path) -> Iterator[str]:
    found = (path for pattern in ("*.yaml", "*.yml", "*/*.yaml", "*/*.yml") for path in folder.glob(pattern))
    for path in islice(found, _FILES_MOST):
        yield from _names_in(path)


def _names_in(path: Path) -> Iterable[str]:
    """Of the documents of one file; a file that cannot be read names nothing: this is no place to complain."""
    from trimtab.model.names import names_in
    from trimtab.model.yaml_loader import MAX_BYTES

    try:
        return names_in(path.read_bytes(), str(path)) if path.stat().st_size <= MAX_BYTES else ()
    except OSError:
        return ()
