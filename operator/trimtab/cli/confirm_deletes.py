"""`trimtab confirm-deletes`: a person's word that documents which vanished from a source are to be deleted."""

import sys

import click

from trimtab.cli import words
from trimtab.cli.output import talk


@click.command(name="confirm-deletes")
@click.argument("source", required=False)
@words.environment_option("The environment they are in.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(source: str | None, environment: str, yes: bool) -> int:
    """Let the operator delete the documents that vanished from SOURCE and that the brake holds; without SOURCE, of all.

    More than max(3, 20 %) of a source's documents that vanish within an hour are not deleted without this, nor are the last
    ones of a source where two or more vanish within a minute. It lists them, asks, and says so to the operator, which
    deletes each as its policy.deletion says. Whatever is back by then stays.

    \b
    Example: trimtab confirm-deletes
             trimtab confirm-deletes folder:/srv/models --yes
    """
    from trimtab.cli.context import environment_named, session
    from trimtab.engine.brake import confirmed

    with session(environment_named(environment)) as found:
        ledgers = found.ledgers
        names = [each for each in ledgers.braked_sources() if source in (None, each)]
        held = {each: stored for each in names if (stored := ledgers.load_vanished(each)).value.waiting}
        for name, stored in held.items():
            for key in stored.value.waiting:
                talk(f"  - {key}  (gone from {name} since {stored.value.since[key]})")
        if not held:
            talk("no vanished document waits for a word")
            return 0
        count = sum(len(stored.value.waiting) for stored in held.values())
        if not yes and not _agreed(count):
            talk("nothing is deleted")
            return 1
        for name, stored in held.items():
            ledgers.save_vanished(name, confirmed(stored.value, stored.value.waiting), stored.etag)
    talk(f"the operator deletes {count} with its next look")
    return 0


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("confirm-deletes needs --yes where nobody can be asked")
    return click.confirm(f"Delete these {count} deployments?", default=False, err=True)
