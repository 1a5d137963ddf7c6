"""What rollback, release, retry, retrain and refresh share: change what is remembered, then make passes until it is true."""

from collections.abc import Callable
from typing import Any, TypeAlias

import click

from trimtab.cli import words

Change: TypeAlias = Callable[[Any, Any], Any]  # (session, ledger) -> ledger


def act_options(command: Any) -> Any:
    """Add --environment, --timeout and --no-wait."""
    for option in (
        click.option("--no-wait", is_flag=True, help="Only write it down: the next apply acts on it."),
        words.timeout_option("2h", "Give up waiting after this long."),
        words.environment_option(),
    ):
        command = option(command)
    return command


def act(name: str, change: Change, *, environment: str, timeout: str, no_wait: bool) -> int:
    """Change the ledger of a deployment, and converge on what its document last declared."""
    from trimtab.cli.context import environment_named, ledger_of, remembered, session
    from trimtab.cli.output import talk
    from trimtab.cli.progress import Progress, report_end
    from trimtab.core.quantities import duration_s
    from trimtab.engine.converge import converge

    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
        changed = found.reconciler.amend(ledger.namespace, ledger.name, lambda each: change(found, each))
        if no_wait:
            talk("written down; the next apply acts on it")
            return 0
        wanted = remembered(changed)
        with Progress() as progress:
            end = converge(found.reconciler, wanted, found.clock, progress.tell, duration_s(timeout))
        url = found.endpoint(end.outcome.view) if end.outcome else ""
    return report_end(end, wanted, url)
