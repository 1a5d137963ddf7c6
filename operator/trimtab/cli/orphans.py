"""`trimtab orphans`: what carries our tags in the account and belongs to no living deployment."""

from dataclasses import asdict

import click

from trimtab.cli import words
from trimtab.cli.output import output_option, print_data, print_table, talk


@click.command(name="orphans")
@words.environment_option("The environment to look in.")
@output_option
def command(environment: str, output: str) -> int:
    """List what trimtab made in the account and no living deployment owns, and why it is left. Changes nothing.

    \b
      retained   its deployment was let go of (policy.deletion: retain)
      deleting   its deployment is being deleted
      leftover   no ledger knows its uid
      other      tagged with the environment, and of another installation or another hand

    \b
    Example: trimtab orphans
             trimtab orphans -o json | jq -r '.[] | select(.fate == "leftover") | .arn'
    """
    from trimtab.cli.context import environment_named, session
    from trimtab.engine.orphans import orphans, tagged_with, without_dying

    declared = environment_named(environment)
    with session(declared) as found:
        # In this order: what is made meanwhile has its ledger by the time that ledgers are read.
        tagged = tagged_with(declared.metadata.name, declared.spec.buckets.data, found.reconciler.driver)
        shared = found.ledgers.load_shared(declared.metadata.name).value
        listed = without_dying(orphans(tagged, found.ledgers.all(), shared), found.reconciler.driver)
    if output != "table":
        print_data([asdict(each) for each in listed], output)
    elif listed:
        rows = [(each.kind, each.name, each.deployment or "-", each.fate, each.since, each.because) for each in listed]
        print_table(("KIND", "NAME", "DEPLOYMENT", "FATE", "SINCE", "BECAUSE"), rows)
    else:
        talk(f"no orphans in environment {declared.metadata.name}")
    return 0
