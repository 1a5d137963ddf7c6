"""`trimtab apply`: make a document true, and show how it goes."""

from typing import Any

import click

from trimtab.cli import interrupts, words
from trimtab.cli.output import talk

_LOOK_S = 0.5


@click.command(name="apply")
@click.argument("files", nargs=-1, required=True, shell_complete=words.files)
@words.timeout_option("2h", "Give up waiting after this long; what runs goes on.")
@click.option("--no-wait", is_flag=True, help="Make one pass, let what it sends arrive, and leave: the next apply goes on.")
@click.option("--no-digest-cache", is_flag=True, help="Hash every file again.")
def command(files: tuple[str, ...], timeout: str, no_wait: bool, no_digest_cache: bool) -> int:
    """Make FILES true (documents, folders of them, or - for stdin), or do the plan that was saved in one.

    A saved plan is refused when its document, its files or the world moved since it was made, and what moved is said.
    An interrupted apply is continued by the next. Exit codes: 0 converged, 1 an error or stalled, 3 timed out.

    \b
    Example: trimtab apply digits/deployment.yaml
             trimtab apply digits.plan
             trimtab apply digits --no-wait
    """
    from trimtab.cli.context import deployment_in, environment_named, resolved, session
    from trimtab.cli.progress import report_end
    from trimtab.cli.saved import saved_in
    from trimtab.cli.sourced import warn_of_apply
    from trimtab.core.quantities import duration_s

    approval, files = saved_in(files) or (None, files)
    document, folder, environments = deployment_in(files)
    wanted = resolved(document, folder, environments, digests=not no_digest_cache)
    environment = environment_named(wanted.deployment.spec.environment_ref.name, environments)
    if approval:
        approval.check_document(wanted, environment)
    limit_s = 0.0 if no_wait else duration_s(timeout)
    title = f"{wanted.namespace}/{wanted.name} in {environment.metadata.name}"
    with session(environment, dict(wanted.contents)) as found:
        warn_of_apply(found.ledgers.load(wanted.namespace, wanted.name).value, wanted, document.file)
        end, url = _converged(found, wanted, title, approval, limit_s, no_wait=no_wait)
    if no_wait and end.how == "timeout":
        talk("under way; the next apply, or an operator, goes on with it")
        return 0
    return report_end(end, wanted, url)


def _converged(found: Any, wanted: Any, title: str, approval: Any, limit_s: float, *, no_wait: bool) -> tuple[Any, str]:
    """How it ended, and the endpoint's URL."""
    from trimtab.cli.progress import Progress
    from trimtab.engine.converge import converge

    with Progress(title) as progress:
        end = converge(found.reconciler, wanted, found.clock, progress.tell, limit_s, approval)
        url = found.endpoint(end.outcome.view) if end.outcome else ""
        transfers = found.reconciler.transfers
        while no_wait and transfers.is_busy:
            interrupts.check()
            transfers.changed.clear()
            found.clock.wait(transfers.changed, _LOOK_S)
    return end, url
